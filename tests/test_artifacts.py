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

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inversion.artifacts import (
    MARKER,
    ArtifactError,
    atomic_path,
    complete_folder,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    read_json,
    seal_folder,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)
from inversion.parquet import read_parquet


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
