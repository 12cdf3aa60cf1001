"""Converts values of rows to texts, in the same way for JSON, CSV and Parquet."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from inversion.names import normalise

_KINDS = {
    "dict": "an object",
    "NoneType": "null",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}


def is_text(value: Any) -> TypeGuard[str]:
    """Whether ``value`` is text that can be encoded and is not blank."""
    return isinstance(value, str) and bool(value.strip()) and can_be_written(value)


def can_be_written(text: str) -> bool:
    """Whether ``text`` can be encoded in UTF-8. JSON can contain lone surrogates, which UTF-8 cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_BETWEEN_QUOTED = re.compile(r"""(?<=['"])\s+(?=['"])""")
"""The gaps between texts in a printed NumPy array (``['Bern' 'Berne']``), which Python would concatenate."""


def as_object(value: Any) -> Any:
    """``value``, parsed if it is a list or an object as JSON text (as in CSV files), as Python source, or as a printed
    NumPy array."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    source = value.strip()
    for parse in (json.loads, lambda source: ast.literal_eval(_BETWEEN_QUOTED.sub(", ", source))):
        try:
            parsed = parse(source)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, list | dict | tuple):
            return parsed
    return value


def answer_list(value: Any, what: str) -> list[str]:
    """The texts of an answer, each once. ``value`` is a text, a number, or a list that can be nested.

    Raises :class:`ValueError`, which calls it ``what``, if there is no text or if types are mixed.
    """
    return list(answer_names(value, what).values())


def answer_names(value: Any, what: str) -> dict[str, str]:
    """The texts of :func:`answer_list` by their normalised words. Raises the same errors.

    The first text is the answer itself and must contain a word. Later texts are its aliases; those without a word, such
    as the emoji of a flag, are dropped.
    """
    texts = _texts(as_object(value), what)
    names = _by_words(texts)
    if next(iter(names.values()), None) != texts[0].strip():
        raise ValueError(
            f"{what} has no word in it" if len(texts) == 1 else f"{what} begins with {texts[0]!r}, which has no word"
        )
    return names


def alias_names(value: Any, what: str) -> dict[str, str]:
    """The texts of a list of aliases by their normalised words. The list can be missing or empty.

    Aliases that are null or contain no word are dropped. Raises :class:`ValueError` for mixed types and objects.
    """
    if value is None:
        return {}
    if not isinstance(value, list) or set(map(type, value)) != {str}:
        value = [leaf for leaf in _leaves(as_object(value)) if leaf is not None]
    return _by_words(_texts(value, what)) if value else {}


def _texts(value: Any, what: str) -> Sequence[str]:
    """The texts of an answer. Raises :class:`ValueError` if there is none, or if one has another type."""
    leaves: Sequence[Any]
    if isinstance(value, str):
        leaves = (value,)
    elif value is None:
        raise ValueError(f"{what} is missing")
    elif isinstance(value, list) and set(map(type, value)) == {str}:
        leaves = value
    elif isinstance(value, bool | int | float | list | tuple):
        leaves = list(_leaves(value))
    else:
        raise ValueError(f"{what} holds {_kind(value)}, but it must be text or a list of texts")
    if not leaves:
        raise ValueError(f"{what} is an empty list")
    if set(map(type, leaves)) != {str}:
        leaves = _plain(leaves, what)
    if not all(map(can_be_written, leaves)):
        raise ValueError(f"{what} contains half of a surrogate pair")
    return leaves


def _by_words(texts: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for text in texts:
        if words := normalise(text):
            names.setdefault(words, text.strip())
    return names


def _plain(leaves: Sequence[Any], what: str) -> list[str]:
    """Numbers and booleans as texts. Raises :class:`ValueError` if types are mixed or others occur."""
    kinds = {_kind(leaf) for leaf in leaves}
    if len(kinds) > 1:
        raise ValueError(f"{what} mixes types: {', '.join(sorted(kinds))}")
    if not kinds <= {"text", "a number", "true or false"}:
        raise ValueError(f"{what} lists {kinds.pop()}, but it must list texts")
    return [_text(leaf) for leaf in leaves]


_SMALL_WORDS = """
a al am an and are as at be but by can da das de del der des di do dos du el en et for go had has he her him his how i
if in is it its la las le les los me my no nor not of off on or our out she so the to too up van von was we who why
yes you
"""
SMALL_WORDS = frozenset(_SMALL_WORDS.split())
"""Common short words, and particles of names."""


def is_code(alias: str) -> bool:
    """Whether an alias is a code or a short word that usually means something else in a text.

    Wikidata, from which releases take their aliases, has codes of languages and countries: "or" for Odia, "de" for
    German, "NO" for Norway. Short names in capitals ("US", "HP") are not codes.
    """
    return alias.lower() in SMALL_WORDS or (len(alias) <= 2 and alias.isalpha() and alias.islower())


_NAME_WORDS = 8
"""The maximum number of words of a name. A longer answer is a sentence."""


def are_sentences(answers: Iterable[str]) -> bool:
    """Whether every form of an answer is longer than a name."""
    return all(len(answer.split()) > _NAME_WORDS for answer in answers)


NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese letters, which are written without spaces between words."""


def occurs_in(answers: Iterable[str], text: str) -> bool:
    """Whether ``text`` contains any of the answers as whole words, regardless of case, spaces and punctuation.

    In scripts without spaces between words, every letter counts as a word.
    """
    return which_occur_in([answers], text)[0]


def which_occur_in(sides: Iterable[Iterable[str]], text: str) -> list[bool]:
    """For each of several lists of answers, whether ``text`` contains one of them (:func:`occurs_in`)."""
    words = _padded(text)
    return [any(form.strip() and form in words for form in map(_padded, answers)) for answers in sides]


def _padded(text: str) -> str:
    words = normalise(text)
    if not words.isascii():
        words = " ".join(NO_SPACES.sub(r" \g<0> ", words).split())
    return f" {words} "


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _text(leaf: Any) -> str:
    if isinstance(leaf, bool):
        return "Yes" if leaf else "No"
    if isinstance(leaf, float):
        if not math.isfinite(leaf):
            raise ValueError(f"it contains the number {leaf}, which is not an answer")
        return str(int(leaf)) if leaf == int(leaf) else repr(leaf)
    return str(leaf)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value).__name__, type(value).__name__)
