"""Reads conflict items from the rows of any file, with a mapping of paths that is the user's or that of a public
release."""

from __future__ import annotations

import functools
import gc
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any

from inversion.config.base import nearest
from inversion.config.releases import RELEASES, FieldMap, Release
from inversion.conflict.releases import NoConflict
from inversion.conflict.short_names import with_short_names
from inversion.conflict.values import (
    alias_names,
    answer_list,
    answer_names,
    as_object,
    can_be_written,
    is_code,
    is_text,
    occurs_in,
)
from inversion.instruct.rows import DataError, Row, read_rows
from inversion.matching.answers import ARTICLES, shared_answers
from inversion.matching.quantities import NUMBER_WORD_SET
from inversion.matching.words import ROMAN_NUMERALS
from inversion.names import normalise
from inversion.records.data import ConflictItem

FIELDS = "fields"
"""The format of files that are read with the study's own mapping only."""
REQUIRED = ("question", "context", "context_answer")
"""Parts that every item has. A study's own mapping must also have the parametric answer."""
_LONGEST_FIELD = 100_000
"""The maximum number of characters of a field. A longer one is an error in the file, and no model could read it."""
_FAULTS_SHOWN = 3
_COLUMNS_SHOWN = 12


NO_FIELDS = FieldMap()


@dataclass(frozen=True)
class SetContent:
    """The content of a set's source, before any rule removes an item."""

    items: list[ConflictItem]
    native: dict[str, dict[str, str]] = field(default_factory=dict)
    """The source's own passages for controls: by item id, then by kind of control (``matching``, ``irrelevant``)."""
    faults: list[str] = field(default_factory=list)
    """The malformed rows that were omitted, one line each with the row's number and what is wrong with it."""
    skipped: list[str] = field(default_factory=list)
    """The valid rows that were skipped because they have no conflict or because of ``where``, in the same form."""
    rows: int = 0
    """The number of rows of the file; 0 if the items do not come from a file."""
    passages: str = "native"
    """Where the passages in ``native`` come from: ``native``, or ``synthetic`` if they were generated from a release's
    facts."""

    def log_lines(self) -> Iterator[str]:
        """The log lines about omitted rows."""
        kinds = (("malformed", self.faults), ("without a conflict, or not kept by `where`", self.skipped))
        for what, lines in kinds:
            if lines:
                yield f"{len(lines)} of {self.rows} rows are {what}: {'; '.join(lines[:_FAULTS_SHOWN])}"


