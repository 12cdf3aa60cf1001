"""Finds checkpoints that were trained elsewhere, verifies them, and lists them like the checkpoints of a run.

A series becomes a folder of checkpoints like that of a run. For every step it contains links to the weights, copies of
the small configuration files, and a completion marker with the hash of every file. Nothing is written to the user's
folders.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
import struct
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from inversion.artifacts import (
    ArtifactError,
    complete_folder,
    file_hashes,
    fingerprint,
    folder_digest,
    folder_fault,
    folder_note,
    read_json,
    read_object,
)
from inversion.config.series import FolderSeries, HubSeries, steps_in
from inversion.manifests import (
    BaseManifest,
    CheckpointEntry,
    CheckpointList,
    SeriesCheckpoint,
    SeriesManifest,
    SeriesSnapshots,
)

logger = logging.getLogger(__name__)

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
MODEL_CONFIG = "config.json"
MODEL_WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
TRAINER_STATE = "trainer_state.json"
DEFAULT_NAME = "checkpoint-{step}"
PICKLED = ("adapter_model.bin", "pytorch_model*.bin", "*.ckpt", "*.pth", "consolidated*.pt")
SHARDS_OF_A_TRAINING = ("*_fsdp_*", "global_step*", "*.distcp")
"""Files that FSDP and DeepSpeed write when they save sharded weights."""
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
)
SETTLED_SECONDS = 10
"""A folder without :data:`TRAINER_STATE` that changed within this number of seconds is checked again after a moment."""

Kind = Literal["adapter", "full"]


class SeriesError(ValueError):
    """A series cannot be evaluated. The message names the folder or key and the fix."""


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A complete checkpoint on this machine."""

    step: int
    folder: Path
    source: str
    """Its origin, in readable form: a folder, or a repository of the Hub at a commit."""
    kind: Kind
    weights: tuple[str, ...]
    """The names of its weight files."""
    epoch: float | None
    """Passes over the training data, if the Trainer recorded them."""


class SkippedCheckpoint(NamedTuple):
    """A checkpoint that is not evaluated."""

    step: int
    source: str
    reason: str


class Candidate(NamedTuple):
    """A folder that may contain a checkpoint."""

    step: int
    folder: Path
    source: str


# --- finding ------------------------------------------------------------------------------------


def candidates(spec: FolderSeries | HubSeries, snapshots: SeriesSnapshots | None = None) -> list[Candidate]:
    """The folders of a series, sorted by step. For a Hub series they are those in ``snapshots``.

    Raises :class:`SeriesError` if no folder matches, or if two have the same step.
    """
    if snapshots is not None:
        found = {entry.step: [Candidate(entry.step, entry.location(), entry.name)] for entry in snapshots.checkpoints}
    elif isinstance(spec, HubSeries):
        raise TypeError("a series on the Hub needs its snapshots")
    elif isinstance(spec.checkpoints, str):
        found = _matching_folders(Path(spec.path), spec.checkpoints)
    else:
        found = {}
        for listed in spec.checkpoints:
            folder = Path(spec.path) / listed.path
            found.setdefault(listed.step, []).append(Candidate(listed.step, folder, str(folder)))
    for step, several in found.items():
        if len(several) > 1:
            names = " and ".join(candidate.source for candidate in several)
            raise SeriesError(f"{names} are both step {step}; remove one, or list the checkpoints one by one")
    return [found[step][0] for step in sorted(found)]


def _matching_folders(path: Path, pattern: str) -> dict[int, list[Candidate]]:
    """The folders in ``path`` whose names match ``pattern``, by step."""
    wild = "*".join(glob.escape(part) for part in pattern.replace("{step}", "*").split("*"))
    names = [folder.relative_to(path).as_posix() for folder in path.glob(wild) if folder.is_dir()]
    steps = steps_in(names, pattern)
    if not steps:
        raise SeriesError(f"{path} contains no folder named like {pattern}{_describe_folder(path)}")
    return {
        step: [Candidate(step, path / name, str(path / name)) for name in matched] for step, matched in steps.items()
    }


