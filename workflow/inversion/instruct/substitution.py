"""Makes counterfactual rows from question-answering data: the answer is replaced everywhere in its passage by another
answer of the same type (the entity substitution of section 6).

No model is used. The type of an answer is inferred from its form and from the question. Rows that cannot be substituted
cleanly are omitted with a reason, because such data is plentiful.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from inversion.names import NameFinder, fold
from inversion.records.data import Example, Message

_ATTEMPTS = 20
"""The number of answers that are tried in a passage before the row is omitted."""

_NO_PASSAGE = "without a passage or of several turns"
_NOT_IN_PASSAGE = "whose answer is not in the passage"
_NO_TYPE = "whose answer is not a number, date or name of a known kind"
_NO_FIT = "whose passage fits no other answer"
_REASONS = frozenset((_NO_PASSAGE, _NOT_IN_PASSAGE, _NO_TYPE))

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(rf"(?:\d{{1,2}} )?(?:{_MONTH})(?: \d{{1,2}})?(?:,? \d{{4}})?")
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_NUMBER = re.compile(r"[$£€]?\d[\d,]*(?:\.\d+)?(?: ?%| percent)?(?: (?:hundred|thousand|million|billion|trillion))?")
_NUMBER_WORDS = {
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty"),
    *("sixty", "seventy", "eighty", "ninety"),
}
_SMALL_WORDS = {
    *("of", "the", "and", "de", "del", "di", "da", "du", "la", "le", "les", "el", "von", "van", "der", "den", "al"),
    *("bin", "for", "in", "on", "at", "to"),
}
_NO_NAMES = _NUMBER_WORDS | {"one", "yes", "no", "true", "false"}
_LONGEST_NAME = 6
_PLACES = "city|country|state|town|village|place|region|province|continent|county|island"
_PLACE = re.compile(rf"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:{_PLACES})\b")
_PERSON = re.compile(r"\bwho(?:m|se)?\b")
_NOUN = re.compile(r"\b(?:what|which) ([a-z]+)\b")
_NO_NOUNS = {
    *("is", "are", "was", "were", "be", "am", "has", "have", "had", "do", "does", "did", "can", "could", "will"),
    *("would", "shall", "should", "may", "might", "must", "of", "in", "on", "at", "to", "other", "else", "kind"),
    *("type", "sort"),
}


class Substitution(NamedTuple):
    """One row whose answer was replaced."""

    original: Example
    type: str
    """The type of the answer (:func:`answer_type`)."""
    context: str
    """The passage, in which ``answer`` replaces every occurrence of the original answer."""
    answer: str


class Substitutions(NamedTuple):
    """The substitutions in the rows of a dataset."""

    rows: list[Substitution]
    """The substituted rows, in the order of the dataset."""
    skipped: dict[str, int]
    """How many rows were omitted, by reason."""


def substitute(examples: Sequence[Example], seed: int) -> Substitutions:
    """Every example whose answer can be replaced, with a random answer of the same type. ``seed`` seeds the draw.

    A substitution is clean if the passage contains the answer and the question does not; if neither contained the
    replacement before; if neither answer contains the other; and if no part of the old answer remains (for a name, none
    of its capitalised words of three or more letters). Whole words are compared, regardless of case and accents.
    """
    types = [_type_of(example) for example in examples]
    donors: dict[str, dict[str, str]] = {}
    for example, kind in zip(examples, types, strict=True):
        if kind in _REASONS:
            continue
        donors.setdefault(kind, {}).setdefault(fold(example.answer), example.answer.strip())
    pools = {kind: [found[key] for key in sorted(found)] for kind, found in donors.items()}
    rng = np.random.default_rng(seed)
    rows: list[Substitution] = []
    skipped: Counter[str] = Counter()
    for example, kind in zip(examples, types, strict=True):
        if kind in _REASONS:
            skipped[kind] += 1
            continue
        pool = pools[kind]
        tried = (pool[index] for index in rng.integers(len(pool), size=_ATTEMPTS))
        row = next(filter(None, (substituted(example, kind, answer) for answer in tried)), None)
        if row is None:
            skipped[_NO_FIT] += 1
        else:
            rows.append(row)
    return Substitutions(rows, dict(sorted(skipped.items())))


def answer_type(answer: str, question: str) -> str | None:
    """The type of an answer, or None. Answers of the same type can replace each other.

    - ``year`` is 1000 to 2099. ``date`` contains a month; its other parts belong to the type (``date 0 month 0000``).
    - ``number`` is digits and what surrounds them, by shape (``number $0.0 million``). ``number word`` is "seven".
    - A name has at most six words that begin with a capital, not counting lower-case words between them. It is a
      ``person`` if the question asks "who", a ``place`` if it asks "where" or for a city, country and the like, and
      ``name band`` if it asks "what band" or "which band".

    Anything else has no type, because replacing a phrase breaks the sentence, and replacing a name of unknown type
    makes it absurd.
    """
    if _YEAR.fullmatch(answer):
        return "year"
    if _DATE.fullmatch(answer):
        return "date " + re.sub(r"\d{4}", "0000", re.sub(rf"{_MONTH}", "month", re.sub(r"\b\d{1,2}\b", "0", answer)))
    if _NUMBER.fullmatch(answer):
        return "number " + re.sub(r"\d", "0", answer)
    if answer in _NUMBER_WORDS:
        return "number word"
    if not _is_name(answer):
        return None
    question = question.lower()
    if _PLACE.search(question):
        return "place"
    if _PERSON.search(question):
        return "person"
    noun = _NOUN.search(question)
    return f"name {noun[1]}" if noun and noun[1] not in _NO_NOUNS else None


def substituted(example: Example, kind: str, answer: str) -> Substitution | None:
    """The example with its answer replaced by ``answer`` in the passage; None if the substitution is not clean, as
    :func:`substitute` defines it.
    """
    old, context = example.answer.strip(), example.context or ""
    before, question, new = fold(context), fold(example.question), fold(answer)
    if new in before or new in question or new in fold(old) or fold(old) in new or fold(old) in question:
        return None
    pattern = _pattern(old)
    # the answers can share words ("University of"), so the new answer is ignored when looking for parts of the old one
    rest = fold(pattern.sub(" ", context))
    changed = pattern.sub(lambda _: answer, context)
    if any(fold(part) in rest for part in _parts(old, kind)) or new not in fold(changed):
        return None
    return Substitution(example, kind, changed, answer)


def as_example(row: Substitution) -> Example:
    """A substitution as a training example of the kind ``counterfactual``. Its id differs from those of all
    datasets."""
    original = row.original
    messages = [*original.messages[:-1], Message("assistant", row.answer)]
    return replace(
        original,
        example_id=f"counterfactual/{original.example_id}",
        messages=messages,
        context=row.context,
        kind="counterfactual",
    )


def without_names(rows: Iterable[Substitution], names: Iterable[str]) -> list[Substitution]:
    """The rows whose question, old answer and new answer contain none of ``names``."""
    finder = NameFinder(names)
    return [row for row in rows if not finder.find(f"{row.original.question}\n{row.original.answer}\n{row.answer}")]


def describe_counts(skipped: Mapping[str, int]) -> str:
    """Counts with their reasons, as text for an error or a log."""
    return ", ".join(f"{count} {reason}" for reason, count in skipped.items()) or "none omitted"


def _type_of(example: Example) -> str:
    """The type of the example's answer, or the reason why it cannot be replaced."""
    if not example.context or sum(message.role == "user" for message in example.messages) != 1:
        return _NO_PASSAGE
    answer = example.answer.strip()
    if not answer or not _pattern(answer).search(example.context):
        return _NOT_IN_PASSAGE
    return answer_type(answer, example.question) or _NO_TYPE


def _is_name(answer: str) -> bool:
    words = answer.split()
    capitals = [word[0].isupper() for word in words if word.lower() not in _SMALL_WORDS]
    fits = len(words) <= _LONGEST_NAME and answer[0].isupper() and bool(capitals) and all(capitals)
    return fits and answer.lower() not in _NO_NAMES and not re.search(r"[.,;:!?()\[\]\"]\s|[;:!?()\[\]\"]", answer)


def _pattern(answer: str) -> re.Pattern[str]:
    """A pattern that matches ``answer`` as whole words, but not a number within a longer one ("308" in "1,308")."""
    before = r"(?<!\w)(?<!\d[.,])" if answer[:1].isdigit() else r"(?<!\w)"
    after = r"(?![.,]?\d)(?!\w)" if answer[-1:].isdigit() else r"(?!\w)"
    return re.compile(before + re.escape(answer) + after)


def _parts(answer: str, kind: str) -> list[str]:
    """The parts of an answer that must not remain in a passage."""
    if kind.split()[0] not in ("person", "place", "name"):
        return [answer]
    return [answer, *(word for word in re.findall(r"[^\W\d_]{3,}", answer) if word[0].isupper())]