def read_mapped(
    path: str | Path,
    name: str,
    format: str,
    fields: FieldMap = NO_FIELDS,
    where: Mapping[str, Any] = MappingProxyType({}),
    max_bad_rows: float = 0.0,
) -> SetContent:
    """The items of the file ``path``, in the ``format`` of a release or with the mapping ``fields`` only.

    ``fields`` overrides single parts of a release's mapping. A row is kept if the value at every path of ``where``
    equals the value there, or one of several values. Items have the ids ``{name}-000001`` and so on by row, with a
    second number if a row gives several. Malformed rows are omitted and listed in the result. With a study's own
    mapping, two equal answers make a row malformed; in a release, such a row is valid but has no conflict. Aliases that
    both answers share are removed, because they cannot tell them apart.

    Raises :class:`~inversion.instruct.rows.DataError` if the file has another format, if a path is in no row, if no
    item is left, or if more than the share ``max_bad_rows`` of the rows is malformed.
    """
    reader = _Reader(name, RELEASES.get(format), fields, where)
    with _no_collector():
        for row in reader.rows(path):
            reader.take(row)
    reader.refuse(path, format, max_bad_rows)
    origin = reader.release.passages if reader.release else "native"
    return SetContent(reader.items, reader.native, reader.faults, reader.skipped, reader.count, origin)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Switch off the cyclic garbage collector within the block. Items have no cycles, and the collector took 40 % of
    the time for a large file."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Reader:
    """Converts the rows of one file one by one, and collects items, malformed rows and skipped rows."""

    def __init__(self, name: str, release: Release | None, fields: FieldMap, where: Mapping[str, Any]) -> None:
        self.name, self.release, self.own = name, release, fields.named()
        self.paths = {**(release.fields.named() if release else {}), **self.own}
        self.steps = [(part, tuple(way for path in paths for way in _ways(path))) for part, paths in self.paths.items()]
        self.where = {path: (_ways(path), _values(wanted)) for path, wanted in where.items()}
        self.prepare = resolve_name(release.prepare) if release and release.prepare else None
        self.items: list[ConflictItem] = []
        self.native: dict[str, dict[str, str]] = {}
        self.faults: list[str] = []
        self.skipped: list[str] = []
        self.count = 0
        self.columns: dict[str, None] = {}
        self.met: set[str] = set()
        """The parts, and the paths of ``where``, that at least one row has."""

    def rows(self, path: str | Path) -> Iterator[Row]:
        """The rows of the file. For a release whose items span several rows, one combined row per item."""
        rows = self._inner_rows(read_rows(path))
        return resolve_name(self.release.gather)(rows) if self.release and self.release.gather else rows

    def _inner_rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows. If the file is a single object that is not a row but contains rows (in a list, by id, or column by
        column), those rows."""
        first = list(itertools.islice(rows, 2))
        content = first[0].value if len(first) == 1 and not first[0].fault else {}
        if self._is_row(content):
            inner = _rows_of_columns(content)
        else:
            lists = [value for value in content.values() if isinstance(value, list) and _all_objects(value)]
            by_ids = list(content.values()) if _all_objects(content.values()) else []
            inner = lists[0] if len(lists) == 1 else by_ids
        return itertools.starmap(Row, enumerate(inner, start=1)) if inner else itertools.chain(first, rows)

    def _is_row(self, value: Mapping[str, Any]) -> bool:
        """Whether an object has keys of the release or of the study's mapping."""
        if self.release:
            return any(set(spellings) & set(value) for spellings in self.release.keys)
        return any(value_at(value, path) is not None for _, paths in self.steps for path in paths)

    def take(self, row: Row) -> None:
        """Add the items of one row, or the reason why it has none."""
        self.count += 1
        if not row.value.keys() <= self.columns.keys():
            self.columns.update(dict.fromkeys(row.value))
        try:
            if row.fault:
                raise ValueError(row.fault)
            if self.release:
                _require_keys(row.value, self.release)
            prepared: list[Mapping[str, Any]] = self.prepare(row.value) if self.prepare else [row.value]
        except ValueError as error:
            self._skip(row, error)
            return
        for number, one in enumerate(prepared, start=1):
            try:
                self._require_kept(one)
                self._add(one, f"{self.name}-{row.number:06d}" + (f"-{number}" if len(prepared) > 1 else ""))
            except ValueError as error:
                self._skip(row, error)

    def _skip(self, row: Row, reason: ValueError) -> None:
        lines = self.skipped if isinstance(reason, NoConflict) else self.faults
        lines.append(f"row {row.number}: {reason}")

    def _require_kept(self, row: Mapping[str, Any]) -> None:
        """Raises :class:`NoConflict` if ``where`` does not keep the row."""
        for path, (ways, wanted) in self.where.items():
            value = _first(row, ways)
            if value is not None:
                self.met.add(path)
            if value is None or _key(value) not in wanted:
                raise NoConflict(f"{path!r} is {value!r}")

    def _add(self, row: Mapping[str, Any], item_id: str) -> None:
        values = {part: value for part, paths in self.steps if (value := _first(row, paths)) is not None}
        if len(self.met) < len(self.steps) + len(self.where):
            self.met.update(values)
        item, passages = _item(values, item_id, self.name, "parametric_answer" in self.paths, self.release is not None)
        self.items.append(with_short_names(item) if self.release and self.release.short_names else item)
        if passages:
            self.native[item_id] = passages

    def refuse(self, path: str | Path, format: str, max_bad_rows: float) -> None:
        """Raises :class:`~inversion.instruct.rows.DataError` if the rows do not have the declared format."""
        if self.faults and not self.items:
            if not self.columns:
                raise DataError(
                    f"{path}: none of {self.count} rows can be read: {self.faults[0]}; a file that ends in .csv, .tsv "
                    "or .parquet is read as such a table, any other as JSON"
                )
            _refuse_other_format(path, format, self.release, self.columns)
        sought = {f"fields.{part}": (part, paths) for part, paths in self.own.items()}
        sought |= {f"where.{where}": (where, (where,)) for where in self.where}
        for key, (part, paths) in sought.items():
            if part not in self.met and (key.startswith("where.") or self.items or self.faults):
                named = " or ".join(map(repr, paths))
                reason = (
                    f"{named} is empty in every row"
                    if set(paths) <= self.columns.keys()
                    else f"no row has {named}{nearest(paths[0], self.columns)}"
                )
                raise DataError(f"{path}: sets.{self.name}.{key}: {reason}")
        if len(self.faults) > max_bad_rows * self.count:
            raise DataError(
                f"{path}: {len(self.faults)} of {self.count} rows are malformed, above max_bad_rows = "
                f"{max_bad_rows:g}: {'; '.join(self.faults[:_FAULTS_SHOWN])}"
                f"{'; ...' if len(self.faults) > _FAULTS_SHOWN else ''}"
            )
        if not self.items:
            omitted = self.skipped or self.faults
            reason = f" ({omitted[0]})" if omitted else ""
            cure = "correct `where`" if self.where else "no row contains a conflict"
            raise DataError(f"{path}: sets.{self.name} keeps none of {self.count} rows{reason}; {cure}")


