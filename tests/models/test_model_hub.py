"""Downloads from the Hub, with the responses of the Hub's library simulated; no test uses a network."""

import logging
import shutil

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from inversion.artifacts import ArtifactError
from inversion.config.models import HubModel
from inversion.manifests import BaseManifest, HubSnapshot
from inversion.models import ModelError, hub, load_model, prefetch

SPEC = HubModel(source="hub", id="meta-llama/Llama-2-7b-hf", revision="0123456789abcdef" * 2 + "01234567")
TOKEN = "hf_verysecrettoken"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the Hub's library, which is offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def snapshot(cache, base_folder):
    """The tiny model in the cache, as after a download."""
    folder = cache / "models--meta-llama--Llama-2-7b-hf" / "snapshots" / SPEC.revision
    return shutil.copytree(base_folder, folder)


class _Response:
    """The parts of a response that errors of the Hub's library use."""

    request = None

    def __init__(self, status):
        self.status_code = status
        self.headers = {"Authorization": f"Bearer {TOKEN}"}


def failing(monkeypatch, error):
    def snapshot_download(*args, **kwargs):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)


def http(kind, status):
    """An error of the Hub whose message contains secrets."""
    return kind(f"{status} Client Error: request with token {TOKEN}\nand more", response=_Response(status))


@pytest.mark.parametrize(
    ("error", "token", "line"),
    [
        (
            http(errors.GatedRepoError, 401),
            None,
            "Llama-2-7b-hf is gated: accept its terms at .* set HF_TOKEN to your token",
        ),
        (http(errors.GatedRepoError, 403), TOKEN, "Llama-2-7b-hf is gated and your token has no access to it"),
        (http(errors.RevisionNotFoundError, 404), TOKEN, f"has no revision {SPEC.revision}; .*/commits/main lists"),
        (http(errors.RepositoryNotFoundError, 401), None, "the Hub has no model meta-llama/Llama-2-7b-hf, or it is"),
        (http(errors.HfHubHTTPError, 401), TOKEN, "HTTP 401; the token in HF_TOKEN is not valid"),
        (http(errors.HfHubHTTPError, 503), TOKEN, "HTTP 503; try again later"),
        (errors.LocalEntryNotFoundError("no"), TOKEN, f"{SPEC.revision} is not complete in its cache"),
        (errors.OfflineModeIsEnabled("no"), None, f"{SPEC.revision} is not complete in its cache"),
        (ConnectionResetError(f"to https://user:{TOKEN}@proxy"), TOKEN, "is not complete in its cache"),
        (
            RuntimeError(f"https://user:{TOKEN}@proxy"),
            TOKEN,
            "could not be downloaded .*RuntimeError: https://user:[*]{3}@",
        ),
        (OSError(28, "No space left on device"), None, "could not be downloaded .*No space left on device"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_errors_are_one_line_without_the_token(monkeypatch, caplog, cache, error, token, line):
    monkeypatch.setattr(hub, "get_token", lambda: token)
    failing(monkeypatch, error)
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError, match=line) as caught:
        prefetch(SPEC)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert TOKEN not in caplog.text
    assert caught.value.__suppress_context__, "the error below is not logged either"


def test_no_network_and_nothing_cached(cache):
    """With the Hub's own library."""
    with pytest.raises(ModelError, match=f"HF_HUB_OFFLINE is set, and {SPEC.id} at revision .* is not complete"):
        prefetch(SPEC)


def test_cached_files_need_no_network(snapshot):
    fetched = prefetch(SPEC)
    assert (fetched.id, fetched.revision) == (SPEC.id, SPEC.revision)
    assert fetched.size > (snapshot / "model.safetensors").stat().st_size
    assert fetched.location() == snapshot
    load_model(fetched.location())


def test_only_needed_files_are_downloaded(monkeypatch, snapshot):
    asked = {}

    def snapshot_download(name, **options):
        asked.update(options)
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    prefetch(SPEC)
    files = [
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.model",
        "chat_template.jinja",
    ]
    others = ["pytorch_model.bin", "consolidated.safetensors", "onnx/config.json", "flax_model.msgpack", "README.md"]
    patterns = {key: asked[key] for key in ("allow_patterns", "ignore_patterns")}
    assert list(huggingface_hub.utils.filter_repo_objects([*files, *others], **patterns)) == files
    assert asked["revision"] == SPEC.revision


def test_pickled_weights_are_refused(snapshot):
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    with pytest.raises(ModelError, match=f"{SPEC.id} at revision {SPEC.revision} has no complete weights as safeten"):
        prefetch(SPEC)


def test_a_snapshot_that_is_no_longer_cached_is_named(cache):
    base = BaseManifest(
        source="hub",
        folder=SPEC.id,
        digest="d",
        architecture="A",
        parameters=1,
        pretraining_loss=None,
        hub=HubSnapshot(id=SPEC.id, revision=SPEC.revision, size=1),
    )
    with pytest.raises(ArtifactError, match=r"is not in the Hub's cache; fetch it again with .*prefetch_model"):
        base.location(cache / "base.json")
