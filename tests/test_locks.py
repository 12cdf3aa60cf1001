"""Locks between processes, with flock and without."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from inversion import locks
from inversion.train.store import RunLockedError, open_store

CODE = """
import sys
from inversion import locks
if {without}:
    def no_flock(*_):
        raise OSError({number}, "Function not implemented")
    locks.fcntl.flock = no_flock
lock = open(sys.argv[1], "a+")
print(locks.acquire(lock), flush=True)
sys.stdin.read()
"""


@contextmanager
def another(path, without, number=38):
    """Another process that tries to take the lock, and whether it succeeded."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(without=without, number=number), path],
        env=os.environ | {"PYTHONPATH": str(Path(locks.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip() == "True"
    finally:
        process.communicate()


@pytest.fixture(params=[False, True], ids=["with flock", "without"])
def without(request, monkeypatch):
    """Whether this process has no flock."""

    def no_flock(*_):
        raise OSError(38, "Function not implemented")

    if request.param:
        monkeypatch.setattr(locks.fcntl, "flock", no_flock)
    return request.param


def test_one_process_has_a_lock_and_the_next_gets_it(tmp_path, without):
    path = tmp_path / "lock"
    for _ in range(2):
        with another(path, without) as (_, first):
            assert first
            assert locks.is_held(path)
            with another(path, without) as (_, second):
                assert not second
            with open(path, "a+") as lock:
                assert not locks.acquire(lock)
    assert not locks.is_held(path)


@pytest.mark.parametrize("number", [37, 38, 95])
def test_every_error_for_a_missing_flock_is_handled(tmp_path, number):
    """The errors are ENOLCK, ENOSYS and EOPNOTSUPP."""
    with another(tmp_path / "lock", True, number) as (process, first):
        assert first
        assert (tmp_path / "lock.held").read_text().split()[:2] == [socket.gethostname(), str(process.pid)]
    assert list(tmp_path.iterdir()) == [tmp_path / "lock"]


def test_a_killed_process_of_this_machine_blocks_nobody(tmp_path, without):
    path = tmp_path / "lock"
    with another(path, without) as (process, _):
        process.kill()
        process.wait()
    assert not locks.is_held(path)
    with another(path, without) as (_, second):
        assert second


def test_a_reused_process_number_is_another_process(tmp_path, monkeypatch):
    """The system uses process numbers again."""
    file = tmp_path / "lock.held"
    file.write_text(f"{socket.gethostname()} {os.getpid()} 1")
    with another(tmp_path / "lock", True) as (_, taken):
        assert taken


def test_a_process_of_another_machine_is_named_with_what_to_do(tmp_path, monkeypatch):
    """Whether that process still runs cannot be checked from this machine."""

    def no_flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", no_flock)
    (tmp_path / ".lock").write_text("process 7 on node1, Slurm job 3")
    file = tmp_path / ".lock.held"
    file.write_text("node1 7 123")
    line = rf"process 7 on node1; .* delete {file} if that process has ended"
    with pytest.raises(RunLockedError, match=line), open_store(tmp_path, "a"):
        pass
    file.unlink()
    with open_store(tmp_path, "a"):
        assert file.exists()
        with pytest.raises(RunLockedError, match=f"process {os.getpid()} on"), open_store(tmp_path, "a"):
            pass
    assert not file.exists()


def test_a_damaged_lock_file_counts_as_held(tmp_path):
    (tmp_path / "lock.held").write_text("")
    with another(tmp_path / "lock", True) as (_, taken):
        assert not taken
    assert f"delete {tmp_path / 'lock.held'} if" in locks.owner(tmp_path / "lock")
