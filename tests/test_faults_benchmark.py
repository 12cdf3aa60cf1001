"""The counting in benchmarks/faults.py; its study takes too long for a test."""

import subprocess
import sys
import time

import faults
import pytest
from faults import Sent, differing, page, processes_of, wait


@pytest.fixture
def session(tmp_path):
    """A process that leads a process group, with a job below it."""
    (tmp_path / ".snakemake/scripts").mkdir(parents=True)
    script = tmp_path / ".snakemake/scripts/tmp1.finetune.py"
    script.write_text("import time; print('ready', flush=True); time.sleep(600)")
    code = f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}])"
    main = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert main.stdout.readline() == b"ready\n"
    yield main
    for number in processes_of(main.pid):
        subprocess.run(["kill", "-9", str(number)], check=False)
    main.kill()
    main.wait()


def test_jobs_are_distinguished_from_the_main_process_until_they_end(session):
    (job,) = faults.jobs_of(session.pid)
    assert job != session.pid
    session.kill()
    session.wait()
    assert faults.jobs_of(session.pid) == [job], "an orphan still belongs to the session"
    subprocess.run(["kill", "-9", str(job)], check=True)
    assert wait(lambda: not processes_of(session.pid), 10)


def test_waiting_ends_with_the_time():
    began = time.monotonic()
    assert not wait(lambda: False, 0.2)
    assert time.monotonic() - began < 5


class Folder:
    """A stand-in for a checkout."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "results/tables").mkdir(parents=True)

    def result(self, path):
        return self.folder / "results" / path


def test_different_and_missing_files_are_named(tmp_path):
    one, other = Folder(tmp_path / "a"), Folder(tmp_path / "b")
    for name, first, second in (("x", "1", "1"), ("y", "1", "2"), ("z", "1", None)):
        one.result(f"tables/{name}.csv").write_text(first)
        if second:
            other.result(f"tables/{name}.csv").write_text(second)
    assert differing(other, one) == ["results/tables/y.csv", "results/tables/z.csv"]
    assert differing(one, one) == []


def test_the_page_counts_by_signal_and_target():
    sent = [
        Sent("SIGTERM", "job", ended=True, left=0, lost=0),
        Sent("SIGTERM", "job", ended=True, left=0, lost=2),
        Sent("SIGKILL", "process group", ended=False, left=3, lost=0),
    ]
    text = page(sent, starts=2, faults=["results/tables/y.csv"], compared=40, requested=60, minutes=12.4)
    assert "sent 3 signals, of 60 requested" in text
    assert "| SIGTERM | job | 2 | 0 | 0 | 2 |" in text
    assert "| SIGKILL | process group | 1 | 1 | 1 | 0 |" in text
    assert "1 differ: results/tables/y.csv" in text
    assert "all equal to the byte" in page(sent, 2, [], 40, 60, 12.4)
