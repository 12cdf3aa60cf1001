"""The small JSON files that expensive stages declare as their output.

The data that they describe (weights, responses) are next to them, in folders that Snakemake does not manage. Paths in
manifests are relative, so that results can be moved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inversion.artifacts import ArtifactError, read_json, write_json

RESPONSES_FILE = "responses.parquet"
BENCHMARKS_FILE = "scores.parquet"
REMOVED_FILE = "removed.json"
"""Lists the checkpoints of a run that were removed on purpose; it is next to the others."""


class Manifest(BaseModel):
    """Base of all manifests: strict, frozen, read from JSON and written as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The manifest in a file. Raises :class:`ArtifactError`, naming the file, if it is missing or malformed."""
        try:
            return cls.model_validate_json(json.dumps(read_json(path)))
        except ValidationError as error:
            fault = error.errors()[0]
            where = "".join(f"`{part}`: " for part in [".".join(map(str, fault["loc"]))] if part)
            raise ArtifactError(f"{path}: {where}{fault['msg']}; delete it and rerun to rebuild it") from None

    def write(self, path: str | Path) -> None:
        """Write the manifest atomically."""
        write_json(path, self.model_dump(mode="json"))


class HubSnapshot(Manifest):
    """A model downloaded into the Hub's cache: ``snapshot.json``."""

    id: str
    revision: str
    """The commit, which identifies the content of all files."""
    size: int
    """Total size of the files that are used, in bytes."""

    def location(self) -> Path:
        """The folder in the Hub's cache. Raises :class:`ArtifactError` if it no longer exists."""
        # imported here: the workflow reads manifests while it is parsed
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.id, "config.json", revision=self.revision)
        if not isinstance(found, str):
            raise ArtifactError(
                f"{self.id} at revision {self.revision} is not in the Hub's cache; fetch it again with "
                "`snakemake --forcerun prefetch_model`, or set HF_HOME to the folder that contains the cache"
            )
        return Path(found).parent


class BaseManifest(Manifest):
    """A base model: ``base.json``. Whatever its source, :meth:`location` is the folder of its weights."""

    source: str
    folder: str
    """The folder of weights and tokenizer. For models made here it is relative to this file, for local folders it is as
    configured, and for models of the Hub it is the id."""
    digest: str
    """Hash of all files of the model; for models of the Hub, of id and revision."""
    architecture: str
    parameters: int
    pretraining_loss: float | None
    """Last training loss (nats per token) of a model pretrained here."""
    hub: HubSnapshot | None = None
    """The download that a model of the Hub comes from."""

    def location(self, manifest: str | Path) -> Path:
        """The folder of the model whose manifest is at ``manifest``.

        Raises :class:`ArtifactError` for a model of the Hub that is no longer in the Hub's cache.
        """
        if self.hub is not None:
            return self.hub.location()
        return Path(self.folder) if self.source == "folder" else Path(manifest).parent / self.folder


class CheckpointEntry(Manifest):
    """One checkpoint of a run."""

    step: int
    epoch: float
    folder: str
    """The folder, relative to the run's folder; empty for step 0, which is the base model."""
    digest: str


class LossPoint(Manifest):
    """The training loss at one step: the mean since the previous point, in nats per labelled token."""

    step: int
    loss: float
    learning_rate: float


class TrainedWeights(Manifest):
    """Which weight matrices of a model a run trains. Layers and experts are numbered ``*``, so that each kind of matrix
    is listed once. Vectors (norms, biases) are not listed."""

    trained: list[str]
    """Matrices that are trained themselves, or by an adapter."""
    untrained: list[str]
    """All other matrices: embeddings if adapters are on all linear layers, and in some families routers or experts."""
    four_bit: list[str]
    """Matrices that are stored in four bits during training (QLoRA): linear layers, except experts that are stacked in
    one tensor."""


class TrainManifest(Manifest):
    """The inputs and results of a training run: ``train.json``."""

    spec: str
    """Hash of the training specification."""
    steps: list[CheckpointEntry]
    """All kept checkpoints, without the base model."""
    steps_per_epoch: float
    examples: int
    left_out: int
    """Number of examples that were omitted because they are longer than ``max_length`` or the model's context window,
    or because the template cannot write them."""
    loss: list[LossPoint]
    trained_parameters: int
    weights: TrainedWeights | None = None
    """Null in files that earlier versions wrote."""
    wall_s: float
    """Seconds that the process that finished the training took. Earlier, interrupted processes are not included."""
    tokens_per_s: float
    """Number of tokens without padding, divided by ``wall_s``."""
    peak_memory_mib: float
    resumed_from: int
    """The step from which this process resumed; 0 if the training was never interrupted."""
    versions: dict[str, str]


