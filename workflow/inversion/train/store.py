"""Stores checkpoints so that each is complete or absent, and resumes from them.

A store is a folder that Snakemake does not manage:

``spec.json``
    the hash of the training specification. If it changes, the store is emptied.
``step-000050/``
    the weights at a step, with a completion marker.
``state-000050/``
    optimizer, scheduler, random states and log at a step, and the weights if the step is not on the schedule. Only the
    newest few are kept.
``data/``
    the packed training data and their order, until training has ended.
``attempts.json``
    the step from which the last attempt began, its number, and how it ended.
``manifest.json``
    the manifest that :func:`inversion.train.trainer.train` wrote when training ended.
``removed.json``
    the steps whose weights were deliberately removed after training.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import shutil
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from inversion import locks
from inversion.artifacts import (
    MARKER,
    ArtifactError,
    complete_folder,
    folder_fault,
    folder_note,
    read_json,
    write_json,
)
from inversion.manifests import REMOVED_FILE, KeptCheckpoints, TrainManifest, removed_steps
from inversion.train.packing import PackedData

logger = logging.getLogger(__name__)

STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state*.pth", "scaler.pt", "trainer_state.json")
"""The files of the Trainer's state, besides the weights, that exact resuming needs (one random state per process)."""

STATES_KEPT = 2
"""The number of resume states on disk: the newest, and one more in case the newest is damaged."""


ATTEMPTS_FILE = "attempts.json"

LEFTOVERS = (".step-*", ".state-*", ".data.*", ".processes.*", "resume-*")
"""Files that a killed run can leave behind. They are removed."""


ATTEMPTS = 2
"""The number of attempts that can begin at the same step. Another one would fail in the same way."""


class RunLockedError(RuntimeError):
    """Another process is training this run."""


class NoProgressError(RuntimeError):
    """Several attempts in a row ended before they reached a step that could be saved."""


