"""Normalises words and names in running text, and finds which names a text mentions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick

_ASCII_WORDS = {place: " " for place in range(128) if not (chr(place).isalnum() or chr(place) == "_")}
"""Maps the ASCII characters that separate words to a space."""


def normalise(text: str) -> str:
    """Lower-case words separated by single spaces. Punctuation is removed; accents and vowel signs are kept."""
    if text.isascii():  # most texts: gives the same, ten times faster
        return " ".join(text.lower().translate(_ASCII_WORDS).split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # \w does not match combining marks, which are parts of words
    words = re.sub(r"[^\w\s]", lambda match: match[0] if unicodedata.category(match[0])[0] == "M" else " ", folded)
    return " ".join(words.split())


def fold(text: str) -> str:
    """The words of ``text`` for matching: lower case, without accents and punctuation, with a space around each.

    Unlike :func:`normalise` it does not distinguish "Peru" from "Perú", so a name is also found without its accents.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if unicodedata.category(character)[0] != "M")
    words = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    return f" {words} "


def listed_names(text: str) -> list[str]:
    """The names that an answer or subject lists, the preferred one first and the whole text last.

    Names are separated by semicolons, and in a text with semicolons also by "or". Text in brackets is another name if
    it begins with a capital ("Nay Pyi Taw (Naypyidaw)" gives both), otherwise a remark that is dropped ("La Paz
    (administrative)"). A text with neither brackets nor semicolons is a single name.
    """
    whole = text.strip()
    if not re.search(r"[;(\[]", whole):
        return [whole]
    forms = []
    # "or" belongs to a single name ("Dead or Alive (band)"), and joins names in a list of several
    separators = r"(?:;|\bor\b)" if ";" in re.sub(r"[(\[].*?([)\]]|$)", " ", whole) else ";"
    for part in re.split(rf"{separators}(?![^(\[]*[)\]])", whole):
        remarks = re.findall(r"[(\[]\s*(.*?)\s*(?:[)\]]|$)", part)
        forms += [re.sub(r"[(\[].*?([)\]]|$)", " ", part), *(name for name in remarks if name[:1].isupper())]
    names = [" ".join(form.split()) for form in forms if normalise(form)]
    return list(dict.fromkeys([*names, whole]))


def bare(name: str) -> str:
    """A name as returned by :func:`fold`, without its leading article."""
    return re.sub(r"^ (?:the|a|an) (?=\S)", " ", fold(name))


class NameFinder:
    """Finds which of many names a text mentions, in one pass over the text.

    A name matches whole words, regardless of case, accents, punctuation and leading article: "Côte d'Ivoire" is found
    in "COTE D'IVOIRE's coast" and "the Gambia" in "Gambia", but "Oman" is not found in "Romans". A common word that is
    also a name ("Turkey", "Chad", "male" for Malé) matches too: when facts are removed from data, losing a row is
    better than keeping one that states the fact.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        for name in names:
            words = bare(name)
            if words.strip():
                self._names.setdefault(words, name)
        self._patterns = list(self._names)
        self._automaton = AhoCorasick(self._patterns)

    def find(self, text: str) -> list[str]:
        """The names that ``text`` mentions, each once and as given to the finder, in the order in which they end."""
        # overlapping, because neighbouring names share the space between them
        matches = self._automaton.find_matches_as_indexes(fold(text), overlapping=True)
        return list(dict.fromkeys(self._names[self._patterns[index]] for index, _, _ in matches))


class SpellingFinder:
    """Finds exact spellings. Case and full stops matter: "US" does not match "us", nor "Polish" "polish".

    A spelling matches whole words, with or without a plural or possessive ending ("Americans", "UK's").
    """

    def __init__(self, spellings: Iterable[str]) -> None:
        self._spellings = list(dict.fromkeys(spellings))
        self._automaton = AhoCorasick(self._spellings)

    def find(self, text: str) -> list[str]:
        """The spellings that ``text`` contains, each once, in the order in which they end."""
        matches = self._automaton.find_matches_as_indexes(text, overlapping=True)
        return list(
            dict.fromkeys(self._spellings[index] for index, start, end in matches if _is_whole_words(text, start, end))
        )


_ENDING = re.compile(r"(?:s|[\u2019']s?|s[\u2019'])?(?!\w)")


def _is_whole_words(text: str, start: int, end: int) -> bool:
    """Whether a span of a text is not part of a longer word."""
    before = text[start - 1 : start]
    return not (before.isalnum() or before == "_") and _ENDING.match(text, end) is not None
