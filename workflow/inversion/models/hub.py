"""Base models on the Hugging Face hub: fetched by a job with network, read from the cache by all others."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from inversion.config.models import HubModel
from inversion.manifests import HubSnapshot
from inversion.models.folder_tokenizer import ModelError
from inversion.models.load import first_line, require_weights

WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
"""Weights, configuration and tokenizer."""

UNWANTED = ["*/*", "consolidated*"]
"""Other formats of the same weights, which some repositories keep in folders or under other names."""


def prefetch(spec: HubModel) -> HubSnapshot:
    """Fetch what is used of a model into the hub's cache; what lies there already is not fetched again.

    Without a network, what the cache holds is enough where it is complete. The token is the hub
    library's (``HF_TOKEN``). Raises :class:`ModelError` where the model cannot be had or its weights are
    pickles only; the message never holds the token.
    """
    try:
        folder = Path(
            snapshot_download(spec.id, revision=spec.revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
        )
    except Exception as error:  # of the hub, of the network library below it, of the disk
        raise ModelError(_explain(error, spec)) from None
    _require_safetensors(folder, spec)
    size = sum(file.stat().st_size for pattern in WANTED for file in folder.glob(pattern))
    return HubSnapshot(id=spec.id, revision=spec.revision, size=size)


def _require_safetensors(folder: Path, spec: HubModel) -> None:
    try:
        require_weights(folder)
    except ModelError:
        raise ModelError(
            f"{spec.id} at revision {spec.revision} has no complete weights as safetensors; pickles "
            "(pytorch_model.bin) may run any code when they are read and are refused: name a revision that has "
            f"safetensors (https://huggingface.co/{spec.id}/tree/{spec.revision} lists the files)"
        ) from None


def _explain(error: Exception, spec: HubModel) -> str:
    """What went wrong and the mend, in one line and in our own words: messages from below may quote requests."""
    page = f"https://huggingface.co/{spec.id}"
    match error:
        case GatedRepoError() if not get_token():
            return f"{spec.id} is gated: accept its terms at {page} and put your token into HF_TOKEN"
        case GatedRepoError():
            return f"{spec.id} is gated and your token has no access to it: accept its terms at {page}"
        case RepositoryNotFoundError():
            return (
                f"the hub has no model {spec.id}, or it is private and HF_TOKEN holds no token that may read it; "
                f"look at {page}"
            )
        case RevisionNotFoundError():
            return f"{spec.id} has no revision {spec.revision}; {page}/commits/main lists its commits"
        case HfHubHTTPError():
            status = error.response.status_code
            token = "; the token in HF_TOKEN is not valid" if status == 401 else ""
            return f"the hub answered the request for {spec.id} with HTTP {status}{token}; try again later"
        case LocalEntryNotFoundError() | ConnectionError():
            why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "the hub is out of reach"
            return (
                f"{why}, and {spec.id} at revision {spec.revision} is not complete in its cache "
                f"({constants.HF_HUB_CACHE}); fetch it where there is network, with HF_HOME on a shared folder"
            )
    reason = first_line(error).replace(get_token() or "\0", "***")
    return (
        f"{spec.id} could not be fetched into {constants.HF_HUB_CACHE} ({type(error).__name__}: {reason}); "
        "run it again: what has arrived is kept"
    )