class CheckpointStore:
    """The checkpoints of one run on disk. Use :func:`open_store` to create it."""

    def __init__(self, root: str | Path, lock: int | None = None) -> None:
        self.root = Path(root)
        self.lock = lock
        """The file descriptor of the lock, for child processes that share it."""

    def step_folder(self, step: int) -> Path:
        """The folder of the weights at ``step``."""
        return self.root / f"step-{step:06d}"

    def state_folder(self, step: int) -> Path:
        """The folder of the resume state at ``step``."""
        return self.root / f"state-{step:06d}"

    @property
    def saving_folder(self) -> Path:
        """The folder to which the Trainer saves, before :meth:`commit`."""
        return self.root / "saving"

    def fault(self, step: int) -> str | None:
        """The reason why the weights at ``step`` cannot be used, or None."""
        folder = self.step_folder(step)
        if fault := folder_fault(folder):
            return fault
        made_at = folder_note(folder).get("step")
        return None if made_at == step else f"{folder} contains the weights of step {made_at}"

    def commit(self, saved: Path, step: int, scheduled: bool = True) -> None:
        """Move a folder that the Trainer saved into the store: first the weights, then the resume state.

        Each becomes visible only when it is complete. Then older resume states are removed. The weights at a step that
        is not ``scheduled`` belong to its resume state, and are removed with it.
        """
        (self.root / REMOVED_FILE).unlink(missing_ok=True)  # removed checkpoints are being created again
        if scheduled:
            with complete_folder(self.step_folder(step), {"step": step}) as folder:
                for file in sorted(filter(_is_weights, saved.iterdir())):
                    shutil.move(file, folder / file.name)
        with complete_folder(self.state_folder(step), {"step": step}) as folder:
            for file in sorted(saved.iterdir()):
                if _is_weights(file) or any(fnmatch.fnmatch(file.name, pattern) for pattern in STATE_FILES):
                    shutil.move(file, folder / file.name)
        shutil.rmtree(saved)
        for old in self._states()[:-STATES_KEPT]:
            shutil.rmtree(self.state_folder(old))

    def resume_step(self, schedule: Sequence[int]) -> int:
        """The newest step from which training can resume; 0 if there is none.

        A step can be resumed from if its state and the weights of every scheduled step up to it are complete. Damaged
        folders are reported in a warning and removed, so that they are created again. States after the step are removed
        too, because they would look newer than those to come.
        """
        usable = 0
        intact = True
        for step in sorted({*schedule, *self._states()} - {0}):
            if step in schedule and not self.step_folder(step).exists():
                intact = False
            elif step in schedule and (fault := self.fault(step)):
                logger.warning("ignoring the damaged checkpoint of step %d: %s", step, fault)
                shutil.rmtree(self.step_folder(step))
                intact = False
            elif intact and self._state_is_intact(step):
                usable = step
        for step in self._states():
            if step > usable:
                shutil.rmtree(self.state_folder(step))
        return usable

    def resume_folder(self, step: int) -> Path:
        """The folder in which :meth:`resuming` combines weights and state at ``step``."""
        return self.root / f"resume-{step:06d}"

    @contextmanager
    def resuming(self, schedule: Sequence[int]) -> Iterator[int]:
        """The step from which to resume (:meth:`resume_step`). Within the block, :meth:`resume_folder` contains its
        weights and state together, as the Trainer expects them."""
        step = self.resume_step(schedule)
        if not step:
            yield 0
            return
        folder = self.resume_folder(step)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for part in (self.step_folder(step), self.state_folder(step)):
            for file in part.iterdir() if part.exists() else ():
                if file.name != MARKER:
                    (folder / file.name).symlink_to(file.resolve())
        try:
            yield step
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def attempting(self, start: int, first: bool) -> Iterator[None]:
        """Run the block as an attempt to train from the step ``start``, and record how it ends.

        Raises :class:`NoProgressError` instead, and says how the last attempt ended, if :data:`ATTEMPTS` attempts in a
        row began at this step. The ``first`` attempt of a caller resets the count.
        """
        record = self.root / ATTEMPTS_FILE
        last: dict[str, Any] = read_json(record) if record.exists() and not first else {}
        number = last["number"] + 1 if last.get("start") == start else 1
        if number > ATTEMPTS:
            raise NoProgressError(
                f"{ATTEMPTS} attempts in a row did not get past step {start} (the last: {last['ended']}); "
                "give the job more time or memory, or make its steps cheaper, and run it again"
            )
        this = {"start": start, "number": number}
        write_json(record, this | {"ended": "killed before it could save a step"})
        try:
            yield
        except Exception as error:
            with suppress(OSError):  # for example on a full disk; the original error matters more
                write_json(record, this | {"ended": str(error)})
            raise

    def drop_states(self) -> None:
        """Remove all resume states and the training data, after training has ended."""
        (self.root / ATTEMPTS_FILE).unlink(missing_ok=True)
        for step in self._states():
            shutil.rmtree(self.state_folder(step))
        for folder in (self._data_folder, self.saving_folder):
            shutil.rmtree(folder, ignore_errors=True)

    # --- data -----------------------------------------------------------------------------------

    @property
    def _data_folder(self) -> Path:
        return self.root / "data"

    def keep_data(self, pack: Callable[[], tuple[PackedData, int]]) -> None:
        """Store the result of ``pack``, the data and the number of omitted examples, unless it is already stored.

        All processes, and all later attempts, then read the same data.
        """
        if folder_fault(self._data_folder):
            data, left_out = pack()
            with complete_folder(self._data_folder, {"left_out": left_out}) as folder:
                data.save(folder / "packed.safetensors")

    def read_data(self) -> tuple[PackedData, int]:
        """The data and the number of omitted examples that :meth:`keep_data` stored."""
        data = PackedData.load(self._data_folder / "packed.safetensors")
        return data, int(folder_note(self._data_folder)["left_out"])

    def _states(self) -> list[int]:
        return sorted(int(folder.name.removeprefix("state-")) for folder in self.root.glob("state-*"))

    def _state_is_intact(self, step: int) -> bool:
        if not self.state_folder(step).exists():
            return False
        fault = folder_fault(self.state_folder(step))
        if fault:
            logger.warning("ignoring the damaged resume state of step %d: %s", step, fault)
            shutil.rmtree(self.state_folder(step))
        return fault is None

    def thin(self, manifest: TrainManifest, keep: Collection[int]) -> list[int]:
        """Remove the weights of all steps of ``manifest`` that are not in ``keep``, and return the remaining steps.

        A removal is recorded before it happens, so that it is never mistaken for damage.
        """
        gone = {entry.step for entry in manifest.steps} - set(keep) | removed_steps(self.root)
        write_json(self.root / REMOVED_FILE, sorted(gone))
        for step in sorted(gone):
            if self.step_folder(step).exists():
                shutil.rmtree(self.step_folder(step))
        return [entry.step for entry in manifest.steps if entry.step not in gone]

    # --- manifest -------------------------------------------------------------------------------

    def read_manifest(self) -> TrainManifest | None:
        """The manifest of a finished training, or None if training has not ended or a checkpoint is damaged.
        Checkpoints that were deliberately removed do not count as damaged."""
        try:
            manifest = TrainManifest.read(self.manifest_path)
        except ArtifactError:
            return None
        gone = removed_steps(self.root)
        faults = [fault for entry in manifest.steps if entry.step not in gone and (fault := self.fault(entry.step))]
        for fault in faults:
            logger.warning("checkpoint is damaged and will be written again: %s", fault)
        return None if faults else manifest

    def write_manifest(self, manifest: TrainManifest) -> None:
        """Store the manifest of a finished training."""
        manifest.write(self.manifest_path)

    @property
    def manifest_path(self) -> Path:
        """The path of the manifest of a finished training."""
        return self.root / "manifest.json"


