"""Lists the checkpoints of a series like those of a run, after checking everything that could fail in a later job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from inversion.config.datasets import Template
from inversion.config.series import FolderSeries, HubSeries
from inversion.instruct.templates import encode_answer, end_token_ids
from inversion.instruct.tokens import TemplateError
from inversion.manifests import BaseManifest, CheckpointList, SeriesManifest, SeriesSnapshots
from inversion.models import describe_base, load_tokenizer
from inversion.models.adapters import ADAPTER_CONFIG, adapter_shapes, require_fit
from inversion.records.data import ConflictItem
from inversion.series import (
    FoundCheckpoint,
    SeriesError,
    candidates,
    find_series,
    gather_tokenizer,
    list_series,
    require_base,
)


def examine_series(
    spec: FolderSeries | HubSeries,
    base: BaseManifest,
    location: Path,
    run_folder: Path,
    per_job: int,
    snapshots: SeriesSnapshots | None = None,
) -> tuple[CheckpointList, SeriesManifest]:
    """The checkpoints of a series that can be evaluated on ``base``, whose weights are at ``location``.

    Raises :class:`SeriesError` or :class:`~inversion.models.ModelError`, naming the checkpoint, for everything that
    could fail in a later job: no complete checkpoint, an adapter without a base, for another base, with other shapes or
    of a type that cannot be loaded exactly, tokenizers that differ, or a template that the tokenizer cannot write.
    """
    found, skipped = find_series(spec, snapshots)
    adapters = [one for one in found if one.kind == "adapter"]
    if adapters and spec.model is None:
        raise SeriesError(f"{adapters[0].source} is an adapter, which needs its base: set the series' `model`")
    require_base(adapters, base, location, confirmed=spec.base_is == "confirmed")
    _require_fits(adapters, location)
    folder = run_folder / "tokenizer"
    tokenizer = gather_tokenizer(found, location, folder)
    require_template(folder if tokenizer else location, spec.template)
    there = [one.step for one in candidates(spec, snapshots)]
    return list_series(spec, found, skipped, base, run_folder, per_job, tokenizer, there)


def describe_start(spec: FolderSeries | HubSeries, snapshots: SeriesSnapshots | None = None) -> BaseManifest:
    """The first checkpoint of a series, described as a base model, for a series that names none.

    Raises :class:`SeriesError` if there is no checkpoint or it is an adapter, and :class:`~inversion.models.ModelError`
    if it cannot be loaded.
    """
    found, _ = find_series(spec, snapshots)
    first = found[0]
    if first.kind == "adapter":
        raise SeriesError(f"{first.source} is an adapter, which needs its base: set the series' `model`")
    return describe_base(first.folder, "folder", str(first.folder))


def _require_fits(adapters: Sequence[FoundCheckpoint], base: Path) -> None:
    """Call :func:`require_fit` once for all adapters with equal configurations and shapes."""
    seen = set()
    for one in adapters:
        shapes = adapter_shapes(one.folder)
        key = ((one.folder / ADAPTER_CONFIG).read_bytes(), json.dumps(sorted(shapes.items())))
        if key not in seen:
            require_fit(base, one.folder)
            seen.add(key)


def require_template(tokenizer_folder: Path, template: Template) -> None:
    """Raise :class:`SeriesError` if the tokenizer in a folder cannot write questions in ``template``."""
    tokenizer = load_tokenizer(tokenizer_folder)
    item = ConflictItem("example", "example", "conflict", "Yes?", "Yes.", ["Yes"], ["No"], "example", "example")
    try:
        encode_answer(tokenizer, template, item, "Yes")
        end_token_ids(tokenizer, template)
    except TemplateError as error:
        reason = str(error).removeprefix("item 'example': ")
        raise SeriesError(f"the series' template `{template.style}` cannot be written: {reason}") from None