class CheckpointList(Manifest):
    """The checkpoints of a run or series, including step 0, in chunks of one job each: ``checkpoints.json``."""

    steps_per_epoch: float | None
    """Null for a series whose checkpoints do not record it."""
    chunks: list[list[CheckpointEntry]]
    # omitted if unset, so that existing lists of runs do not change
    tokenizer: str | None = Field(default=None, exclude_if=lambda tokenizer: tokenizer is None)
    """The folder of the tokenizer that all checkpoints use, relative to the run's folder; null for the tokenizer of the
    base model."""

    @classmethod
    def of(cls, manifest: TrainManifest, base: BaseManifest, per_job: int) -> Self:
        """Step 0 and the steps of ``manifest``, in chunks of ``per_job``."""
        steps = [CheckpointEntry(step=0, epoch=0.0, folder="", digest=base.digest), *manifest.steps]
        return cls(steps_per_epoch=manifest.steps_per_epoch, chunks=_chunks(steps, per_job))

    def tokenizer_folder(self, run_folder: str | Path) -> Path | None:
        """The folder of the tokenizer that all checkpoints use; None for the tokenizer of the base model."""
        return Path(run_folder) / self.tokenizer if self.tokenizer else None

    @property
    def steps(self) -> list[CheckpointEntry]:
        """All checkpoints, in order."""
        return [step for chunk in self.chunks for step in chunk]

    def benchmark_chunks(self, every: int, per_job: int) -> list[list[CheckpointEntry]]:
        """Every ``every``-th checkpoint, the first and the last, in chunks of ``per_job``."""
        steps = self.steps
        return _chunks([step for i, step in enumerate(steps) if i % every == 0 or i == len(steps) - 1], per_job)


def _chunks(steps: list[CheckpointEntry], size: int) -> list[list[CheckpointEntry]]:
    return [steps[start : start + size] for start in range(0, len(steps), size)]


class SeriesSnapshot(Manifest):
    """One checkpoint of a series on the Hub that was downloaded into the Hub's cache."""

    step: int
    id: str
    revision: str
    """The branch, tag or commit that the study names."""
    commit: str
    """The commit at the time of the download, which identifies the content of all files."""
    subfolder: str | None
    size: int
    """Total size of the files that are used, in bytes."""

    @property
    def name(self) -> str:
        """A readable description of where it comes from."""
        folder = f"/{self.subfolder}" if self.subfolder else ""
        return f"{self.id}{folder} at {self.revision} ({self.commit[:8]})"

    def location(self) -> Path:
        """Its folder in the Hub's cache. Raises :class:`ArtifactError` if it no longer exists."""
        # imported here: the workflow reads manifests while it is parsed
        from huggingface_hub import try_to_load_from_cache

        for file in ("adapter_config.json", "config.json"):
            inside = f"{self.subfolder}/{file}" if self.subfolder else file
            if isinstance(found := try_to_load_from_cache(self.id, inside, revision=self.commit), str):
                return Path(found).parent
        raise ArtifactError(
            f"{self.name} is not in the Hub's cache; fetch it again with `snakemake --forcerun prefetch_series`, or "
            "set HF_HOME to the folder that contains the cache"
        )


class SeriesSnapshots(Manifest):
    """The downloaded checkpoints of a series on the Hub: ``snapshots.json``."""

    checkpoints: list[SeriesSnapshot]


class SeriesCheckpoint(Manifest):
    """One checkpoint of a series: where it comes from, and remarks for the reader of the results."""

    step: int
    source: str
    kind: str
    """``base``, ``adapter``, ``full``, ``gone`` (its weights were deleted after evaluation), or ``skipped``."""
    notes: list[str]


class SeriesManifest(Manifest):
    """Where the checkpoints of a series come from: ``series.json``."""

    checkpoints: list[SeriesCheckpoint]
    skipped: list[SeriesCheckpoint]


class KeptCheckpoints(Manifest):
    """Which of a run's weights are still on disk after labelling: ``kept.json``."""

    keep: str
    """The study's ``keep_checkpoints``."""
    kept: list[int]
    """Steps whose weights are on disk, without step 0 (the base model)."""
    removed: list[int]
    """Steps whose weights were removed on purpose, now or earlier."""


def removed_steps(store: str | Path) -> set[int]:
    """The steps whose weights were removed on purpose from the folder ``store`` of checkpoints."""
    record = Path(store) / REMOVED_FILE
    return set(read_json(record)) if record.exists() else set()


class MeasuredFolder(Manifest):
    """The measurements at one checkpoint: responses, benchmark scores, or the facts of a probe."""

    step: int
    folder: str
    """The folder, relative to the run's folder."""
    digest: str


class MeasuredManifest(Manifest):
    """The measurements at a chunk of checkpoints: ``responses/chunk-000.json``."""

    steps: list[MeasuredFolder]
