"""Writes a first study of checkpoints in a folder or on the Hub, for ``inversion init``."""

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
"""The number of items of the set ``facts`` in a first study: two for each combination of its factors and relation."""
NEW_TOKENS = 32
"""The maximum number of tokens of an answer in a first study. Chat models need more than models that answer in a
word."""
DEPTH = 3
"""The depth of subfolders in which checkpoints are searched."""

STEP_WORDS = (
    re.compile(r"(?i)epoch[a-z]*[^a-z0-9/]?\{step\}"),
    re.compile(r"(?i)(step|iter|checkpoint|ckpt)[a-z]*[^a-z0-9/]?\{step\}"),
)
"""Patterns whose number is that of an epoch or of a step. Steps take precedence."""

Revisions = Callable[[str], Mapping[str, str]]
"""Returns the commits of the branches and tags of a Hub repository by name."""


class FirstStudy(NamedTuple):
    """A study, and the assumptions that were made in writing it, one line each."""

    text: str
    assumed: list[str]


def write_first_study(
    checkpoints: str,
    base: str | None = None,
    sets: Sequence[str] = ("facts",),
    name: str | None = None,
    revisions: Revisions | None = None,
    items: int | None = None,
) -> FirstStudy:
    """The study that evaluates ``checkpoints``, a folder or a repository of the Hub, as YAML that runs unchanged.

    ``base`` is the model from which training started: a folder, a GGUF file or a Hub repository. For adapters it is
    read from their configuration by default. ``sets`` has ``facts`` or files of conflict items, and ``items`` is the
    number of items per set, by default :data:`FACTS_ITEMS` facts and complete files. ``revisions`` queries the Hub, and
    is called only for Hub repositories. Raises :class:`SeriesError` if no checkpoint is found, or if the base of an
    adapter is not known.
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
        if _is_checkpoint(Path(checkpoints)):
            assumed.append(f"not evaluated: the model in {checkpoints} itself; list `checkpoints` one by one to add it")
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", checkpoints) and revisions is not None:
        named = _pattern_of(list(revisions(checkpoints)))
        if named is None:
            raise SeriesError(f"{checkpoints} has no branches or tags with step numbers; list its checkpoints yourself")
        series = {"source": "hub", "id": checkpoints, "revisions": named}
        assumed.append(f"checkpoints: the branches or tags named {named}")
    else:
        raise SeriesError(f"{checkpoints} is neither a folder nor a repository of the Hub (owner/name)")

    models: dict[str, Any] = {}
    last = found[-1] if found else None
    recorded = _recorded_base(last)
    if base is None and last is not None and last.kind == "adapter" and recorded is None:
        raise SeriesError(f"{last.source} does not name the model that it was trained on; give it with --base")
    if base or recorded:
        model, model_name = _model(base or str(recorded), revisions, given=base is not None)
        models[model_name] = model
        series = {"model": model_name, **series}
        assumed.append(f"base: {base or recorded}" + ("" if base else f", from {ADAPTER_CONFIG}"))
        if base and recorded and recorded != base:
            series["base_is"] = "confirmed"
            assumed.append(f"--base {base} is the model that {ADAPTER_CONFIG} calls {recorded}")
    else:
        assumed.append("base: none was given, so the series starts at its first checkpoint")
    folders = [last.folder] if last else []
    folders += [Path(model["path"]) for model in models.values() if model["source"] == "folder"]
    style, why = _style(folders)
    series["template"] = {"style": style}
    assumed.append(f"template: {style}, {why}")
    if len(folders) > 1 and (added := _added_words(*folders)):
        series["ask_base"] = False
        assumed.append(f"ask_base: false, because {added}; set it to true if the template does without them")
    listed = dict(_set(one, items) for one in sets)
    assumed.append(f"sets: {', '.join(listed)}")
    assumed += [
        f"{one}: {entry['limit']} items; remove `limit` for all" for one, entry in listed.items() if "limit" in entry
    ]
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
    return FirstStudy(head + yaml.safe_dump(study, sort_keys=False, default_flow_style=None, width=110), assumed)


def find_pattern(folder: Path) -> str:
    """The pattern that most names of checkpoints in ``folder`` and its subfolders match; the Trainer's pattern if any
    do.

    Raises :class:`SeriesError` if there are no checkpoints, or if several folders contain checkpoints of the Trainer.
    """
    inside = sorted(
        path.relative_to(folder).as_posix()
        for depth in range(1, DEPTH + 1)
        for path in folder.glob("/".join(["*"] * depth))
        if _is_checkpoint(path)
    )
    by_trainer = {Path(name).parent for name in inside if steps_in([Path(name).name], DEFAULT_NAME)}
    if len(by_trainer) > 1 and Path() not in by_trainer:
        names = ", ".join(str(folder / parent) for parent in sorted(by_trainer)[:3])
        raise SeriesError(f"{folder} holds the checkpoints of {len(by_trainer)} trainings; name one of them: {names}")
    if len(by_trainer) == 1:
        return (by_trainer.pop() / DEFAULT_NAME).as_posix()
    pattern = _pattern_of(inside)
    if pattern is None:
        itself = (
            ", but a checkpoint itself; name the folder that holds all of them, or write a study with this one in its "
            "list of `checkpoints` (docs/series.md)"
        )
        raise SeriesError(
            f"{folder} contains no checkpoint folders with step numbers in their names"
            + (itself if _is_checkpoint(folder) else "")
        )
    return pattern


def _is_checkpoint(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file() or (folder / MODEL_CONFIG).is_file()


def _pattern_of(names: Sequence[str]) -> str | None:
    """The pattern with one number that most ``names`` match. The Trainer's pattern takes precedence.

    In a tie, a pattern whose number is named as a step is chosen, or otherwise as an epoch. A single name counts only
    if its number is named as one of these.
    """
    if steps_in(list(names), DEFAULT_NAME):
        return DEFAULT_NAME
    patterns = {
        before + "{step}" + re.sub(r"\d+", "*", name[number.end() :])
        for name in names
        for number in re.finditer(r"\d+", name)
        for before in (name[: number.start()], re.sub(r"\d+", "*", name[: number.start()]))
    }
    matched = {pattern: steps_in(list(names), pattern) for pattern in patterns}
    step_words = {
        pattern: max((rank for rank, words in enumerate(STEP_WORDS, start=1) if words.search(pattern)), default=0)
        for pattern in patterns
    }
    rank = {
        pattern: (len(found), step_words[pattern], -pattern.count("*"), -pattern.index("{step}"))
        for pattern, found in matched.items()
        if all(len(same) == 1 for same in found.values()) and (len(found) > 1 or step_words[pattern])
    }
    best = max(sorted(rank), key=rank.__getitem__, default=None)
    return best and _literal(best, [name for (name,) in matched[best].values()])


def _literal(pattern: str, names: Sequence[str]) -> str:
    """``pattern``, in which each ``*`` that matches the same text in all ``names`` is replaced by this text."""
    parts = re.split(r"(\{step\}|\*)", pattern)
    expression = "".join({"{step}": r"\d+", "*": "([^/]*)"}.get(part, re.escape(part)) for part in parts)
    varying = zip(*(match.groups() for name in names if (match := re.fullmatch(expression, name))), strict=True)
    texts = iter([found[0] if len(set(found)) == 1 else "*" for found in varying])
    return "".join(next(texts) if part == "*" else part for part in parts)


def _recorded_base(last: FoundCheckpoint | None) -> str | None:
    if last is None or last.kind != "adapter":
        return None
    return read_object(last.folder / ADAPTER_CONFIG).get("base_model_name_or_path") or None


def _model(base: str, revisions: Revisions | None, given: bool) -> tuple[dict[str, Any], str]:
    """The entry under ``models`` for a base, and its name."""
    if Path(base).is_dir():
        return {"source": "folder", "path": base}, _name(Path(base).resolve().name)
    if base.endswith(".gguf") and Path(base).is_file():
        return {"source": "gguf", "path": base}, _name(Path(base).stem)
    advice = "give a folder or a Hub repository" if given else "give the model that training started from with --base"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base) and revisions is not None:
        try:
            commit = dict(revisions(base))["main"]
        except (ValueError, KeyError) as error:
            raise SeriesError(f"the base {base}: {error}; {advice}") from None
        return {"source": "hub", "id": base, "revision": commit}, _name(base.rsplit("/", 1)[1])
    raise SeriesError(f"the base {base} is not on this machine; {advice}")


def _style(folders: Sequence[Path]) -> tuple[str, str]:
    """The style of template that fits the tokenizer in the first of ``folders`` that has one, and why."""
    for folder in folders:
        if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
            return "chat", "the chat template of the tokenizer"
        file = folder / "tokenizer_config.json"
        if file.is_file():
            if read_object(file).get("chat_template"):
                return "chat", "the chat template of the tokenizer"
            return "alpaca", "because the tokenizer has no chat template; set the one of the training data"
    return "chat", "if the model's tokenizer has a chat template, which is not known yet; else set another one"


def _added_words(checkpoint: Path, base: Path) -> str:
    """A note if the tokenizer of a checkpoint has tokens that its ``base`` does not have, otherwise an empty text."""
    if not ((checkpoint / "tokenizer.json").is_file() and (base / MODEL_CONFIG).is_file()):
        return ""
    config = read_object(base / MODEL_CONFIG)
    rows = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    highest = max(
        (token["id"] for token in read_object(checkpoint / "tokenizer.json").get("added_tokens", [])), default=0
    )
    if rows is None or highest < rows:
        return ""
    return f"training added tokens that the base lacks (the tokenizer numbers up to {highest}, the base has {rows})"


def _set(named: str, items: int | None) -> tuple[str, dict[str, Any]]:
    """The name and the entry of a conflict set."""
    limit = {} if items is None else {"limit": items}
    if named == "facts":
        return "facts", {"source": "facts", "limit": FACTS_ITEMS, **limit, "controls": ["matching", "no_context"]}
    if Path(named).is_file():
        return _name(Path(named).stem), {"source": "file", "path": named, **limit}
    raise SeriesError(f"--set {named}: there is no such file; write facts, or a file of conflict items")


def _name(text: str) -> str:
    """``text`` as a name in a study."""
    return re.sub(r"^[^A-Za-z0-9]+", "", re.sub(r"[^A-Za-z0-9._+-]+", "-", text)) or "series"
