"""Files are whole or absent, faults name the file and the fix, and code counts by what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion import artifacts
from inversion.artifacts import (
    MARKER,
    ArtifactError,
    atomic_path,
    code_fingerprint,
    complete_folder,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    parquet_fault,
    read_json,
    read_parquet,
    seal_folder,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_parquet,
    write_table,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- hashes -------------------------------------------------------------------------------------


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(tmp_path / "f") == known


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_fingerprint_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: turned(part[key]) for key in reversed(part)}
        return [turned(element) for element in part] if isinstance(part, list) else part

    assert fingerprint(value) == fingerprint(turned(value))


@given(json_values, json_values)
def test_fingerprint_distinguishes_values(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_fingerprint_refuses_values_that_json_lacks() -> None:
    with pytest.raises(TypeError):
        fingerprint({"path": Path("x")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(float("nan"))


# --- the fingerprint of code --------------------------------------------------------------------

SCRIPT = """
from inversion.analyse import curve

curve(snakemake.input[0])
"""

PACKAGE = {
    "__init__.py": '"""The library."""\n',
    "analyse.py": """
        \"\"\"Curves.\"\"\"
        from inversion import stats
        from inversion.config.study import Config

        LEVEL = 0.95

        def curve(path):
            \"\"\"The curve.\"\"\"
            return stats.interval(path, LEVEL)  # both sides

        class Point:
            step: int
            \"\"\"Optimizer steps.\"\"\"
        """,
    "stats.py": """
        def interval(path, level):
            from inversion.deep.inner import bootstrap
            return bootstrap(path, level)
        """,
    "config/__init__.py": "from inversion.config.schema import Config\n",
    "config/schema.py": "class Config:\n    pass\n",
    "deep/__init__.py": "",
    "deep/inner.py": """
        from . import draw

        def bootstrap(path, level):
            return draw.once()
        """,
    "deep/draw.py": "def once():\n    return 4\n",
    "plot.py": "COLOUR = 'red'\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder with a small script and a small package."""
    (tmp_path / "script.py").write_text(SCRIPT)
    for name, text in PACKAGE.items():
        path = tmp_path / "inversion" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def print_of(code: Path) -> str:
    return code_fingerprint(code / "script.py", code / "inversion")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# both sides", "# two-sided"),
        ("  # both sides", ""),
        ('"""The curve."""', '"""Something else\n\n    at length."""'),
        ('    """The curve."""\n', ""),
        ('"""Curves."""\n', ""),
        ('"""Optimizer steps."""', '"""Steps of the optimizer."""'),
        ("LEVEL = 0.95", "\n\n# the usual\nLEVEL = (\n    0.95\n)"),
        ("return stats.interval(path, LEVEL)", "return stats.interval(\n        path,\n        LEVEL,\n    )"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(code: Path, old: str, new: str) -> None:
    before = print_of(code)
    replace(code / "inversion" / "analyse.py", old, new)
    assert print_of(code) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "input[0]", "input[1]"),
        ("inversion/analyse.py", "0.95", "0.9"),
        ("inversion/analyse.py", "step: int", "step: float"),
        ("inversion/stats.py", "bootstrap(path", "bootstrap(not path"),
        ("inversion/config/schema.py", "pass", "x = 1"),
        ("inversion/config/__init__.py", "Config\n", "Config\nx = 1\n"),
        ("inversion/deep/inner.py", "once()", "once() + 1"),
        ("inversion/deep/draw.py", "4", "5"),
        ("inversion/__init__.py", "\n", "\nx = 1\n"),
    ],
)
def test_code_that_the_script_reaches_counts(code: Path, file: str, old: str, new: str) -> None:
    before = print_of(code)
    replace(code / file, old, new)
    assert print_of(code) != before


def test_a_module_that_the_script_does_not_reach_does_not_count(code: Path) -> None:
    before = print_of(code)
    replace(code / "inversion" / "plot.py", "red", "blue")
    (code / "inversion" / "new.py").write_text("x = 1\n")
    assert print_of(code) == before


def test_a_module_that_the_script_resolves_by_name_counts_with_all_that_it_reaches(code: Path) -> None:
    def named() -> str:
        return code_fingerprint(code / "script.py", code / "inversion", ["inversion.plot", "json"])

    before, alone = named(), print_of(code)
    assert before != alone
    replace(code / "inversion" / "plot.py", "red", "blue")
    assert named() != before
    assert print_of(code) == alone


def test_a_reference_to_a_module_that_does_not_exist_is_refused(code: Path) -> None:
    with pytest.raises(ArtifactError, match=r"inversion\.plots is not a module"):
        code_fingerprint(code / "script.py", code / "inversion", ["inversion.plots"])


def test_the_path_of_the_checkout_does_not_count(code: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = print_of(code)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    code.rename(elsewhere)
    assert print_of(elsewhere) == before


def test_the_real_library_can_be_followed() -> None:
    package = Path(artifacts.__file__).parent
    assert code_fingerprint(package / "stats.py", package) != code_fingerprint(package / "artifacts.py", package)


# --- atomic files -------------------------------------------------------------------------------


def test_a_write_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "one")
    write_text(path, "zwei ü")
    assert path.read_bytes() == "zwei ü".encode()
    assert names(path.parent) == ["file.txt"]


