"""Runs Python programs in copies of one process that has already imported the libraries.

A study in a test consists of dozens of short processes, which spend most of their CPU time on importing Snakemake,
torch, transformers and peft. A server imports these once and forks for every program. It does not import the project's
own library, because tests change copies of it. As a program, this module is the server::

    python warm_python.py SOCKET

It ends when its standard input is closed, which also happens when the process that started it is killed.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    "babel.numbers",
    "datasets",
    "fontTools.subset",
    "jinja2",
    "matplotlib.pyplot",
    "peft",
    "polars",
    "pydantic",
    "scipy.signal",
    "scipy.stats",
    "seaborn",
    "snakemake.cli",
    "statsmodels.stats.multitest",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.trainer",
)
"""The modules that the server imports."""

CLIENT = """#!{python} -IS
import array, json, os, socket, sys

if sys.argv[1].startswith("-"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
os.umask(umask := os.umask(0))
request = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ), "umask": umask}}
connection = socket.socket(socket.AF_UNIX)
connection.connect({socket!r})
connection.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
with connection.makefile("rw") as channel:
    channel.write(json.dumps(request) + "\\n")
    channel.flush()
    sys.exit(int(channel.readline() or 1))
"""
"""A program that is called like Python with a script. It passes its arguments, folder, environment and standard streams
to the server, and exits with the status of the script. With an option instead of a script it becomes Python itself."""

SNAKEMAKE = """
import sys

sys.executable = {executable!r}  # Snakemake starts the scripts of rules with it
from snakemake.cli import main

sys.exit(main())
"""


class WarmPython:
    """A server, and two programs in ``folder`` that use it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.executable = folder / "python"
        """Used like a Python interpreter with a script and its arguments."""
        self.snakemake = folder / "snakemake"
        """The script that ``executable`` runs as Snakemake, all of whose jobs use ``executable`` as well."""
        self.executable.write_text(CLIENT.format(python=sys.executable, socket=str(folder / "socket")))
        self.executable.chmod(0o755)
        self.snakemake.write_text(SNAKEMAKE.format(executable=str(self.executable)))
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(folder / "socket")],
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        """End the server and remove the folder."""
        self._server.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


def warm_python(environment: Mapping[str, str]) -> WarmPython:
    """A server of this process for programs with this environment. It ends with this process.

    ``huggingface_hub`` reads its settings when it is imported, so that each setting of these has its own server.
    """
    settings = {(name, value) for name, value in environment.items() if name.startswith("HF_") and name != "HF_TOKEN"}
    return _server(frozenset(settings))


@cache
def _server(settings: frozenset[tuple[str, str]]) -> WarmPython:
    others = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    server = WarmPython(Path(tempfile.mkdtemp(prefix="warm-python-")), {**others, **dict(settings)})
    atexit.register(server.stop)
    return server


def serve(path: str) -> None:
    """Run the programs that clients send to the socket at ``path``, until standard input is closed."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the processes of clients
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while listener in (ready := [key.fileobj for key, _ in selector.select()]) or sys.stdin not in ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _handle(connection)
            connection.close()


def _handle(connection: socket.socket) -> NoReturn:
    """Run one program in a process of its own, and send its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, ((_, _, data),), _, _ = connection.recvmsg(1, socket.CMSG_LEN(3 * array.array("i").itemsize))
    streams = array.array("i", data).tolist()
    with connection.makefile("rw") as channel:
        request = json.loads(channel.readline())
        program = os.fork()
        if program == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            _run(request)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(program, 0)
        with suppress(BrokenPipeError):
            channel.write(f"{os.waitstatus_to_exitcode(status) % 256}\n")
            channel.flush()
    os._exit(0)


def _run(request: dict[str, Any]) -> NoReturn:
    """Run the script of a request as Python would, and exit."""
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script, *_ = sys.argv = request["arguments"]
    first = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [str(Path(script).resolve().parent), *first, *sys.path[1:]]
    importlib.invalidate_caches()
    # torch reads the number of threads, on which the rounding of sums depends, only when it is imported
    sys.modules["torch"].set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    code: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit((code or 0) % 256)


if __name__ == "__main__":
    serve(sys.argv[1])