# --- paths -----------------------------------------------------------------------------------------


@functools.cache
def steps(path: str) -> tuple[str | int, ...]:
    """A path as keys and list indices: ``positive[0]`` is ``("positive", 0)``."""
    return tuple(int(place) if place else key for key, place in re.findall(r"([^.\[\]]+)|\[(-?\d+)\]", path))


def _ways(path: str) -> tuple[tuple[str | int, ...], ...]:
    """The two ways in which a row can contain ``path``: with the whole path as a key (in flattened tables), or step by
    step."""
    taken = steps(path)
    return (taken,) if taken == (path,) else ((path,), taken)


def value_at(row: Mapping[str, Any], path: Sequence[str | int]) -> Any:
    """The value at a path; None if the row does not have it. Objects that a table stores as JSON text are parsed."""
    if len(path) == 1:
        return row.get(path[0])  # type: ignore[arg-type]
    value: Any = row
    for step in path:
        value = as_object(value)
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            listed = isinstance(value, Sequence) and not isinstance(value, str)
            value = value[step] if listed and -len(value) <= step < len(value) else None
        if value is None:
            return None
    return value


def _all_objects(values: Iterable[Any]) -> bool:
    """Whether there is at least one value and all values are objects."""
    there = list(values)
    return bool(there) and all(isinstance(value, dict) for value in there)