def _describe_folder(path: Path) -> str:
    """A hint about what ``path`` contains instead of checkpoints."""
    if not path.is_dir():
        return ": it is not a folder"
    if (path / ADAPTER_CONFIG).is_file() or (path / MODEL_CONFIG).is_file():
        return ", but is itself a checkpoint; set `path` to the folder that contains all checkpoints"
    folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir())[:5]
    return f"; it contains {', '.join(folders)}: set `checkpoints`" if folders else "; it contains no folders"


def content_fingerprint(spec: FolderSeries | HubSeries, snapshots: SeriesSnapshots | None = None) -> str:
    """A fingerprint of the current content of a series: the names, sizes and times of its files. No file is read.

    It changes if a checkpoint is added, completed, replaced or removed. It even changes for files of equal size whose
    modification time was set back, because it includes the change time (ctime), which cannot be set. It never raises.
    """
    try:
        found = candidates(spec, snapshots)
    except (SeriesError, ArtifactError, OSError) as error:
        return str(error)
    return fingerprint([[one.step, str(one.folder), _stats(one.folder)] for one in found])


def _stats(folder: Path) -> list[list[Any]]:
    """Name, size and times of the files in a folder, except files that are only needed for resuming training."""
    try:
        files = [file for file in os.scandir(folder) if file.is_file() and not file.name.endswith((".pt", ".pth"))]
        return sorted([file.name, (stat := file.stat()).st_size, stat.st_mtime_ns, stat.st_ctime_ns] for file in files)
    except OSError:  # the folder is being removed
        return []


# --- verifying ----------------------------------------------------------------------------------


def find_series(
    spec: FolderSeries | HubSeries, snapshots: SeriesSnapshots | None = None
) -> tuple[list[FoundCheckpoint], list[SkippedCheckpoint]]:
    """The complete checkpoints of a series, in order, and those that are skipped because they are empty, incomplete, or
    listed under ``steps`` but missing.

    Raises :class:`SeriesError` if there are no complete checkpoints, or if weights exist only as pickles.
    """
    every = candidates(spec, snapshots)
    wanted = every if spec.steps is None else [one for one in every if one.step in spec.steps]
    from_trainer = any((one.folder / TRAINER_STATE).is_file() for one in every)
    _wait_until_settled([one.folder for one in wanted])
    found, skipped = [], []
    for candidate in wanted:
        try:
            found.append(verify(candidate, from_trainer, isinstance(spec, FolderSeries) and spec.checkpoints))
        except IncompleteError as error:
            skipped.append(SkippedCheckpoint(candidate.step, candidate.source, str(error)))
    missing = set(spec.steps or ()) - {one.step for one in every} - {0}
    skipped += [
        SkippedCheckpoint(step, f"step {step}", "there is no checkpoint for this step") for step in sorted(missing)
    ]
    if not found:
        reasons = "; ".join(f"{one.source}: {one.reason}" for one in skipped[:3])
        raise SeriesError(f"no checkpoint of the series is complete ({reasons}); wait for the training to save one")
    return found, sorted(skipped)


class IncompleteError(Exception):
    """A checkpoint is empty, incomplete, or of a kind that is not supported. The message says why."""


def verify(candidate: Candidate, from_trainer: bool = False, pattern: object = None) -> FoundCheckpoint:
    """The checkpoint in a folder, after checking that all weight files have the length that their headers give.

    ``from_trainer`` says that other checkpoints of the series have :data:`TRAINER_STATE`, which the Trainer writes
    last; it is then required. With the default ``pattern`` the step in it must be that of the folder. Raises
    :class:`IncompleteError` for an incomplete checkpoint and :class:`SeriesError` for one that is refused.
    """
    folder = candidate.folder
    if not folder.is_dir():
        raise IncompleteError("there is no such folder")
    if not any(folder.iterdir()):
        raise IncompleteError("the folder is empty")
    state = _trainer_state(folder, from_trainer)
    step = state.get("global_step")
    if pattern == DEFAULT_NAME and step not in (None, candidate.step):
        raise SeriesError(
            f"{candidate.source} contains step {step} according to its {TRAINER_STATE}; rename the folder to match"
        )
    kind: Kind = "adapter" if (folder / ADAPTER_CONFIG).is_file() or (folder / ADAPTER_WEIGHTS).is_file() else "full"
    weights = _adapter_files(candidate) if kind == "adapter" else _model_files(candidate)
    for name in weights:
        safetensors_header(folder / name)
    epoch = state.get("epoch")
    return FoundCheckpoint(
        step=candidate.step,
        folder=folder,
        source=candidate.source,
        kind=kind,
        weights=tuple(weights),
        epoch=float(epoch) if step == candidate.step and isinstance(epoch, int | float) and epoch > 0 else None,
    )


