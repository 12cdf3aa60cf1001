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


@pytest.mark.parametrize(
    "failure",
    [
        "open('/dev/full', 'w', buffering=1).write('x\\n')",
        "raise RuntimeError('I/O error: No space left on device (os error 28)')",
        "import inversion.job; inversion.job.SPARE_BYTES = 2**62; raise RuntimeError('a library failed to write')",
    ],
    ids=["said by the system", "in words of a library", "not said at all"],
)
def test_a_full_disk_is_said_in_one_way(tmp_path, failure):
    done, log = run(tmp_path, failure)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: no space left on the disk of {tmp_path}/logs/job.log (")
    assert line.endswith("); free some and run it again: what is whole stays")
    assert "Traceback" in log


def test_a_log_that_cannot_be_written_does_not_bury_the_error():
    program = PROGRAM.format(log="/dev/full", body="raise ValueError('the reason')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "error: the reason\n"
