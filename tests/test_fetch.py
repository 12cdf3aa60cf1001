import http.server
import threading

import pytest

from inversion.artifacts import sha256_bytes
from inversion.fetch import FetchError, fetch_file

DATA = b"a,b\n1,2\n"


@pytest.fixture
def server(tmp_path):
    """The address of a small server, and the list of paths that were requested from it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path == "/set.csv" else 404)
            self.end_headers()
            self.wfile.write(DATA if self.path == "/set.csv" else b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def test_fetched_files_match_their_checksum(server):
    address, _ = server
    assert fetch_file(f"{address}/set.csv", sha256_bytes(DATA)) == DATA
    with pytest.raises(FetchError, match=rf"/set.csv has changed: its SHA-256 is {sha256_bytes(DATA)}, not 00"):
        fetch_file(f"{address}/set.csv", "0" * 64)


def test_a_copy_in_the_mirror_is_found_by_its_checksum(server, tmp_path):
    address, asked = server
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "another-name.csv").write_bytes(DATA)
    (tmp_path / "set.csv").write_bytes(b"not it")
    assert fetch_file(f"{address}/set.csv", sha256_bytes(DATA), tmp_path) == DATA
    assert asked == []
    assert fetch_file(f"{address}/set.csv", sha256_bytes(DATA), tmp_path / "deep" / "..") == DATA
    (tmp_path / "deep" / "another-name.csv").unlink()
    assert fetch_file(f"{address}/set.csv", sha256_bytes(DATA), tmp_path) == DATA
    assert asked == ["/set.csv"]


def test_files_that_cannot_be_fetched_are_named_with_the_fix(server, tmp_path):
    address, _ = server
    for where, reason in ((f"{address}/none.csv", "Not Found"), ("http://127.0.0.1:1/set.csv", "refused")):
        with pytest.raises(FetchError, match=rf"cannot be downloaded \(.*{reason}.*`mirror`") as error:
            fetch_file(where, "0" * 64)
        assert "\n" not in str(error.value)
    with pytest.raises(FetchError, match="not a folder"):
        fetch_file(f"{address}/set.csv", "0" * 64, tmp_path / "none")