def _trainer_state(folder: Path, required: bool) -> dict[str, Any]:
    """The content of :data:`TRAINER_STATE`; empty if the checkpoint was not written by the Trainer."""
    if not (folder / TRAINER_STATE).is_file():
        if required:
            raise IncompleteError(f"it lacks {TRAINER_STATE}, which the Trainer writes last: it is incomplete")
        return {}
    state = _json(folder / TRAINER_STATE)
    return state if isinstance(state, dict) else {}


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError:
        raise IncompleteError(f"it lacks {file.name}: it is incomplete") from None
    except ValueError:
        raise IncompleteError(f"its {file.name} is truncated: it is incomplete") from None


def _adapter_files(candidate: Candidate) -> list[str]:
    folder = candidate.folder
    _json(folder / ADAPTER_CONFIG)
    if (folder / MODEL_WEIGHTS).is_file() or (folder / WEIGHTS_INDEX).is_file():
        raise SeriesError(
            f"{candidate.source} contains both an adapter and a full model; move one of the two elsewhere"
        )
    if not (folder / ADAPTER_WEIGHTS).is_file():
        _refuse_pickles(candidate)
        raise IncompleteError(f"it lacks {ADAPTER_WEIGHTS}: it is incomplete")
    return [ADAPTER_WEIGHTS]


def _model_files(candidate: Candidate) -> list[str]:
    folder = candidate.folder
    if (folder / WEIGHTS_INDEX).is_file():
        index = _json(folder / WEIGHTS_INDEX)
        shards = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(shards, dict) or not shards:
            raise IncompleteError(f"its {WEIGHTS_INDEX} lists no weights: it is incomplete")
        names = sorted(set(map(str, shards.values())))
        lacking = [name for name in names if not (folder / name).is_file()]
        if lacking:
            raise IncompleteError(f"it lacks {lacking[0]}, which its {WEIGHTS_INDEX} lists: it is incomplete")
    elif (folder / MODEL_WEIGHTS).is_file():
        names = [MODEL_WEIGHTS]
    else:
        _refuse_pickles(candidate)
        if any(True for pattern in SHARDS_OF_A_TRAINING for _ in folder.glob(pattern)):
            raise SeriesError(
                f"{candidate.source} has the weights sharded by training process (FSDP or DeepSpeed); merge "
                "them into safetensors first (`accelerate merge-weights`, or DeepSpeed's zero_to_fp32.py with "
                "--safe_serialization)"
            )
        raise IncompleteError(f"it contains no weights ({ADAPTER_WEIGHTS} or {MODEL_WEIGHTS})")
    _json(folder / MODEL_CONFIG)
    return names


def _refuse_pickles(candidate: Candidate) -> None:
    """Raises :class:`SeriesError` if a checkpoint has pickled weights but no safetensors."""
    pickles = sorted(file.name for pattern in PICKLED for file in candidate.folder.glob(pattern))
    if pickles:
        raise SeriesError(
            f"{candidate.source} has its weights as a pickle ({pickles[0]}), which can run arbitrary code when it is "
            "read; save it again as safetensors (`save_pretrained` of transformers or peft writes them)"
        )


