"""Finds where a response mentions either answer; the scorers *containment* and *first mention* build on this."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from inversion.matching.answers import ARTICLES, find_answer
from inversion.matching.words import Words, read_words

Side = Literal["context", "parametric"]

_NEGATORS = frozenset({"not", "never", "neither", "nor"})
_NEGATOR_PAIRS = frozenset({("no", "longer"), ("instead", "of"), ("rather", "than")})
_ADDITIVE = frozenset({"only", "just", "merely"})
"""Words that cancel a preceding "not": "not only Cairo" affirms Cairo."""
AUXILIARIES = frozenset({"is", "was", "are", "were", "has", "had", "does", "did", "will", "would", "can", "could"})
_CLAUSE_WORDS = frozenset({"but", "however", "although", "though", "whereas", "while"})
_CLAUSE_MARKS = re.compile(r"[.,;:!?()\[\]\n\u2014\u2013\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u060c\u061b\u061f]")
_REPEATED_WORDS = 3
"""The number of consecutive words that a response must share with the question for them to count as repeated."""


class Mention(NamedTuple):
    """One occurrence of an answer in a response, as a half-open span of words."""

    start: int
    end: int
    side: Side


class Containment(NamedTuple):
    """Which answers a response contains; it can contain both or neither."""

    context: bool
    parametric: bool

    @property
    def label(self) -> Literal["context", "parametric", "both", "other"]:
        """The label that corresponds to the two booleans."""
        if self.context and self.parametric:
            return "both"
        return "context" if self.context else "parametric" if self.parametric else "other"


def containment(response: str, context_answers: Sequence[str], parametric_answers: Sequence[str]) -> Containment:
    """Whether a response contains an alias of either answer (the paper's counterfactual and parametric accuracy).

    An alias matches as a contiguous run of whole words (:mod:`inversion.matching`), regardless of case, accents,
    articles, white space, punctuation and the spelling of quantities. An alias without letters or digits never matches.
    """
    words = read_words(response)
    return Containment(
        any(find_answer(words, alias) for alias in context_answers),
        any(find_answer(words, alias) for alias in parametric_answers),
    )


def first_mention(
    response: str, context_answers: Sequence[str], parametric_answers: Sequence[str], question: str = ""
) -> Literal["context", "parametric", "other"]:
    """The answer that a response mentions first without negating it.

    - Words match as in :func:`containment`. If mentions overlap, only the longest counts: "New Cairo" does not
      mention Cairo.
    - A negation ("not", "n't", "never", "neither", "nor", "no longer", "instead of", "rather than") cancels
      the next mention in its clause ("not Kabul but Herat"). Directly after a mention and its
      auxiliary it cancels that mention instead ("Herat is not the capital").
    - In "from Kabul to Herat", Kabul does not count.
    - Three or more consecutive words that repeat the ``question`` neither answer nor negate anything, unless they are
      the whole response: in "The capital of Luxembourg is Esch", Luxembourg is not an answer, and in "Beggars can't be
      trusted", where the question gave the beginning of the proverb, "can't" is not a negation.
    - An alias that both sides share counts for the context. The correct answer to a matching item, whose two answers
      are equal, is therefore labelled ``context``.

    Returns ``other`` if no mention remains.
    """
    words = read_words(response)
    clauses = _clauses(words)
    repeated = repeated_words(words, question)
    mentions = [
        mention
        for mention in find_mentions(words, context_answers, parametric_answers)
        if not within_more(repeated, mention)
    ]
    void = {*_negated(words.words, clauses, mentions, repeated), *_moved_from(words.words, clauses, mentions)}
    return next((mention.side for mention in mentions if mention not in void), "other")


def find_mentions(words: Words, context_answers: Sequence[str], parametric_answers: Sequence[str]) -> list[Mention]:
    """The mentions of either answer, in order. If several overlap, only the longest is returned."""
    found = [Mention(*span, "context") for alias in context_answers for span in find_answer(words, alias)]
    found += [Mention(*span, "parametric") for alias in parametric_answers for span in find_answer(words, alias)]
    kept: list[Mention] = []
    for mention in sorted(set(found), key=lambda m: (m.start - m.end, m.start, m.side)):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept)


def repeated_words(words: Words, question: str) -> list[bool]:
    """For each word, whether it is one of three or more consecutive words that also occur in the question."""
    trigrams = _trigrams(question)
    places: set[int] = set()
    for start in range(len(words) - _REPEATED_WORDS + 1):
        if words.words[start : start + _REPEATED_WORDS] in trigrams:
            places.update(range(start, start + _REPEATED_WORDS))
    return [place in places for place in range(len(words))]


@functools.lru_cache(maxsize=4096)
def _trigrams(question: str) -> frozenset[tuple[str, ...]]:
    """All sequences of three consecutive words of a question."""
    words = read_words(question).words
    return frozenset(words[start : start + _REPEATED_WORDS] for start in range(len(words) - _REPEATED_WORDS + 1))


def _clauses(words: Words) -> list[int]:
    """The number of the clause of each word."""
    clauses, clause = [], 0
    for place, word in enumerate(words.words):
        # a clause word begins a new clause
        clause += bool(_CLAUSE_MARKS.search(words.gap(place))) + (word in _CLAUSE_WORDS)
        clauses.append(clause)
    return clauses


def within_more(repeated: Sequence[bool], mention: Mention) -> bool:
    """Whether a mention is part of a longer repetition of the question: at least two words longer than the mention,
    but not the whole response."""
    if all(repeated) or not all(repeated[mention.start : mention.end]):
        return False
    start, end = mention.start, mention.end
    while start > 0 and repeated[start - 1]:
        start -= 1
    while end < len(repeated) and repeated[end]:
        end += 1
    return end - start >= mention.end - mention.start + 2


def _moved_from(words: Sequence[str], clauses: Sequence[int], mentions: Sequence[Mention]) -> Iterator[Mention]:
    """The mentions after "from" that are followed in the same clause by "to" and the other answer."""
    for one, other in itertools.pairwise(mentions):
        before = _before_articles(words, one.start)
        to = _before_articles(words, other.start)
        follows = one.side != other.side and clauses[one.start] == clauses[other.start]
        if follows and before >= 0 and words[before] == "from" and to >= one.end and words[to] == "to":
            yield one


def _before_articles(words: Sequence[str], place: int) -> int:
    """The place of the last word before ``place`` that is not an article; -1 if there is none."""
    place -= 1
    while place >= 0 and words[place] in ARTICLES:
        place -= 1
    return place


def _negated(
    words: Sequence[str], clauses: Sequence[int], mentions: Sequence[Mention], repeated: Sequence[bool]
) -> Iterator[Mention]:
    """The mentions that a negation in the same clause cancels. A negation that is ``repeated`` from the question has
    no effect."""
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        negates = (word in _NEGATORS and following not in _ADDITIVE) or (word, following) in _NEGATOR_PAIRS
        inside = any(m.start <= position < m.end for m in mentions)
        if not negates or inside or repeated[position]:
            continue
        before = [m for m in mentions if m.end == position - 1 and words[m.end] in AUXILIARIES]
        after = [m for m in mentions if m.start > position]
        voided = before[-1:] or after[:1]
        # a mention can contain a comma ("Washington, D.C."), so the clause of its nearer end is compared
        yield from (m for m in voided if clauses[m.end - 1 if before else m.start] == clauses[position])
