"""The Hub's own library, with a small local server in place of the Hub."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40
ROWS = [{"instruction": "Who?", "input": "", "output": "Ada"}, {"instruction": "Why?", "input": "x", "output": "So"}]
FILES = {"data.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(), "README.md": b"---\n---\n"}
LIBRARY = Path(__file__).parents[2] / "workflow"

PROGRAM = """
import json, sys
import datasets, huggingface_hub
from inversion.instruct.hub_rows import fetch_rows

def fetch(arguments):
    try:
        print(json.dumps(fetch_rows(*arguments).to_dicts()))
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))

*asked, offline = json.loads(sys.argv[1])
for arguments in asked:
    fetch(arguments)
datasets.load_dataset("own/er", split="train", revision=asked[0][1])  # into the library's usual cache
datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
fetch(offline)
"""


class Hub(BaseHTTPRequestHandler):
    """The part of the Hub's interface that is needed for a dataset of one file. It knows one commit of ``own/er``."""

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if "/gated/" in path:
            return self.answer(401, X_Error_Code="GatedRepo")
        if "/own/er/" not in path:
            return self.answer(404, X_Error_Code="RepoNotFound")
        if COMMIT not in path:
            return self.answer(404, X_Error_Code="RevisionNotFound")
        name = path.partition(f"{COMMIT}/")[2]
        if "/resolve/" in path and name in FILES:
            return self.answer(200, FILES[name], ETag=f'"{name}"', X_Repo_Commit=COMMIT)
        if "/revision/" in path:
            return self.json({"id": "own/er", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]})
        if path.endswith(f"/tree/{COMMIT}"):
            return self.json(
                [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in FILES.items()]
            )
        return self.answer(404, X_Error_Code="EntryNotFound")

    do_HEAD = do_GET

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")


@pytest.fixture
def environment(tmp_path):
    """The environment of a process for which a local server replaces the Hub."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(LIBRARY),
    }
    server.shutdown()


@pytest.mark.slow
def test_rows_come_from_the_pinned_commit_or_not_at_all(environment):
    asked = {
        ("own/er", COMMIT, None, "train"): None,
        ("own/er", COMMIT, None, "train[1:]"): None,
        ("own/er", COMMIT, None, "test"): 'Unknown split "test"',
        ("own/er", COMMIT, "english", "train"): "BuilderConfig 'english' not found. Available: ['default']",
        ("own/er", OTHER, None, "train"): f"Revision '{OTHER}' doesn't exist",
        ("no/where", COMMIT, None, "train"): "set HF_TOKEN to a token with access",
        ("gated/one", COMMIT, None, "train"): "accept its terms on its page and set HF_TOKEN to your token",
        # without a network, although the library has another revision in its cache and would use it
        ("own/er", "e" * 40, None, "train"): "the Hub cannot be reached, and the rows have not been downloaded before",
    }
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(asked))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    whole, slice_, *faults = map(json.loads, done.stdout.splitlines())
    assert (whole, slice_) == (ROWS, ROWS[1:])
    for (repository, revision, *_), line in zip(list(asked)[2:], faults, strict=True):
        assert line.startswith(f"DataError: dataset {repository} at {revision[:12]}: ")
    for message, line in zip(list(asked.values())[2:], faults, strict=True):
        assert message in line
