"""Two commands in one folder, and the lock that a killed command leaves."""

import os
import re
import signal
import time

import pytest

pytestmark = pytest.mark.workflow

TABLE = "results/tables/agreement.csv"
"""A result that existing results give quickly."""


def test_a_second_command_is_refused_and_unlock_works_after_a_kill(rerun, tmp_path):
    table = rerun.folder / TABLE
    before = table.read_bytes()
    table.unlink()
    first = rerun.start(TABLE)
    owner = rerun.folder / ".snakemake/main-process.lock"
    deadline = time.monotonic() + 1200  # long, so that a busy machine does not make a test fail
    while not (owner.exists() and str(first.pid) in owner.read_text()):
        assert time.monotonic() < deadline
        assert first.poll() is None, "the first command ended without running anything"
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)  # the first cannot end before the second is refused

    refused = rerun.run(TABLE, check=False)
    assert refused.returncode
    assert refused.stderr.splitlines()[-2:] == [
        "WorkflowError:",
        f"error: another command is running in {rerun.folder} (process {first.pid} on {os.uname().nodename}); "
        "wait until it ends, or stop it",
    ]
    # another folder is not locked
    (tmp_path / "elsewhere").mkdir()
    rerun.run("--directory", str(tmp_path / "elsewhere"), "results/data/audit.parquet")

    rerun.kill(first)
    refused = rerun.run(TABLE, check=False)
    assert refused.returncode
    heading, line = refused.stderr.splitlines()[-2:]
    assert heading == "WorkflowError:"
    assert line.startswith(f"error: a command was killed in {rerun.folder} and its lock is still there; ")
    (fix,) = re.findall(r"`snakemake (--unlock .+?)`", line)
    rerun.run(*fix.split())
    rerun.run(TABLE)
    assert table.read_bytes() == before
    assert rerun.plan() == set()
