"""Loads conflict sets from their sources, and applies the rules that decide which items are kept.

The paper's released files have known errors (duplicates, one set within another, remarks within answers). Each is fixed
by a rule, and :mod:`inversion.conflict.audit` counts what every rule did.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np

from inversion.config.sets import SET_FORMATS, ConflictSet, FactSet, FileSet, HubSet, SubstitutionSet, WorldSet
from inversion.conflict.controls import control_items
from inversion.conflict.fact_sets import fact_items
from inversion.conflict.fields import SetContent, refuse_release
from inversion.conflict.memo_trap import endings_not_apart
from inversion.conflict.releases import subject_of
from inversion.conflict.short_names import with_short_names
from inversion.conflict.substitution_sets import substitution_items
from inversion.conflict.swaps import refuse_swapped
from inversion.conflict.world_sets import world_items
from inversion.instruct.rows import DataError, read_rows, text_field
from inversion.matching.answers import shared_answers
from inversion.names import listed_names, normalise
from inversion.records.data import ConflictItem, Example
from inversion.world.facts import InventedWorld

log = logging.getLogger(__name__)

_MEMORY_KEYS = ("memory_answer", "parametric_answer")
_LONGEST_FIELD = 100_000
"""The maximum number of characters of a field. A longer one is an error in the file, and no model could read it."""
_LIMIT_SEED = 0
"""The seed for drawing items under ``limit``. It is the same for every set and run."""


def load_items(
    spec: ConflictSet,
    name: str,
    world: InventedWorld | None = None,
    excluded: Sequence[ConflictItem] = (),
    examples: Sequence[Example] = (),
) -> list[ConflictItem]:
    """The items of the set ``name`` for evaluation, in the order of their source.

    From a file, these are the items that :func:`keep_items` keeps, of which ``limit`` are drawn at random. Of the facts
    that ship with the project, the first are used, which balance the factors. ``excluded`` has the :func:`source_items`
    of the sets under ``exclude``, so that the limits of those sets do not matter. The controls of the set come after
    its items (:func:`~inversion.conflict.controls.control_items`).

    Raises :class:`~inversion.instruct.rows.DataError` if a row is malformed or nothing is left.
    """
    read = read_source(spec, name, world, examples)
    items = read.items
    if isinstance(spec, FileSet):
        for line in read.log_lines():
            log.warning("set %s: %s", name, line)
        if SET_FORMATS[spec.format].mapped:
            refuse_swapped(name, items, read.native)
        items = _limited(_short_enough(keep_items(items, excluded), spec, name), spec, name)
    elif isinstance(spec, FactSet):
        items = items[: spec.limit]
    return [*items, *control_items(items, spec.controls, read.native, read.passages)]


def source_items(
    spec: ConflictSet, name: str, world: InventedWorld | None = None, examples: Sequence[Example] = ()
) -> list[ConflictItem]:
    """Every item of the set's source, before any rule removes one. Arguments and errors are those of
    :func:`read_source`."""
    return read_source(spec, name, world, examples).items


def read_source(
    spec: ConflictSet, name: str, world: InventedWorld | None = None, examples: Sequence[Example] = ()
) -> SetContent:
    """The items of the set's source, with its passages for controls and its skipped rows.

    ``world`` is needed for a set of the world, and ``examples``, the question-answering data, for substitutions. A file
    is read by the reader of its format (:data:`~inversion.config.sets.SET_FORMATS`). A Hub set must be given as the
    file to which it was downloaded (:meth:`~inversion.config.sets.HubSet.in_file`). Raises
    :class:`~inversion.instruct.rows.DataError`, which names the file and, if it concerns one, the row.
    """
    if isinstance(spec, WorldSet):
        if world is None:
            raise DataError(f"set {name!r} is made from the invented world, but no world was given")
        return SetContent(world_items(world, spec, name))
    if isinstance(spec, SubstitutionSet):
        return SetContent(substitution_items(examples, spec, name))
    if isinstance(spec, FactSet):
        return SetContent(fact_items(spec, name))
    if isinstance(spec, HubSet):
        raise DataError(f"set {name!r} comes from the Hub, but the file with its rows was not given")
    form = SET_FORMATS[spec.format]
    if not form.mapped:
        return SetContent(resolve_name(form.read)(spec.path, name))
    read: SetContent = resolve_name(form.read)(spec.path, name, spec.format, spec.fields, spec.where, spec.max_bad_rows)
    return read


def release_items(path: str | Path, name: str) -> list[ConflictItem]:
    """The items of a file in the format of the paper's release.

    They have the ids ``{name}-000001`` and so on by row, are clustered by question, and have the set's name as stratum.
    Their subject is under ``subject`` or is taken from a question about a capital. Raises
    :class:`~inversion.instruct.rows.DataError` at the first malformed row.
    """
    items: list[ConflictItem] = []
    for row in read_rows(path):
        try:
            if not items and not ("answer" in row.value and any(key in row.value for key in _MEMORY_KEYS)):
                refuse_release(path, row.value)
            if row.fault:
                raise ValueError(row.fault)
            items.append(_item(row.value, name, row.number))
        except DataError:
            raise
        except ValueError as error:
            raise DataError(f"{path}: row {row.number}: {error}") from None
    return items


def keep_items(items: Sequence[ConflictItem], excluded: Iterable[ConflictItem] = ()) -> list[ConflictItem]:
    """The items without exact duplicates (the first is kept), without proverbs whose endings cannot be told apart in a
    response (:func:`~inversion.conflict.memo_trap.endings_not_apart`), and without the items in ``excluded``."""
    elsewhere = {fact_key(item) for item in excluded}
    items = [item for item in distinct_items(items) if not endings_not_apart(item)]
    return [item for item in items if fact_key(item) not in elsewhere] if elsewhere else items


def distinct_items(items: Sequence[ConflictItem]) -> list[ConflictItem]:
    """The items without duplicates, which have the same question, answers and context except for case, spaces and
    punctuation."""
    first: dict[tuple[object, ...], ConflictItem] = {}
    for item in items:
        first.setdefault((*fact_key(item), normalise(item.context or "")), item)
    return list(first.values())


def excluded_items(spec: ConflictSet, sources: Mapping[str, Sequence[ConflictItem]]) -> list[ConflictItem]:
    """The :func:`source_items` of the sets that ``spec`` excludes. ``sources`` has those of all sets by name."""
    return [item for name in spec.excluded for item in sources[name]]


def fact_key(item: ConflictItem) -> tuple[str, frozenset[str], frozenset[str]]:
    """The normalised question and answers, which are equal if two items have the same conflict, whatever the
    passage."""
    return (
        normalise(item.question),
        frozenset(map(normalise, item.context_answers)),
        frozenset(map(normalise, item.parametric_answers)),
    )


def _item(row: Mapping[str, Any], name: str, number: int) -> ConflictItem:
    """The item of one row. Raises :class:`ValueError` with what is wrong with the row."""
    keys = [key for key in _MEMORY_KEYS if row.get(key) is not None]
    if len(keys) != 1:
        raise ValueError(f"it must have one of the keys {' and '.join(map(repr, _MEMORY_KEYS))}, it has {len(keys)}")
    question = _text(row, "question").strip()
    context_answers = listed_names(_answer(row, "answer"))
    parametric_answers = listed_names(_answer(row, keys[0]))
    shared = shared_answers(context_answers, parametric_answers)
    if shared:
        raise ValueError(f"'answer' and {keys[0]!r} are both {normalise(shared[0])!r}, which is not a conflict")
    item = ConflictItem(
        item_id=f"{name}-{number:06d}",
        set=name,
        role="conflict",
        question=question,
        context=_text(row, "context").strip(),
        context_answers=context_answers,
        parametric_answers=parametric_answers,
        cluster=normalise(question),
        stratum=name,
        subject=_text(row, "subject").strip() if row.get("subject") is not None else subject_of(question),
    )
    return with_short_names(item)


def _text(row: Mapping[str, Any], key: str) -> str:
    text = text_field(row, key)
    if len(text) > _LONGEST_FIELD:
        raise ValueError(
            f"{key!r} has {len(text):,} characters, more than {_LONGEST_FIELD:,}; shorten it or remove the row"
        )
    return text


def _answer(row: Mapping[str, Any], key: str) -> str:
    answer = _text(row, key)
    if not normalise(answer):
        raise ValueError(f"{key!r} contains no word: {answer!r}")
    return answer


def _short_enough(items: list[ConflictItem], spec: FileSet, name: str) -> list[ConflictItem]:
    """The items whose context has at most ``max_context_words`` words. The number of other items is logged."""
    most = spec.max_context_words
    kept = [item for item in items if most is None or len((item.context or "").split()) <= most]
    if len(kept) < len(items):
        log.warning("set %s: %d of %d contexts have more than %d words", name, len(items) - len(kept), len(items), most)
    if items and not kept:
        raise DataError(f"set {name!r}: every context has more than {most} words; raise max_context_words")
    return kept


def _limited(items: list[ConflictItem], spec: FileSet, name: str) -> list[ConflictItem]:
    """The items under ``limit``, in order. Raises :class:`~inversion.instruct.rows.DataError` if there are none."""
    if not items:
        raise DataError(
            f"set {name!r}: every item of {spec.path} is also in a set under `exclude`; remove one of the two"
        )
    if spec.limit is None or spec.limit >= len(items):
        return items
    chosen = np.random.default_rng(_LIMIT_SEED).choice(len(items), size=spec.limit, replace=False)
    return [items[index] for index in np.sort(chosen)]