def _rows_of_columns(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table that is stored column by column, where a column is a list or an object by row. Empty if
    ``content`` is not such a table."""
    columns = list(content.values())
    if len(columns) > 1 and all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        columns = [list(column.values()) for column in columns]
    if len(columns) < 2 or not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return []
    return [dict(zip(content, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _first(row: Mapping[str, Any], paths: Iterable[tuple[str | int, ...]]) -> Any:
    """The value at the first of the paths that the row has; None if it has none of them."""
    for path in paths:
        if (value := value_at(row, path)) is not None:
            return value
    return None


def _values(wanted: Any) -> set[str]:
    return {_key(value) for value in (wanted if isinstance(wanted, list | tuple) else (wanted,))}


def _key(value: Any) -> str:
    """A value in the form in which it is compared. CSV files only have text, and tables with gaps store 1 as 1.0."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip().casefold())


# --- one item --------------------------------------------------------------------------------------


def _item(
    values: Mapping[str, Any], item_id: str, name: str, remembered: bool, of_release: bool
) -> tuple[ConflictItem, dict[str, str]]:
    """The item of one row, and the row's passages for controls. ``remembered`` says whether rows have a parametric
    answer.

    Raises :class:`ValueError` with what is wrong with the row, and :class:`NoConflict` for a release's row with two
    equal answers.
    """
    same = NoConflict if of_release else ValueError
    question, context = _passage(values.get("question"), "question"), _passage(values.get("context"), "context")
    context_answers = _answers(values, "context_answer", "context_aliases", of_release)
    # some releases do not have the remembered answer
    parametric_answers = _answers(values, "parametric_answer", "parametric_aliases", of_release) if remembered else []
    context_answers, parametric_answers = _apart(context_answers, parametric_answers, same)
    options, labels = _options(values.get("options"))
    if options:
        context_answers = _among(options, labels, context_answers, "context")
        parametric_answers = _among(options, labels, parametric_answers, "parametric")
        context_answers, parametric_answers = _apart(context_answers, parametric_answers, same)
    kind = "choice" if options else "yes_no" if _are_yes_no(context_answers, parametric_answers) else "open"
    cluster = _label(values.get("cluster"))
    item = ConflictItem(
        item_id=item_id,
        set=name,
        role="conflict",
        question=question,
        context=context,
        context_answers=context_answers,
        parametric_answers=parametric_answers,
        cluster=normalise(cluster or "") or normalise(question),
        stratum=_label(values.get("stratum")) or name,
        subject=_label(values.get("subject")),
        kind=kind,
        options=options,
    )
    return item, _native(values, item)


def _native(values: Mapping[str, Any], item: ConflictItem) -> dict[str, str]:
    """The row's suitable passages for controls."""
    passages = {}
    matching, irrelevant = values.get("matching_context"), as_object(values.get("irrelevant_context"))
    if not _is_absent(matching) and item.parametric_answers:
        passages["matching"] = _passage(matching, "matching_context")
    if _is_absent(irrelevant):
        return passages
    answers = (*item.context_answers, *item.parametric_answers)
    listed = (
        filter(is_text, irrelevant) if isinstance(irrelevant, list) else [_passage(irrelevant, "irrelevant_context")]
    )
    passage = next((passage for passage in listed if not occurs_in(answers, passage)), None)
    if passage is not None:
        passages["irrelevant"] = passage.strip()
    return passages


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _passage(value: Any, part: str) -> str:
    if value is None:
        raise ValueError(f"{part} is missing")
    if isinstance(value, list | dict):
        raise ValueError(
            f"{part} is a list or an object, not text; give the path of one entry, such as `key[0]` or `key.text`"
        )
    if not isinstance(value, str):
        raise ValueError(f"{part} is not text but {type(value).__name__}")
    if not any(map(str.isalnum, value)):
        raise ValueError(f"{part} is blank" if not value.strip() else f"{part} has no word in it")
    if len(value) > _LONGEST_FIELD:
        raise ValueError(
            f"{part} has {len(value):,} characters, more than {_LONGEST_FIELD:,}; shorten it or remove the row"
        )
    if not can_be_written(value):
        raise ValueError(f"{part} contains half of a surrogate pair")
    return value.strip()


def _answers(values: Mapping[str, Any], part: str, alias_part: str, of_release: bool) -> list[str]:
    """An answer and its aliases. In releases, aliases that are codes are omitted."""
    answers = answer_names(values.get(part), part)
    for words, name in alias_names(values.get(alias_part), alias_part).items():
        if not (of_release and is_code(name)):
            answers.setdefault(words, name)
    return list(answers.values())


def _apart(
    context: list[str], parametric: list[str], error: type[ValueError] = ValueError
) -> tuple[list[str], list[str]]:
    """Both lists without shared aliases. Raises ``error`` if a preferred answer is a name of the other answer."""
    if not _may_be_same(context, parametric):
        return context, parametric
    shared, rivals = shared_answers(context, parametric), shared_answers(parametric, context)
    same = [
        answers[0] for answers, common in ((context, shared), (parametric, rivals)) if answers[:1] == common[:1] != []
    ]
    if same:
        raise error(f"both answers are {same[0]!r}, which is not a conflict")
    return [a for a in context if a not in shared], [a for a in parametric if a not in rivals]


_PLAIN = re.compile(r"[a-z]{2,}(?: [a-z]{2,})*")
_NAME = re.compile(r"[a-z][a-z .'-]*")
_NAMES = re.compile(r"[a-z][a-z .'-]*(?:\n[a-z][a-z .'-]*)*")
_APART = str.maketrans(".'-", "   ")
_READ = NUMBER_WORD_SET | set(ROMAN_NUMERALS) | {"cannot"}
"""Words that are read as numbers or as several words."""
_AMOUNT = re.compile(r"[a-z ]{,20}(\d{1,15})([^\d]*)")


def _may_be_same(first: list[str], second: list[str]) -> bool:
    """A quick check of letters and digits: False if no answer of one side can be the same as one of the other.

    It avoids the full comparison, which normalises numbers, units and abbreviations, for most rows of a large file.
    """
    text = "\n".join((*first, *second)).lower()
    if _NAMES.fullmatch(text) and _READ.isdisjoint(text.translate(_APART).split()):
        # most rows have names that begin with different letters
        initials = set(map(_initial, first))
        if not any(_initial(answer) in initials for answer in second):
            return False
    rivals = list(map(_sketch, second))
    return any(_may_match(sketch, rival) for sketch in map(_sketch, first) for rival in rivals)


def _initial(name: str) -> str:
    """The first letter of a name in ASCII letters, after its article."""
    start, _, rest = name.lower().translate(_APART).partition(" ")
    return (rest.lstrip() or start)[0] if start in ARTICLES else start[0]


_Sketch = tuple[str | int, ...] | None


def _sketch(answer: str) -> _Sketch:
    """A key that is equal for answers that are the same; None if only the full comparison can decide.

    For plain words, it is the first letters of the first and last word after articles, and the number of words. For
    other names in ASCII letters, whose initials can be written together or separately, it is the first letter. For one
    integer with words around it, it is the number and the text after it.
    """
    text = answer.lower()
    if _NAME.fullmatch(text):
        words = text.translate(_APART).split()
        if not _READ.isdisjoint(words):
            return None
        words = [*(word for word in words[:-1] if word not in ARTICLES), words[-1]]
        return (words[0][0], words[-1][0], len(words)) if _PLAIN.fullmatch(text) else (words[0][0],)
    amount = _AMOUNT.fullmatch(text)
    return ("number", int(amount[1]), amount[2].strip()) if amount else None


def _may_match(one: _Sketch, other: _Sketch) -> bool:
    if one is None or other is None:
        return True
    if (one[0] == "number") != (other[0] == "number"):
        return False
    if one[0] == "number":
        return one[1] == other[1] or one[2] != other[2]
    return one == other if len(one) == len(other) else one[0] == other[0]


_LETTERED = re.compile(r"\s*\(?([A-Z])[.):]+\s+(?=\S)")
"""The beginning of an option that includes its letter: "A. ", "B) " or "(C) "."""


def _options(value: Any) -> tuple[list[str], list[str]]:
    """The texts of a question's options, in order, and their labels. Both are empty if it has no options.

    The labels are those in the row, or otherwise letters. A letter before the text of each option is removed.
    """
    value = as_object(value)
    labels = None
    if isinstance(value, Mapping):
        # {label: [...], text: [...]}, or each text under its label
        labels, value = (value.get("label"), value["text"]) if "text" in value else (list(value), list(value.values()))
    if value is None:
        return [], []
    if isinstance(value, str):
        value = value.strip().splitlines()
    if not isinstance(value, Sequence) or not 2 <= len(value) <= len(ascii_uppercase):
        raise ValueError(f"options is not a list of 2 to {len(ascii_uppercase)} texts")
    texts = [option.get("text") if isinstance(option, Mapping) else option for option in value]
    options = [answer_list(text, "one of the options")[0] for text in texts]
    letters = list(ascii_uppercase[: len(options)])
    marks = [_LETTERED.match(option) for option in options]
    if [mark and mark[1] for mark in marks] == letters:
        options = [_LETTERED.sub("", option) for option in options]
    return options, list(map(str, labels)) if isinstance(labels, list) and len(labels) == len(options) else letters


def _among(options: Sequence[str], labels: Sequence[str], answers: list[str], what: str) -> list[str]:
    """The answers, of which at least one must be an option. An answer that is the label of an option becomes its
    text."""
    if not answers:
        return []
    listed = {normalise(option) for option in options}
    plain = [_LETTERED.sub("", answer) if normalise(answer) not in listed else answer for answer in answers]
    if listed & set(map(normalise, plain)):
        return plain
    if answers[0] not in labels:
        raise ValueError(f"the {what} answer {answers[0]!r} is not among the options {', '.join(options)}")
    return [options[labels.index(answers[0])], *answers[1:]]


def _are_yes_no(*sides: list[str]) -> bool:
    """Whether the preferred answer of one side is yes and that of the other is no."""
    first = {answers[0].strip(" .!").lower() for answers in sides if answers}
    return first == {"yes", "no"}


def _label(value: Any) -> str | None:
    if value is None:
        return None
    label = str(value).strip()
    if not can_be_written(label):
        raise ValueError(f"the label {label!r} contains half of a surrogate pair")
    return label or None


# --- formats ---------------------------------------------------------------------------------------


def looks_like(columns: Iterable[str]) -> str | None:
    """The release whose keys are in ``columns``; the one with most keys if there are several, None if there is none."""
    there = set(columns)
    fits = [name for name, release in RELEASES.items() if _has_keys(there, release)]
    return max(fits, key=lambda name: len(RELEASES[name].keys), default=None)


def _has_keys(columns: Iterable[str], release: Release) -> bool:
    there = set(columns)
    return all(there & set(spellings) for spellings in release.keys)


def _require_keys(row: Mapping[str, Any], release: Release) -> None:
    for spellings in release.keys:
        if not any(key in row for key in spellings):
            raise ValueError(f"it lacks the key {' or '.join(map(repr, spellings))}")


def _refuse_other_format(path: str | Path, format: str, release: Release | None, columns: Iterable[str]) -> None:
    """Raises :class:`~inversion.instruct.rows.DataError` if the columns are not those of ``format``, or are those of
    another release."""
    there = list(columns)
    other = looks_like(there)
    if other == format or (other is None and (release is None or _has_keys(there, release))):
        return
    keys = f"the keys are {', '.join(there[:_COLUMNS_SHOWN])}{', ...' if len(there) > _COLUMNS_SHOWN else ''}"
    hint = f"this looks like {RELEASES[other].title}: write `format: {other}`" if other else keys
    what = f"of {release.title} (format {format})" if release else "that `fields` names"
    raise DataError(f"{path}: no row has the keys {what}; {hint}")


def refuse_release(path: str | Path, row: Mapping[str, Any]) -> None:
    """Raises :class:`~inversion.instruct.rows.DataError` if a row, or the first row within it, is that of a release."""
    inner = next(iter(row.values()), None)
    first = inner[0] if isinstance(inner, list) and inner else inner
    other = looks_like(row) or (looks_like(first) if isinstance(first, dict) else None)
    if other:
        raise DataError(f"{path}: this looks like {RELEASES[other].title}: write `format: {other}`")
