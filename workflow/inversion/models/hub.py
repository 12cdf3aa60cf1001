"""Downloads models from the Hugging Face Hub into its cache, from which all later jobs read without a network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from inversion.artifacts import ArtifactError, read_json, write_json
from inversion.branches import cached_revisions, listed_revisions, moved_branches
from inversion.config.base import nearest
from inversion.config.models import HubModel
from inversion.config.series import HubCheckpoint, HubSeries, steps_in
from inversion.manifests import HubSnapshot, SeriesSnapshot, SeriesSnapshots
from inversion.models.base_model import require_weights
from inversion.models.folder_tokenizer import ModelError, first_line

logger = logging.getLogger(__name__)

WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
"""Patterns of the files that are downloaded: weights, configuration and tokenizer."""

UNWANTED = ["*/*", "consolidated*"]
"""Patterns of other formats of the same weights, which some repositories have in subfolders or under other names."""


def prefetch(spec: HubModel) -> HubSnapshot:
    """Download the needed files of a model into the Hub's cache. Cached files are not downloaded again.

    Without a network, a complete cache is sufficient. The access token is that of the Hub library (``HF_TOKEN``).
    Raises :class:`ModelError` if the model is not available, or if it has only pickled weights. The message never
    contains the token.
    """
    try:
        folder = Path(
            snapshot_download(spec.id, revision=spec.revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
        )
    except Exception as error:  # errors of the Hub, the network library or the disk
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
            "(pytorch_model.bin) can run arbitrary code when they are read and are refused: use a revision that has "
            f"safetensors (https://huggingface.co/{spec.id}/tree/{spec.revision} lists the files)"
        ) from None


def _explain(error: Exception, spec: HubModel | HubCheckpoint) -> str:
    """The problem and the fix in one line. It does not quote the original message, which can contain requests."""
    page = f"https://huggingface.co/{spec.id}"
    match error:
        case GatedRepoError() if not get_token():
            return f"{spec.id} is gated: accept its terms at {page} and set HF_TOKEN to your token"
        case GatedRepoError():
            return f"{spec.id} is gated and your token has no access to it: accept its terms at {page}"
        case RepositoryNotFoundError():
            return f"the Hub has no model {spec.id}, or it is private and HF_TOKEN has no access to it; see {page}"
        case RevisionNotFoundError():
            return f"{spec.id} has no revision {spec.revision}; {page}/commits/main lists its commits"
        case HfHubHTTPError():
            status = error.response.status_code
            token = "; the token in HF_TOKEN is not valid" if status == 401 else ""
            return f"the Hub answered the request for {spec.id} with HTTP {status}{token}; try again later"
        case LocalEntryNotFoundError() | ConnectionError():
            why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else "the Hub cannot be reached"
            return (
                f"{why}, and {spec.id} at revision {spec.revision} is not complete in its cache "
                f"({constants.HF_HUB_CACHE}); download it where there is a network, with HF_HOME on a shared folder"
            )
    reason = first_line(error).replace(get_token() or "\0", "***")
    return (
        f"{spec.id} could not be downloaded into {constants.HF_HUB_CACHE} ({type(error).__name__}: {reason}); "
        "run it again: completed downloads are kept"
    )


# --- series -------------------------------------------------------------------------------------


def prefetch_series(spec: HubSeries, commits: str | Path) -> SeriesSnapshots:
    """Download the checkpoints of a series into the Hub's cache.

    The commits of branches and tags are recorded in the file ``commits`` at the first download. Later calls download
    the same commits, and log a warning for a branch that has moved since. Without a network, the branches and files in
    the cache are used. Raises :class:`ModelError` if a repository, branch or folder does not exist, if no or several
    names match a step, or if a checkpoint has only pickled weights.
    """
    known: dict[str, dict[str, str]] = read_json(commits) if Path(commits).exists() else {}
    repositories = {entry.id or spec.id or "" for entry in spec.listed_checkpoints()} or {spec.id or ""}
    now = {name: revisions_of(name) for name in sorted(repositories)}
    for name, recorded in known.items():
        for line in moved_branches(name, recorded, now.get(name, {}), commits):
            logger.warning(line)
    wanted = _wanted(spec, now, known)
    fetched = []
    for entry in wanted:
        name = entry.id or spec.id or ""
        commit = known.get(name, {}).get(entry.revision) or now[name].get(entry.revision, entry.revision)
        known.setdefault(name, {})[entry.revision] = commit
        fetched.append(_fetch(entry, name, commit, now[name]))
        write_json(commits, known)
    return SeriesSnapshots(checkpoints=fetched)


def revisions_of(name: str) -> dict[str, str]:
    """The commits of a repository's branches and tags by name, from the Hub or, without a network, from the cache.

    Raises :class:`ModelError` if neither is available.
    """
    try:
        return listed_revisions(name)
    except Exception as error:
        cached = cached_revisions(name)
        if cached and not isinstance(error, GatedRepoError | RepositoryNotFoundError):
            return cached
        raise ModelError(_explain(error, HubCheckpoint(step=0, id=name))) from None


def _wanted(
    spec: HubSeries, now: Mapping[str, Mapping[str, str]], known: Mapping[str, Mapping[str, str]]
) -> list[HubCheckpoint]:
    """The checkpoints of a series with their revisions and folders."""
    if spec.listed_checkpoints():
        found = {entry.step: [entry] for entry in spec.listed_checkpoints()}
        if len(found) < len(spec.listed_checkpoints()):
            raise ModelError("revisions lists a step twice; remove one")
    elif isinstance(spec.revisions, str):
        names = [*now[spec.id or ""], *known.get(spec.id or "", ())]
        found = {
            step: [HubCheckpoint(step=step, id=spec.id, revision=name) for name in matched]
            for step, matched in steps_in(sorted(set(names)), spec.revisions).items()
        }
        _require_one(found, spec.revisions, f"{spec.id} has no branch or tag", names)
    else:
        commit = known.get(spec.id or "", {}).get(spec.revision) or now[spec.id or ""].get(spec.revision, spec.revision)
        folders = _folders(spec.id or "", commit)
        pattern = str(spec.subfolders)
        found = {
            step: [HubCheckpoint(step=step, id=spec.id, revision=spec.revision, subfolder=name) for name in matched]
            for step, matched in steps_in(folders, pattern).items()
        }
        _require_one(found, pattern, f"{spec.id} at {spec.revision} has no folder", folders)
    listed = [found[step][0] for step in sorted(found)]
    return [entry for entry in listed if spec.steps is None or entry.step in spec.steps]


def _require_one(found: Mapping[int, list[HubCheckpoint]], pattern: str, nothing: str, names: list[str]) -> None:
    """Raises :class:`ModelError` unless exactly one name per step matches ``pattern``."""
    if not found:
        raise ModelError(f"{nothing} named like {pattern}{nearest(pattern, sorted(set(names))[:20])}")
    for step, several in found.items():
        if len(several) > 1:
            both = " and ".join(entry.subfolder or entry.revision for entry in several)
            raise ModelError(
                f"{both} are both step {step}; write a narrower pattern, or list the checkpoints one by one"
            )


def _folders(name: str, commit: str) -> list[str]:
    """All folders of a repository at a commit, including subfolders. Without a network, those in the cache."""
    try:
        files = HfApi().list_repo_files(name, revision=commit)
    except Exception as error:
        root = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots" / commit
        files = [file.relative_to(root).as_posix() for file in root.rglob("*") if not file.is_dir()]
        if not files:
            raise ModelError(_explain(error, HubCheckpoint(step=0, id=name, revision=commit))) from None
    return sorted({parent.as_posix() for file in files for parent in Path(file).parents} - {"."})


def _fetch(entry: HubCheckpoint, name: str, commit: str, revisions: Mapping[str, str]) -> SeriesSnapshot:
    """Download one checkpoint into the Hub's cache."""
    inside = f"{entry.subfolder}/" if entry.subfolder else ""
    spec = HubCheckpoint(step=entry.step, id=name, revision=entry.revision)
    is_commit = len(commit) == 40 and set(commit) <= set("0123456789abcdef")
    if not is_commit:
        raise ModelError(
            f"{name} has no branch, tag or commit {entry.revision}{nearest(entry.revision, sorted(revisions)[:20])}"
        )
    try:
        snapshot_download(
            name,
            revision=commit,
            allow_patterns=[inside + pattern for pattern in WANTED],
            ignore_patterns=[f"{inside}*/*", f"{inside}consolidated*"],
        )
    except Exception as error:
        raise ModelError(_explain(error, spec)) from None
    snapshot = SeriesSnapshot(
        step=entry.step, id=name, revision=entry.revision, commit=commit, subfolder=entry.subfolder, size=0
    )
    try:
        folder = snapshot.location()
    except ArtifactError:
        where = f"{name}{'/' + entry.subfolder if entry.subfolder else ''} at {entry.revision}"
        raise ModelError(
            f"{where} contains no checkpoint (config.json or adapter_config.json); correct its revision or subfolder"
        ) from None
    size = sum(file.stat().st_size for pattern in WANTED for file in folder.glob(pattern))
    return snapshot.model_copy(update={"size": size})
