"""Errors are one line, and only one command runs per folder."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from snakemake.exceptions import LockException, format_exception_to_string
from snakemake.exceptions import WorkflowError as SnakemakeError
from snakemake.persistence.file import FilePersistence

import main_process
from inversion import locks
from main_process import (
    CHEAPER_JOBS,
    FolderLockedError,
    UserError,
    has_record,
    hold_folder,
    one_line,
    remove_stale_lock,
    running_process,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory in which Snakemake has run."""
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def another_command():
    """Another process that holds the lock of the folder until the block ends."""
    code = "import sys, main_process; main_process.hold_folder(); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(main_process.__file__).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.communicate()


def lock_of_snakemake():
    file = Path(".snakemake/locks/0.output.lock")
    file.write_text("results/report.html\n")
    return file


def test_snakemake_prints_the_message_without_our_file_names():
    def parse():
        with one_line(ValueError):
            raise ValueError("study.yaml: unknown key")

    with pytest.raises(SnakemakeError) as caught:
        parse()
    printed = format_exception_to_string(caught.value, {__file__: dict.fromkeys(range(1000), 1)})
    assert printed == "WorkflowError:\nerror: study.yaml: unknown key"


def test_other_errors_keep_their_traceback():
    with pytest.raises(KeyError), one_line(ValueError):
        raise KeyError("a fault of ours")


def test_a_second_command_is_refused_only_while_the_first_runs():
    with another_command() as first:
        with pytest.raises(FolderLockedError, match=rf"another command is running in .* \(process {first.pid} on .*\)"):
            hold_folder()
        assert running_process() == f"process {first.pid} on {os.uname().nodename}"
        lock = lock_of_snakemake()
        assert not remove_stale_lock()
        assert lock.exists()
        first.kill()  # as in a node failure
        first.wait()
    assert "a command was killed in " in str(FolderLockedError())
    assert f"`snakemake --unlock --directory {os.getcwd()}`" in str(FolderLockedError())
    assert remove_stale_lock()
    assert not lock.exists()
    assert not remove_stale_lock()


def test_the_folder_is_free_again_for_the_next_process():
    with another_command():
        pass
    with another_command():
        pass


def test_another_folder_is_free(tmp_path, monkeypatch):
    with another_command():
        (tmp_path / "elsewhere/.snakemake").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert running_process() is None


def test_without_flock_a_second_command_is_refused_too(monkeypatch):
    """Some network file systems do not support flock."""

    def no_flock(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", no_flock)
    hold_folder()
    lock = lock_of_snakemake()
    assert running_process().startswith(
        f"process {os.getpid()} on {os.uname().nodename}; this file system has no flock"
    )
    assert not remove_stale_lock()
    assert lock.exists()
    with pytest.raises(FolderLockedError, match="another command is running in "):
        hold_folder()
    locks._remove(Path(f"{main_process.LOCK}.held"))
    assert remove_stale_lock()


def test_our_message_replaces_snakemakes():
    """Snakemake raises the exception by this name."""
    assert issubclass(LockException, SnakemakeError)
    assert issubclass(FolderLockedError, UserError)
    assert "\n" not in str(FolderLockedError())


@pytest.mark.parametrize("length", [20, 300])
def test_a_record_is_found_whatever_the_length_of_its_path(length):
    """Snakemake itself names the file of the record."""
    path = Path("results", "a" * (length // 2), "b" * (length // 2))
    persistence = FilePersistence.__new__(FilePersistence)
    persistence._max_len = None
    metadata = Path(".snakemake/metadata")
    metadata.mkdir()
    assert not has_record(path)
    record = Path(persistence._record_path(str(metadata), str(path)))
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}")
    assert has_record(path)


def test_the_command_prints_what_it_removed():
    command = [sys.executable, main_process.__file__]
    lock_of_snakemake()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "removed the lock of a command that was killed\n"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def said(program, **environment):
    """The output of a Python process with these environment variables."""
    plain = {name: value for name, value in os.environ.items() if name not in CHEAPER_JOBS}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=plain | environment, capture_output=True, text=True, check=True).stdout.strip()


def test_jobs_keep_freed_memory():
    program = """
import resource
for _ in range(20):
    held = [b"x" * (7 << 20) for _ in range(4)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
    assert int(said(program, **CHEAPER_JOBS)) < int(said(program)) / 4


@pytest.mark.slow
def test_jobs_do_not_load_a_compiler():
    program = "import sys, torch; torch.compile(len); print('torch._inductor.compile_fx' in sys.modules)"
    assert said(program, **CHEAPER_JOBS) == "False"
