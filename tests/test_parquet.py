"""Tables are whole or refused, and equal tables give equal files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.artifacts import ArtifactError
from inversion.parquet import read_parquet, write_parquet, write_table
from inversion.seals import parquet_fault


def table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "step": range(300),
            "text": [f"answer {i % 7}" for i in range(300)],
            "answers": [[str(i)] * (i % 3) for i in range(300)],
            "logprob": [None if i % 5 else -i / 3 for i in range(300)],
        }
    )


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    write_parquet(tmp_path / "one.parquet", table())
    write_parquet(tmp_path / "two.parquet", pl.concat([table()[:100], table()[100:]]))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert read_parquet(tmp_path / "one.parquet").equals(table())


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_table_is_named(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "labels.parquet"
    write_parquet(path, table())
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(ArtifactError) as caught:
        read_parquet(path)
    assert str(caught.value).startswith(f"{path} is not a readable table (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("frame", [table(), table()[:0], pl.DataFrame({"text": ["0" * 64, "sha256"]})], ids=len)
def test_a_table_round_trips_with_the_same_bytes(tmp_path: Path, frame: pl.DataFrame) -> None:
    for name in ("one.parquet", "two.parquet"):
        write_parquet(tmp_path / name, frame)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert read_parquet(tmp_path / "one.parquet").equals(frame)
    assert pl.read_parquet(tmp_path / "one.parquet").equals(frame)


@given(st.data())
def test_a_damaged_table_is_named(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    write_parquet(path, table())
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=30, unique=True)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"damaged\.parquet is not a readable table \("):
        read_parquet(path)


def test_a_table_of_another_writer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    table().write_parquet(path)
    with pytest.raises(ArtifactError, match=r"\(it has no seal\); delete it and rerun"):
        read_parquet(path)


def test_a_flipped_bit_in_a_table_is_detected_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    write_parquet(path, table())
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="its hash differs"):
        read_parquet(path)


def test_a_panic_of_the_reader_is_reported_as_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(source: object) -> pl.DataFrame:
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    path = tmp_path / "labels.parquet"
    write_parquet(path, table())
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(ArtifactError, match=r"labels\.parquet is not a readable table"):
        read_parquet(path)


def test_a_table_is_also_written_as_csv_with_joined_lists(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item": ["a", "b"], "answers": [["x", "y, z"], []], "rate": [0.5, None]})
    write_table(tmp_path / "t.parquet", tmp_path / "t.csv", frame)
    assert read_parquet(tmp_path / "t.parquet").equals(frame)
    assert (tmp_path / "t.csv").read_text() == 'item,answers,rate\na,"x | y, z",0.5\nb,"",\n'


@pytest.mark.parametrize("hash_up_to", [0, 2**22])
def test_a_truncated_table_is_detected_without_reading_it(tmp_path: Path, hash_up_to: int) -> None:
    table = tmp_path / "table.parquet"
    write_parquet(table, pl.DataFrame({"a": range(1000)}))
    whole = table.read_bytes()
    assert parquet_fault(table, hash_up_to) is None
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        table.write_bytes(whole[:size])
        assert parquet_fault(table, hash_up_to) == f"it is truncated, at {size} bytes"


def test_a_small_table_is_compared_with_its_seal(tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    write_parquet(table, pl.DataFrame({"a": range(1000)}))
    whole = table.read_bytes()
    middle = len(whole) // 2
    table.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert parquet_fault(table) == "it has changed since it was written: its hash differs"
    assert parquet_fault(table, hash_up_to=0) is None
    pl.DataFrame({"a": [1]}).write_parquet(table)  # a table of somebody else's
    assert parquet_fault(table) is None


def test_no_cell_of_a_csv_can_run_as_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@cell", "\tx", "plain = text", "", None]
    frame = pl.DataFrame({"text": texts, "answers": [["=1+1", "b"], *[["a"]] * 7], "n": range(-4, 4)})
    write_table(tmp_path / "t.parquet", tmp_path / "t.csv", frame)
    read = pl.read_csv(tmp_path / "t.csv")
    assert read["text"].to_list()[:6] == ["'=1+1", "'+1", "'-1", "'@cell", "'\tx", "plain = text"]
    assert read["answers"][0] == "'=1+1 | b"
    assert read["n"].to_list() == frame["n"].to_list(), "numbers stay numbers"
    assert read_parquet(tmp_path / "t.parquet").equals(frame)