def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_failing_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_bytes(tmp_path / "file", "text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"loss": float("nan")})
    assert names(tmp_path) == []


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    program = """
    import os, signal, sys
    from inversion.artifacts import atomic_path
    with atomic_path(sys.argv[1]) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@given(json_values)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize("read", [read_json, read_parquet])
def test_a_missing_file_is_named(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "absent"
    with pytest.raises(ArtifactError) as caught:
        read(path)
    assert str(caught.value) == f"{path} is missing; rerun to create it"


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe", b"nonsense"])
@pytest.mark.parametrize("read", [read_json, read_parquet])
def test_a_broken_file_is_named(tmp_path: Path, read: Callable[[Path], Any], content: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not ")
    assert message.endswith("; delete it and rerun to rebuild it")
    assert "\n" not in message


# --- tables -------------------------------------------------------------------------------------


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


# --- complete folders ---------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A complete folder."""
    path = tmp_path / "runs" / "step10"
    with complete_folder(path, note={"step": 10}) as temporary:
        (temporary / "weights.bin").write_bytes(bytes(range(100)))
        (temporary / "inner").mkdir()
        (temporary / "inner" / "state.json").write_text("{}")
        (temporary / "inner" / MARKER).write_text("a file that happens to have this name")
    return path


def test_a_complete_folder(checkpoint: Path) -> None:
    assert folder_fault(checkpoint) is None
    assert folder_note(checkpoint) == {"step": 10}
    assert names(checkpoint.parent) == ["step10"]
    files = read_json(checkpoint / MARKER)["files"]
    assert files.keys() == {"weights.bin", "inner/state.json", f"inner/{MARKER}"}
    assert files["weights.bin"] == {"size": 100, "sha256": sha256_bytes(bytes(range(100)))}


def test_a_complete_folder_follows_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        with complete_folder(tmp_path / "folder") as folder:
            (folder / "weights").touch(0o600)  # as safetensors does
    finally:
        os.umask(previous)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "folder").iterdir()] == [0o640, 0o640]


def test_an_error_in_the_block_leaves_the_old_folder(checkpoint: Path) -> None:
    digest = folder_digest(checkpoint)

    def failing() -> None:
        with complete_folder(checkpoint) as temporary:
            (temporary / "weights.bin").write_bytes(b"half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        failing()
    assert folder_fault(checkpoint) is None
    assert folder_digest(checkpoint) == digest
    assert names(checkpoint.parent) == ["step10"]


def test_a_new_folder_replaces_the_old_one(checkpoint: Path) -> None:
    with complete_folder(checkpoint) as temporary:
        (temporary / "other.bin").write_bytes(b"new")
    assert names(checkpoint) == [MARKER, "other.bin"]
    assert folder_fault(checkpoint) is None


def test_digest_distinguishes_contents_but_not_notes(tmp_path: Path) -> None:
    digests = []
    for i, (content, note) in enumerate([(b"a", 0), (b"a", 1), (b"b", 0)]):
        with complete_folder(tmp_path / str(i), note={"n": note}) as temporary:
            (temporary / "f").write_bytes(content)
        digests.append(folder_digest(tmp_path / str(i)))
    assert digests[0] == digests[1] != digests[2]


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / MARKER).unlink(), f"{{}} is incomplete (no {MARKER})"),
        (lambda f: (f / "weights.bin").unlink(), "{}/weights.bin is missing"),
        (lambda f: (f / "weights.bin").write_bytes(bytes(range(60))), "{}/weights.bin has 60 bytes, not 100"),
        (lambda f: flip_bit(f / "weights.bin"), "{}/weights.bin has changed since it was written (hash differs)"),
        (lambda f: (f / "inner" / MARKER).unlink(), f"{{}}/inner/{MARKER} is missing"),
        (lambda f: (f / MARKER).write_text(""), f"{{}}/{MARKER} is broken"),
        (lambda f: (f / MARKER).write_bytes(b"\xff"), f"{{}}/{MARKER} is broken"),
        (lambda f: (f / MARKER).write_text("[]"), f"{{}}/{MARKER} is broken"),
        (lambda f: (f / MARKER).write_text('{"files": [], "note": {}}'), f"{{}}/{MARKER} is broken"),
        (lambda f: (f / MARKER).write_text('{"files": {"a": {}}, "note": {}}'), f"{{}}/{MARKER} is broken"),
    ],
)
def test_a_damaged_folder(checkpoint: Path, damage: Callable[[Path], None], reason: str) -> None:
    damage(checkpoint)
    assert folder_fault(checkpoint) == reason.format(checkpoint)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert folder_fault(tmp_path / "absent") == f"{tmp_path}/absent is incomplete (no {MARKER})"


def test_a_shallow_check_compares_sizes_only(checkpoint: Path) -> None:
    flip_bit(checkpoint / "weights.bin")
    assert folder_fault(checkpoint, deep=False) is None
    (checkpoint / "weights.bin").write_bytes(b"")
    assert folder_fault(checkpoint, deep=False) is not None


@pytest.mark.parametrize("look", [folder_note, folder_digest])
@pytest.mark.parametrize("content", [None, "", "[]", '{"files": {}}'])
def test_a_folder_without_a_valid_marker_has_no_note(
    checkpoint: Path, look: Callable[[Path], Any], content: str | None
) -> None:
    (checkpoint / MARKER).unlink() if content is None else (checkpoint / MARKER).write_text(content)
    with pytest.raises(ArtifactError) as caught:
        look(checkpoint)
    assert str(checkpoint / MARKER) in str(caught.value)


def test_sealing_again_accepts_the_current_files(checkpoint: Path) -> None:
    flip_bit(checkpoint / "weights.bin")
    seal_folder(checkpoint)
    assert folder_fault(checkpoint) is None
    assert folder_note(checkpoint) == {}


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