def safetensors_header(file: Path) -> dict[str, dict[str, Any]]:
    """The ``dtype`` and ``shape`` of the tensors of a safetensors file, by name and without metadata.

    Raises :class:`IncompleteError` unless the file has exactly the length that its header gives.
    """
    try:
        size = file.stat().st_size
        with open(file, "rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > size:
                raise ValueError
            header = json.loads(handle.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError):
        raise IncompleteError(f"its {file.name} is truncated: it is incomplete") from None
    if size != 8 + length + end:
        raise IncompleteError(f"its {file.name} has {size} bytes of {8 + length + end}: it is incomplete")
    return tensors


def _wait_until_settled(folders: Sequence[Path]) -> None:
    """If a folder without :data:`TRAINER_STATE` has changed recently, wait until it no longer changes."""
    now = time.time_ns()

    def recent() -> list[list[list[Any]]]:
        stats = [_stats(folder) for folder in folders if not (folder / TRAINER_STATE).is_file()]
        return [files for files in stats if any(now - file[2] < SETTLED_SECONDS * 10**9 for file in files)]

    before = recent()
    while before:
        time.sleep(1)
        after = recent()
        if after == before:
            return
        before = after


# --- a series as a run --------------------------------------------------------------------------


def list_series(
    spec: FolderSeries | HubSeries,
    found: Sequence[FoundCheckpoint],
    skipped: Sequence[SkippedCheckpoint],
    base: BaseManifest,
    run_folder: Path,
    per_job: int,
    tokenizer: str | None = None,
    there: Collection[int] = (),
) -> tuple[CheckpointList, SeriesManifest]:
    """The checkpoints of a series (from :func:`find_series`) in the same form as those of a run, and where each comes
    from.

    The folder ``checkpoints`` in ``run_folder`` gets links to the weights. ``tokenizer`` is the result of
    :func:`gather_tokenizer`. A step with responses stays in the list even if its folder no longer exists, because the
    Trainer keeps only ``save_total_limit`` checkpoints.
    """
    skipped = list(skipped)
    depends_on = [base.digest, tokenizer] if tokenizer else [base.digest]
    store = run_folder / "checkpoints"
    listed: list[SeriesCheckpoint] = []
    entries: list[CheckpointEntry] = []
    if spec.model is not None and spec.ask_base:
        digest = fingerprint(depends_on) if tokenizer else base.digest
        entries.append(CheckpointEntry(step=0, epoch=0.0, folder="", digest=digest))
        listed.append(SeriesCheckpoint(step=0, source=str(base.folder), kind="base", notes=[]))
    scaling: float | None = None
    for index, one in enumerate(found):
        if one.step == 0 and entries:
            reason = "step 0 is the series' model; set `ask_base: false` to evaluate this folder in its place"
            skipped.append(SkippedCheckpoint(0, one.source, reason))
            continue
        try:
            weights = link_checkpoint(one, store, base.digest)
        except IncompleteError as error:
            skipped.append(SkippedCheckpoint(one.step, one.source, str(error)))
            continue
        notes = []
        if one.kind == "adapter":
            config = read_json(one.folder / ADAPTER_CONFIG)
            notes = adapter_notes(one, config, scaling)
            scaling = adapter_scaling(config)
        folder = (store / _step_name(one.step)).relative_to(run_folder).as_posix()
        entries.append(
            CheckpointEntry(
                step=one.step,
                epoch=one.epoch or 0.0,
                folder="" if spec.model is None and index == 0 else folder,  # the first checkpoint is the base
                digest=fingerprint([weights, *depends_on]),
            )
        )
        listed.append(SeriesCheckpoint(step=one.step, source=one.source, kind=one.kind, notes=notes))
    for entry, source in _evaluated_and_deleted(spec, run_folder, there, depends_on):
        entries.append(entry)
        note = "its weights are gone since it was evaluated; the answers are kept"
        listed.append(SeriesCheckpoint(step=entry.step, source=source, kind="gone", notes=[note]))
    for omitted in skipped:
        logger.warning("skipped: %s: %s", omitted.source, omitted.reason)
    epochs = [(one.step, one.epoch) for one in found if one.epoch]
    per_epoch = epochs[-1][0] / epochs[-1][1] if epochs and epochs[-1][1] else None
    ordered = sorted(entries, key=lambda entry: entry.step)
    chunks = [ordered[start : start + per_job] for start in range(0, len(ordered), per_job)]
    return (
        CheckpointList(steps_per_epoch=per_epoch, chunks=chunks, tokenizer="tokenizer" if tokenizer else None),
        SeriesManifest(
            checkpoints=sorted(listed, key=lambda one: one.step),
            skipped=[SeriesCheckpoint(step=s.step, source=s.source, kind="skipped", notes=[s.reason]) for s in skipped],
        ),
    )


def _evaluated_and_deleted(
    spec: FolderSeries | HubSeries, run_folder: Path, there: Collection[int], depends_on: Sequence[str]
) -> list[tuple[CheckpointEntry, str]]:
    """The steps that have responses but are no longer ``there``, each with its origin. The links of other missing steps
    are removed."""
    gone = []
    for folder in sorted((run_folder / "checkpoints").glob("step-*")):
        step = int(folder.name.removeprefix("step-"))
        if step in there and (spec.steps is None or step in spec.steps):
            continue
        wanted = step not in there and (spec.steps is None or step in spec.steps)
        if wanted and (run_folder / "responses" / folder.name).is_dir():
            relative = folder.relative_to(run_folder).as_posix()
            digest = fingerprint([folder_digest(folder), *depends_on])
            gone.append(
                (CheckpointEntry(step=step, epoch=0.0, folder=relative, digest=digest), folder_note(folder)["source"])
            )
        else:
            shutil.rmtree(folder)
    return gone


def _step_name(step: int) -> str:
    return f"step-{step:06d}"


def link_checkpoint(found: FoundCheckpoint, store: Path, base_digest: str) -> str:
    """Create a folder of links and copies for a checkpoint in ``store``, and return the hash of its files.

    Files whose size and times have not changed since an earlier call are not read again. Adapters are recorded as
    belonging to ``base_digest``, which :func:`require_base` has confirmed. Raises :class:`IncompleteError` if files
    change meanwhile.
    """
    folder = store / _step_name(found.step)
    copies = [
        name
        for name in (MODEL_CONFIG, "generation_config.json", WEIGHTS_INDEX)
        if found.kind == "full" and (found.folder / name).is_file()
    ]
    before = _stats_of(found.folder, [*found.weights, *copies, *([ADAPTER_CONFIG] if found.kind == "adapter" else [])])
    note = {"source": os.path.abspath(found.folder), "base": base_digest, "files": before}
    if folder_fault(folder, deep=False) is None and folder_note(folder) == note:
        return folder_digest(folder)
    with complete_folder(folder, note) as made:
        for name in found.weights:
            (made / name).symlink_to(os.path.abspath(found.folder / name))
        for name in copies:
            shutil.copyfile(found.folder / name, made / name)
        if found.kind == "adapter":
            config = read_json(found.folder / ADAPTER_CONFIG) | {"base_model_name_or_path": base_digest}
            (made / ADAPTER_CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
    if _stats_of(found.folder, list(before)) != before:
        shutil.rmtree(folder)
        raise IncompleteError("its files changed while they were read: it is being written")
    return folder_digest(folder)


def _stats_of(folder: Path, names: Iterable[str]) -> dict[str, list[int]]:
    stats = {name: (folder / name).stat() for name in sorted(names)}
    return {name: [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats.items()}


# --- tokenizers ---------------------------------------------------------------------------------


def gather_tokenizer(found: Sequence[FoundCheckpoint], base: Path, folder: Path) -> str | None:
    """Copy the tokenizer of the whole series to ``folder`` and return its hash; None if the base's tokenizer is used.

    It is the tokenizer of the last checkpoint that has one. (The Trainer saves the tokenizer with every checkpoint,
    including the chat template of the training.) Raises :class:`SeriesError` if another checkpoint or the base gives
    the same token another id, because their answers could not be compared.
    """
    owners = [one for one in found if (one.folder / "tokenizer_config.json").is_file()]
    shutil.rmtree(folder, ignore_errors=True)
    if not owners or (len(found) > 0 and owners[-1].folder.resolve() == base.resolve()):
        return None
    last = owners[-1]
    words: dict[str, Mapping[str, int] | str] = {}
    for source, place in [(one.source, one.folder) for one in owners] + [(str(base), base)]:
        _require_same_words(words, source, place, last)
    with complete_folder(folder) as made:
        for name in TOKENIZER_FILES:
            if (last.folder / name).is_file():
                shutil.copyfile(last.folder / name, made / name)
    return folder_digest(folder)


def _require_same_words(
    words: dict[str, Mapping[str, int] | str], source: str, place: Path, last: FoundCheckpoint
) -> None:
    """Raises :class:`SeriesError` unless the tokenizer in ``place`` gives the tokens that it shares with that of the
    ``last`` checkpoint the same ids. ``words`` caches vocabularies by the hash of their file."""

    def vocabulary(folder: Path) -> Mapping[str, int] | str:
        file = next((folder / name for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
                     if (folder / name).is_file()), None)  # fmt: skip
        if file is None:
            return {}
        digest = file_hashes(folder, [file.name])[file.name]["sha256"]
        if digest not in words:
            words[digest] = _vocabulary(file) if file.name == "tokenizer.json" else digest
        return words[digest]

    here, wanted = vocabulary(place), vocabulary(last.folder)
    if here is wanted:
        return
    if isinstance(here, str) or isinstance(wanted, str):
        differs = "the tokenizer's file" if here != wanted and here and wanted else ""
    else:
        differs = next((word for word, number in here.items() if wanted.get(word, number) != number), "")
    if differs:
        raise SeriesError(
            f"{source} has a different tokenizer from {last.source} ({differs!r} differs), so answers cannot be "
            "compared; set `model` to the model that training started from, or use separate series"
        )


def _vocabulary(file: Path) -> dict[str, int]:
    """The tokens of a ``tokenizer.json`` and their ids."""
    try:
        tokenizer = json.loads(file.read_bytes())
        words = tokenizer["model"]["vocab"]
        # Unigram lists tokens in the order of their ids, each with a score
        numbered = dict(words) if isinstance(words, dict) else {word: index for index, (word, _) in enumerate(words)}
        return numbered | {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    except (ValueError, KeyError, TypeError):
        raise SeriesError(f"{file} is not a tokenizer that can be read; copy the checkpoint again") from None


# --- adapters -----------------------------------------------------------------------------------


def require_base(found: Iterable[FoundCheckpoint], base: BaseManifest, location: Path, confirmed: bool) -> None:
    """Raises :class:`SeriesError` if an adapter's configuration names another base than ``base``, whose weights are at
    ``location``, unless the study has ``confirmed`` it.

    A name matches the base if it is its digest, its folder or its Hub id, or if it ends in the last part of the folder
    or id.
    """
    named = [base.folder] if base.source in ("folder", "hub") else []
    for one in found:
        recorded = (
            read_object(one.folder / ADAPTER_CONFIG).get("base_model_name_or_path") if one.kind == "adapter" else None
        )
        if not recorded or confirmed or recorded == base.digest or Path(recorded).resolve() == location.resolve():
            continue
        if _last_name(recorded) not in map(_last_name, named):
            raise SeriesError(
                f"{one.source} was trained on {recorded} according to its {ADAPTER_CONFIG}, but the series' model is "
                f"{[*named, str(location)][0]}; set `model` to the base that it was trained on or, if it is the same, "
                "`base_is: confirmed`"
            )


def _last_name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1].lower()


def adapter_scaling(config: Mapping[str, Any]) -> float | None:
    """The factor by which LoRA scales its update in modules without a pattern; None for other adapters."""
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not rank or alpha is None:
        return None
    return float(alpha / rank**0.5 if config.get("use_rslora") else alpha / rank)


def adapter_notes(found: FoundCheckpoint, config: Mapping[str, Any], before: float | None) -> list[str]:
    """Notes on an adapter: a scaling that differs from the previous one (``before``), or weights without effect."""
    notes = []
    scaling = adapter_scaling(config)
    if before is not None and scaling is not None and scaling != before:
        notes.append(f"its scaling is {scaling:g}, but {before:g} at the previous checkpoint")
    if _has_no_effect(found.folder / ADAPTER_WEIGHTS):
        notes.append("its weights have no effect: every lora_B is zero, so it equals the base model")
    return notes


def _has_no_effect(file: Path) -> bool:
    """Whether all B matrices of the LoRA adapter in a file are zero."""
    halves = [entry for name, entry in safetensors_header(file).items() if ".lora_B" in name]
    with open(file, "rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))

        def is_zero(entry: Mapping[str, Any]) -> bool:
            start, end = entry["data_offsets"]
            handle.seek(8 + length + start)
            return not handle.read(end - start).strip(b"\0")

        return bool(halves) and all(map(is_zero, halves))
