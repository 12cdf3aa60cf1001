"""``snakemake --report report.zip``: one page for offline use, with every figure, its caption and its provenance."""

import json
import re
import zipfile

import pytest

from inversion.config.figures import FIGURES

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def archive(finished, tmp_path_factory) -> dict[str, bytes]:
    """The files in the archive, by their names below its only folder."""
    checkout = finished.copy(tmp_path_factory.mktemp("report"))
    done = checkout.run("--report", "report.zip")
    assert "Missing metadata" not in done.stderr
    with zipfile.ZipFile(checkout.folder / "report.zip") as zipped:
        return {name.partition("/")[2]: zipped.read(name) for name in zipped.namelist()}


def data(archive, name):
    """A variable in the page's script."""
    page = archive["report.html"].decode()
    (start,) = re.findall(rf'<script id="{name}">\s*var {name} = (.*)', page, re.DOTALL)
    return json.JSONDecoder().raw_decode(start)[0]


def test_the_archive_has_figures_tables_and_report_byte_for_byte(archive, finished):
    results = data(archive, "results")
    svgs = {f"results/figures/{file.name}" for file in finished.result("figures").glob("*-recipes.svg")}
    tables = {"results/tables/inversions.csv", "results/tables/tradeoffs.csv"}
    assert set(results) == svgs | tables | {"results/report.html", "results/items.html"}
    assert len(svgs) == 4
    for path, result in results.items():
        assert archive[result["data_uri"]] == (finished.folder / path).read_bytes()


def test_every_result_has_its_category_labels_and_caption(archive):
    results, categories = data(archive, "results"), data(archive, "categories")
    assert set(categories) == {"Report", "Tables", "recipes"}
    for path, result in results.items():
        name = path.rpartition("/")[2].partition("-")[0]
        if name in FIGURES:
            assert result["labels"] == {"figure": name}
            assert result["job_properties"]["rule"] == "draw_figure"
        assert result["labels"]
        text = re.sub(r"<.*?>", "", result["caption"])
        assert len(text) > 80
        assert "{" not in text, "a wildcard or a template that was not expanded"
    captions = [result["caption"] for path, result in results.items() if path.endswith(".svg")]
    assert len(set(captions)) == len(captions)


def test_the_page_needs_no_network(archive):
    page = archive["report.html"].decode()
    assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*\b(?:src|href)=["']?(?:https?:)?//""", page)
    assert not re.findall(r"@import\s+url\((?:https?:)?//", page)
