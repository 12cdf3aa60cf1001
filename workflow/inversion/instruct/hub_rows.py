"""Downloads instruction data from the Hugging Face Hub once, into a Parquet file of raw rows.

All later stages read this file, so they need neither a network nor the Hub's library and cache.
"""

from __future__ import annotations

import json
import logging
import tempfile

import datasets
import polars as pl
from datasets.exceptions import DatasetNotFoundError, DatasetsError

from inversion.instruct.rows import JSON_ROWS, DataError, holds_json

log = logging.getLogger(__name__)


def fetch_rows(repository: str, revision: str, name: str | None, split: str) -> pl.DataFrame:
    """All rows of a dataset's split at a commit. ``name`` is the configuration, if the dataset has several.

    The access token comes from the environment (``HF_TOKEN``) or the Hub's login.

    Raises :class:`~inversion.instruct.rows.DataError` if the repository, revision, configuration or split does not
    exist, if access is not granted, or if the Hub cannot be reached.
    """
    datasets.disable_progress_bars()
    where = f"dataset {repository} at {revision[:12]}"
    try:
        # use a separate cache, because offline the library would return whatever revision its default cache has
        with tempfile.TemporaryDirectory() as cache:
            loaded = datasets.load_dataset(repository, name, split=split, revision=revision, cache_dir=cache)
            features = loaded.features.to_dict()
            # polars keeps a column of several types as JSON source, including quotation marks
            rows: pl.DataFrame = (
                pl.DataFrame({JSON_ROWS: [json.dumps(row, default=str) for row in loaded]})
                if holds_json(features)
                else loaded.to_polars()
            )
    except DatasetNotFoundError as error:
        raise DataError(f"{where}: {_line(error)}; {_fix(str(error))}") from None
    except ConnectionError as error:
        raise DataError(
            f"{where}: the Hub cannot be reached, and the rows have not been downloaded before ({_line(error)}); "
            "run this step with a network and without HF_HUB_OFFLINE"
        ) from None
    except (DatasetsError, ValueError, RuntimeError, OSError, pl.exceptions.PanicException) as error:
        raise DataError(f"{where}: {_line(error)}; correct `name`, `split` or `revision`") from None
    log.info("%s: %d rows with the columns %s", where, rows.height, ", ".join(rows.columns))
    return rows


def _fix(fault: str) -> str:
    if "gated" in fault:
        return "accept its terms on its page and set HF_TOKEN to your token"
    if "Revision" in fault:
        return "correct `revision`"
    return "correct `id`, or set HF_TOKEN to a token with access"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
