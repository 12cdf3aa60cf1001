import os
import resource
import signal
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
    # tests that were started with nohup ignore SIGHUP, and so would the program
    before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    program = before + PROGRAM.format(log=str(log), body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done, log.read_text()


def test_progress_goes_to_the_log(tmp_path):
    done, log = run(tmp_path, "pass")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "step 1 of 2" in log


def test_addresses_of_requests_are_not_logged(tmp_path):
    done, log = run(tmp_path, "import httpx2; httpx2._client.logger.info('GET https://host/file?Signature=abc')")
    assert done.returncode == 0, done.stderr
    assert "Signature" not in log


@pytest.mark.parametrize(("error", "line"), [("ValueError('a\\nb')", "error: a b"), ("KeyError", "error: KeyError")])
def test_errors_are_one_line_and_the_log_has_the_traceback(tmp_path, error, line):
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
def test_a_full_disk_always_gives_the_same_message(tmp_path, failure):
    done, log = run(tmp_path, failure)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: no space left on the disk of {tmp_path}/logs/job.log (")
    assert line.endswith("); free some and run it again: complete files are kept")
    assert "Traceback" in log


def test_a_log_that_cannot_be_written_does_not_hide_the_error():
    program = PROGRAM.format(log="/dev/full", body="raise ValueError('the reason')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "error: the reason\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGXCPU", "SIGINT"])
def test_a_signal_is_one_line_and_the_log_says_where_it_came(tmp_path, name):
    done, log = run(tmp_path, f"import signal; signal.raise_signal(signal.{name})")
    assert done.returncode == 128 + getattr(signal, name)
    line = f"the job was stopped by {name} before it had finished; run it again: complete files are kept"
    assert done.stderr == f"error: {line}\n"
    assert "Traceback" in log
    assert log.strip().endswith(line)


def test_no_handler_of_errors_swallows_a_signal(tmp_path):
    body = """
    import signal
    try:
        signal.raise_signal(signal.SIGTERM)
    except Exception:
        pass
    """
    done, _ = run(tmp_path, body)
    assert done.stderr.startswith("error: the job was stopped by SIGTERM")


def test_existing_signal_handlers_are_kept(tmp_path):
    before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    program = before + PROGRAM.format(log=str(tmp_path / "job.log"), body="signal.raise_signal(signal.SIGHUP)")
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stderr == b""


@pytest.mark.parametrize(
    "failure",
    [
        "bytearray(2**62)",
        "raise RuntimeError('[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried')",
        "raise OSError(12, 'Cannot allocate memory')",
    ],
    ids=["of Python", "of torch", "of the system"],
)
def test_a_lack_of_memory_always_gives_the_same_message(tmp_path, failure):
    done, log = run(tmp_path, failure)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: no memory left (")
    assert "give the job more (`mem_mb` of its rule" in line
    assert "Traceback" in log


def test_a_panic_is_one_line(tmp_path):
    done, log = run(tmp_path, "import polars; raise polars.exceptions.PanicException('index out of bounds')")
    assert (done.returncode, done.stderr) == (1, "error: index out of bounds\n")
    assert "Traceback" in log


def test_the_log_says_where_a_library_ended_the_process(tmp_path):
    done, log = run(tmp_path, "import os; os.abort()")
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in log
    assert "step 1 of 2" in log


SCRIPT = """
class snakemake:
    log = [{log!r}]
from inversion.job import logged
{imports}
"""
"""A script of the workflow up to its imports."""


def script(tmp_path, imports, **options):
    log = tmp_path / "logs" / "job.log"
    program = SCRIPT.format(log=str(log), imports=imports)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment, **options
    )
    return done, log.read_text()


def test_an_import_that_fails_is_one_line_and_a_log(tmp_path):
    done, log = script(tmp_path, "import no_such_package")
    assert (done.returncode, done.stderr) == (1, "error: No module named 'no_such_package'\n")
    assert "Traceback" in log


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce a limit of address space")
def test_a_limit_of_address_space_leaves_a_line_and_a_log(tmp_path):
    limit = 300 * 2**20  # less than torch needs
    done, log = script(
        tmp_path, "import torch", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no memory left (")
    assert "Traceback" in log


def test_without_a_script_errors_are_reported_as_usual():
    done = subprocess.run(
        [sys.executable, "-c", "import inversion.job; 1 / 0"], capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr
