"""A first study of checkpoints that lie in a folder or on the hub, without writing YAML by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from inversion.artifacts import read_object
from inversion.config.load import parse_config
from inversion.config.series import FolderSeries, steps_in
from inversion.series import (
    ADAPTER_CONFIG,
    DEFAULT_NAME,
    MODEL_CONFIG,
    FoundCheckpoint,
    SeriesError,
    find_series,
)

FACTS_ITEMS = 288
"""Items of the set ``facts`` in a first study: two for each combination of its factors and relation."""
NEW_TOKENS = 32
"""Longest answer in a first study: models that talk need more than those that were trained to answer in a word."""
DEPTH = 3
"""How far below the folder checkpoints are looked for."""

Revisions = Callable[[str], Mapping[str, str]]
"""The commits of the branches and tags of a repository of the hub, by name."""


class Start(NamedTuple):
    """A study, and what was assumed in writing it, a line each."""

    text: str
    assumed: list[str]


def start_study(
    checkpoints: str,
    base: str | None = None,
    sets: Sequence[str] = ("facts",),
    name: str | None = None,
    revisions: Revisions | None = None,
) -> Start:
    """The study that evaluates ``checkpoints``, a folder or a repository of the hub, as YAML that runs unchanged.

    ``base`` is the model that training started from: a folder, a GGUF file, or a repository of the hub; of adapters it
    is read from their configuration where it is not given. ``sets`` are ``facts`` or files of conflict items.
    ``revisions`` asks the hub and is called only for what lies there. Raises :class:`SeriesError` where no checkpoint
    is found, or an adapter's base is not known.
    """
    assumed: list[str] = []
    series: dict[str, Any]
    found: list[FoundCheckpoint] = []
    if Path(checkpoints).is_dir():
        pattern = find_pattern(Path(checkpoints))
        series = {"source": "folder", "path": checkpoints}
        if pattern != DEFAULT_NAME:
            series["checkpoints"] = pattern
        found, skipped = find_series(FolderSeries(source="folder", path=checkpoints, checkpoints=pattern))
        kinds = " and ".join(sorted({one.kind for one in found}))
        steps = f"steps {found[0].step} to {found[-1].step}"
        assumed.append(f"checkpoints: {len(found)} named {pattern} ({kinds}), {steps}")
        assumed += [f"skipped: {one.source}: {one.reason}" for one in skipped]
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", checkpoints) and revisions is not None:
        named = _pattern_of(list(revisions(checkpoints)))
        if named is None:
            raise SeriesError(f"{checkpoints} has no branches or tags that number steps; list its checkpoints yourself")
        series = {"source": "hub", "id": checkpoints, "revisions": named}
        assumed.append(f"checkpoints: the branches or tags named {named}")
    else:
        raise SeriesError(f"{checkpoints} is neither a folder nor a repository of the hub (owner/name)")

    models: dict[str, Any] = {}
    last = found[-1] if found else None
    recorded = _recorded_base(last)
    if base is None and last is not None and last.kind == "adapter" and recorded is None:
        raise SeriesError(f"{last.source} does not say which model it was trained on; name it with --base")
    if base or recorded:
        model, model_name = _model(base or str(recorded), revisions, given=base is not None)
        models[model_name] = model
        series = {"model": model_name, **series}
        assumed.append(f"base: {base or recorded}" + ("" if base else f", as {ADAPTER_CONFIG} says"))
        if base and recorded and recorded != base:
            series["base_is"] = "confirmed"
            assumed.append(f"--base {base} is the model that {ADAPTER_CONFIG} calls {recorded}")
    else:
        assumed.append("base: none was named, so the first checkpoint is the start")
    folders = [last.folder] if last else []
    folders += [Path(model["path"]) for model in models.values() if model["source"] == "folder"]
    chat = _has_chat_template(folders)
    series["template"] = {"style": "chat" if chat or not folders else "alpaca"}
    assumed.append(
        "template: chat, the chat template of the tokenizer"
        if series["template"]["style"] == "chat"
        else "template: alpaca, because the tokenizer has no chat template; set the one of the training data"
    )
    listed = dict(_set(one) for one in sets)
    assumed.append(f"sets: {', '.join(listed)}")
    if "facts" in listed:
        assumed.append(f"facts: the first {FACTS_ITEMS} items; remove `limit` for all")
    title = name or _name(Path(checkpoints).name or Path(checkpoints).resolve().name)
    if title in models:
        title = f"{title}-series"
    study = {
        **({"models": models} if models else {}),
        "series": {title: series},
        "sets": listed,
        "evaluation": {"max_new_tokens": NEW_TOKENS, "batch_size": 64},
        "experiments": {title: {"series": [title], "figures": ["accuracy"]}},
    }
    parse_config(study)
    head = "".join(f"# {line}\n" for line in ("Written by `inversion init`, which assumed:", *assumed))
    return Start(head + yaml.safe_dump(study, sort_keys=False, default_flow_style=None, width=110), assumed)


def find_pattern(folder: Path) -> str:
    """The pattern of names that most of the checkpoints below ``folder`` have, the Trainer's where there are any.

    Raises :class:`SeriesError` where there are none.
    """
    inside = sorted(
        path.relative_to(folder).as_posix()
        for depth in range(1, DEPTH + 1)
        for path in folder.glob("/".join(["*"] * depth))
        if (path / ADAPTER_CONFIG).is_file() or (path / MODEL_CONFIG).is_file()
    )
    pattern = _pattern_of(inside)
    if pattern is None:
        itself = (folder / ADAPTER_CONFIG).is_file() or (folder / MODEL_CONFIG).is_file()
        raise SeriesError(
            f"{folder} holds no folders with checkpoints whose names number steps"
            + (", but a checkpoint itself; name the folder that holds all of them" if itself else "")
        )
    return pattern


def _pattern_of(names: Sequence[str]) -> str | None:
    """The pattern with one number in it that most ``names`` have; the Trainer's before all others."""
    if steps_in(list(names), DEFAULT_NAME):
        return DEFAULT_NAME
    patterns = {
        re.sub(r"\d+", "*", name[: number.start()]) + "{step}" + re.sub(r"\d+", "*", name[number.end() :])
        for name in names
        for number in re.finditer(r"\d+", name)
    }
    steps = {pattern: steps_in(list(names), pattern) for pattern in patterns}
    single = {pattern: len(found) for pattern, found in steps.items() if all(len(n) == 1 for n in found.values())}
    return max(sorted(single), key=lambda pattern: (single[pattern], -pattern.index("{step}")), default=None)


def _recorded_base(last: FoundCheckpoint | None) -> str | None:
    if last is None or last.kind != "adapter":
        return None
    return read_object(last.folder / ADAPTER_CONFIG).get("base_model_name_or_path") or None


def _model(base: str, revisions: Revisions | None, given: bool) -> tuple[dict[str, Any], str]:
    """The entry of ``models`` for a base, and its name."""
    if Path(base).is_dir():
        return {"source": "folder", "path": base}, _name(Path(base).resolve().name)
    if base.endswith(".gguf") and Path(base).is_file():
        return {"source": "gguf", "path": base}, _name(Path(base).stem)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base) and revisions is not None:
        return {"source": "hub", "id": base, "revision": dict(revisions(base))["main"]}, _name(base.rsplit("/", 1)[1])
    advice = (
        "name a folder or a repository of the hub" if given else "name the model that training started from: --base"
    )
    raise SeriesError(f"the base {base} is not on this machine; {advice}")


def _has_chat_template(folders: Sequence[Path]) -> bool:
    """Whether the tokenizer in the first of ``folders`` that holds one has a chat template."""
    for folder in folders:
        if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
            return True
        file = folder / "tokenizer_config.json"
        if file.is_file():
            return bool(read_object(file).get("chat_template"))
    return False


def _set(named: str) -> tuple[str, dict[str, Any]]:
    """The name and the entry of a conflict set."""
    if named == "facts":
        return "facts", {"source": "facts", "limit": FACTS_ITEMS, "controls": ["matching", "no_context"]}
    if Path(named).is_file():
        return _name(Path(named).stem), {"source": "file", "path": named}
    raise SeriesError(f"--set {named}: there is no such file; write facts, or a file of conflict items")


def _name(text: str) -> str:
    """``text`` as a name in a study."""
    return re.sub(r"^[^A-Za-z0-9]+", "", re.sub(r"[^A-Za-z0-9._+-]+", "-", text)) or "series"
