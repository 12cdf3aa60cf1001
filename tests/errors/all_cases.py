"""All sections of the page, in its order."""

from errors import architectures, data, models, probes, results, studies

SECTIONS = [
    studies.FILES,
    studies.KEYS,
    studies.AGREE,
    data.FILES,
    data.ROWS,
    data.SETS,
    data.BENCHMARKS,
    models.FOLDERS,
    models.TEMPLATES,
    architectures.ARCHITECTURES,
    models.SERIES,
    probes.PROBES,
    results.SELECTIONS,
    results.RESULTS,
    results.ELSEWHERE,
]
