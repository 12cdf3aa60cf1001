import subprocess
import sys

import pytest

PROGRAM = """
import logging
from inversion.job import logged
with logged({log!r}):
    logging.getLogger("x").info("step 1 of 2")
    {body}
"""


def run(tmp_path, body):
    log = tmp_path / "logs" / "job.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(log=str(log), body=body)], capture_output=True, text=True, check=False
    )
    return done, log.read_text()


def test_progress_goes_to_the_log(tmp_path):
    done, log = run(tmp_path, "pass")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "step 1 of 2" in log


def test_addresses_of_requests_stay_out_of_the_log(tmp_path):
    done, log = run(tmp_path, "import httpx2; httpx2._client.logger.info('GET https://host/file?Signature=abc')")
    assert done.returncode == 0, done.stderr
    assert "Signature" not in log


@pytest.mark.parametrize(("error", "line"), [("ValueError('a\\nb')", "error: a b"), ("KeyError", "error: KeyError")])
def test_errors_are_one_line_and_the_log_has_the_rest(tmp_path, error, line):
    done, log = run(tmp_path, f"raise {error}")
    assert done.returncode == 1
    assert done.stderr.strip() == line
    assert "Traceback" in log
    assert log.strip().endswith(line.removeprefix("error: "))
