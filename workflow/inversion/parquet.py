"""Tables as sealed Parquet files, and as CSV files for people."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from inversion.artifacts import ArtifactError, sha256_bytes, write_bytes, write_text
from inversion.seals import SEAL, UNSEALED, check_seal, seal_span


def write_parquet(path: str | Path, frame: pl.DataFrame) -> None:
    """Write a table to ``path`` atomically, sealed with a hash of the whole file. Equal tables give equal bytes.

    Without a seal, about half of all flipped bits in a Parquet file give wrong values without an error, and some damage
    crashes the process that reads it. :func:`read_parquet` verifies the seal before it reads.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False, metadata={SEAL: UNSEALED})
    data = buffer.getvalue()
    start, end = seal_span(data)
    write_bytes(path, data[:start] + sha256_bytes(data).encode() + data[end:])


def write_table(parquet: str | Path, csv: str | Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet and as CSV, each atomically.

    In the CSV file, lists are joined by `` | ``. An apostrophe is put before a text that a spreadsheet would run as a
    formula (one that begins with ``=``, ``+``, ``-`` or ``@``). The Parquet file is exact.
    """
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    flat = frame.with_columns(pl.col(lists).list.join(" | "))
    texts = [pl.col(name) for name, dtype in flat.schema.items() if dtype == pl.String]
    write_parquet(parquet, frame)
    as_texts = [pl.when(_is_formula(text)).then(pl.lit("'") + text).otherwise(text).name.keep() for text in texts]
    write_text(csv, flat.with_columns(as_texts).write_csv())


def _is_formula(text: pl.Expr) -> pl.Expr:
    return text.str.contains(r"^[=+\-@\t\r]")


def read_parquet(path: str | Path) -> pl.DataFrame:
    """The table in a Parquet file. Raises :class:`ArtifactError` if it is missing, broken or does not match its
    seal."""
    try:
        data = Path(path).read_bytes()
        check_seal(data)
        return pl.read_parquet(io.BytesIO(data))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; rerun to create it") from None
    except (Exception, pl.exceptions.PanicException) as error:  # polars raises many types for broken files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(f"{path} is not a readable table ({reason}); delete it and rerun to rebuild it") from None