@contextmanager
def open_store(root: str | Path, spec_hash: str) -> Iterator[CheckpointStore]:
    """The store at ``root`` for one training specification, locked against other processes.

    Checkpoints of another specification are removed. Raises :class:`RunLockedError` if another process holds the lock,
    and names its host and process id.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".lock", "a+") as lock:
        lock.seek(0)
        if not locks.acquire(lock):
            holder = lock.read().strip() or "unknown"
            if elsewhere := locks.owner(lock.name):
                holder = f"{holder}: {elsewhere}"
            raise RunLockedError(
                f"another process is training {root} ({holder}); wait for it, or end it, before running this again"
            )
        # the process that wrote it has ended, because otherwise it would hold the lock
        if owner := lock.read().strip():
            logger.info("the last training here (%s) ended without a message; continuing", owner)
        lock.truncate(0)
        lock.write(_owner())
        lock.flush()
        if _stored_hash(root) != spec_hash:
            for entry in sorted(os.listdir(root)):
                if not entry.startswith(".lock"):
                    path = root / entry
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            write_json(root / "spec.json", {"spec": spec_hash})
        store = CheckpointStore(root, lock.fileno())
        for leftover in (*(path for name in LEFTOVERS for path in root.glob(name)), store.saving_folder):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            yield store
            lock.truncate(0)
        finally:
            locks.release(lock)


def thin_checkpoints(root: str | Path, manifest: TrainManifest, keep: Collection[int], policy: str) -> KeptCheckpoints:
    """Remove the weights of all steps except ``keep`` from the store at ``root``. ``policy`` is the reason.

    The run is not trained again because of it. Raises :class:`ArtifactError` unless the store holds the training that
    ``manifest`` describes, and :class:`RunLockedError` while the run is being trained.
    """
    root = Path(root)
    if _stored_hash(root) != manifest.spec:
        raise ArtifactError(f"{root} does not contain the checkpoints that train.json lists; rerun to train them")
    with open_store(root, manifest.spec) as store:
        kept = store.thin(manifest, keep)
        return KeptCheckpoints(keep=policy, kept=kept, removed=sorted(removed_steps(root)))


def _owner() -> str:
    """The host and id of this process, as text."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" if job else "")


def _is_weights(file: Path) -> bool:
    return file.suffix in {".safetensors", ".json"} and file.name != "trainer_state.json"


def _stored_hash(root: Path) -> str | None:
    try:
        stored: str = read_json(root / "spec.json")["spec"]
    except ArtifactError:
        return None
    return stored
