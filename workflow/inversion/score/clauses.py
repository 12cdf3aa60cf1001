"""Divides sentences into clauses, and finds which of two contrasting clauses is overridden."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

from inversion.score import cues
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse, Sentence
from inversion.score.mentions import Side
from inversion.score.statements import NAME, repeats_verb, stems, without_names

_BREAK = re.compile(
    r"[,\u2014\u2013(-]?\s*\b(?=(?:but|however|yet|although|even though|though(?!,)|while|whilst|whereas|despite|"
    rf"in spite of|contrary to|regardless of|albeit|nevertheless|nonetheless|{cues.ALTHOUGH_ELSEWHERE})\b)"
    r"|\s[\u2014\u2013-]{1,2}\s|\u2014"
)
_LEADS = re.compile(r"^[\"'(\s,]*(?:and |but |so |yet )?")
_ALONGSIDE = re.compile(r"\W*(?:while|whilst|whereas)\b")


_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|him|her|his|who|which|where|there|here)\b"
)
"""A word that can refer to what the question asks about."""


@dataclass(slots=True)
class Clause:
    """A clause, and whether it is conceded, contrasts with the previous clause, or is attributed to a source."""

    start: int
    end: int
    text: str
    concedes: bool
    contrasts: bool

    @property
    def passage(self) -> bool:
        """Whether it reports the passage."""
        return cues.PASSAGE.search(self.text) is not None

    @property
    def general(self) -> bool:
        """Whether it says what is generally believed, or was."""
        return cues.GENERAL.search(self.text) is not None

    @property
    def real(self) -> bool:
        """Whether it says what is true."""
        return cues.REAL.search(self.text) is not None and cues.CONDITION.match(self.text) is None

    @property
    def now(self) -> bool:
        """Whether it says what is true now."""
        return cues.NOW.search(self.text) is not None


def clauses_of(sentence: Sentence) -> list[Clause]:
    """The clauses of a sentence, split at contrasting conjunctions and at the end of a leading concession."""
    cuts = [match.end() for match in _BREAK.finditer(sentence.text) if match.end() > 0]
    bounds = [0, *cuts, len(sentence.text)]
    found: list[Clause] = []
    for start, end in itertools.pairwise(bounds):
        clause = sentence.text[start:end]
        lead = _LEADS.match(clause)
        body = clause[lead.end() :] if lead else clause
        concedes = cues.CONCESSION.match(body) is not None
        contrasts = cues.CONTRAST.match(clause.lstrip(" ,\"'(")) is not None
        if concedes and (comma := _end_of_concession(clause)) is not None:
            found.append(
                Clause(sentence.start + start, sentence.start + start + comma, clause[:comma], True, contrasts)
            )
            start, clause, concedes = start + comma, clause[comma:], False
            contrasts = cues.CONTRAST.match(clause.lstrip(" ,\"'(")) is not None
        found.append(Clause(sentence.start + start, sentence.start + end, clause, concedes, contrasts))
    return _with_attribution(found)


def _with_attribution(clauses: list[Clause]) -> list[Clause]:
    """The clauses, with one that only says whose claim it is as part of the clause before it: "Lyon, at least that's
    what the passage claims"."""
    found: list[Clause] = []
    for clause in clauses:
        if found and cues.ATTRIBUTES.match(clause.text) and not ANY_ANSWER.search(clause.text):
            found[-1] = replace(found[-1], end=clause.end, text=found[-1].text + clause.text)
        else:
            found.append(clause)
    return found


def _end_of_concession(clause: str) -> int | None:
    """Where a leading concession ends: at the last comma before the last answer of the other side."""
    signs = [(match.start(), match[0]) for match in ANY_ANSWER.finditer(clause)]
    commas = [match.start() for match in re.finditer(r",(?!\d|\s*(?:dass|daß|que|che|dat|что)\b)|:", clause)]
    if not commas:
        return None
    alone = cues.PREPOSITIONAL.match(clause.lstrip(" ,\"'(")) and not cues.RELATIVE.match(clause, commas[0])
    if alone and signs and commas[0] < signs[0][0]:
        return commas[0]
    if len({sign for _, sign in signs}) < 2:
        return commas[0] if signs and commas[0] < signs[0][0] else commas[-1]
    last = signs[-1][1]
    first_of_last_run = next(place for n, (place, _) in enumerate(signs) if all(s == last for _, s in signs[n:]))
    before = [comma for comma in commas if comma < first_of_last_run]
    return before[-1] if before else None


def apply_contrasts(text: MaskedResponse, clauses: list[Clause]) -> None:
    """Set aside the mentions in clauses that a contrast overrides."""
    for n, clause in enumerate(clauses):
        here = text.sides(clause.start, clause.end)
        if len(here) != 1:
            continue
        (side,) = here
        rivals = [
            other
            for other in clauses[:n]
            if (found := text.sides(other.start, other.end)) and found == {_other_side(side)}
        ]
        if not rivals:
            continue
        left = rivals[-1]
        overridden = _overridden(left, clause, text.question)
        if overridden is not None:
            for i in text.remaining(overridden.start, overridden.end):
                text.set_aside[i] = "conceded"


def _overridden(left: Clause, right: Clause, question: str) -> Clause | None:
    """Which of two clauses with different answers is overridden by the other; None if neither is."""
    if _ALONGSIDE.match(right.text) and (off_topic := _off_topic(left, right, question)) is not None:
        return off_topic
    if _ALONGSIDE.match(right.text) and left.passage and cues.OWN_KNOWLEDGE.search(right.text):
        return None  # "the text credits Storm, while historians credit Keller"
    if right.concedes or left.concedes:
        conceded, main = (right, left) if right.concedes else (left, right)
        # "the passage says Lyon, while in reality it is Paris"
        return main if right.concedes and conceded.real and main.passage and not conceded.passage else conceded
    if cues.SUPERSEDED.search(left.text) and not cues.SUPERSEDED.search(right.text):
        return left
    if cues.HAD_THOUGHT.search(right.text) and not right.contrasts:
        return right
    if cues.ASKED.search(right.text) and right.contrasts:
        return left
    weighed = right.contrasts or left.passage or right.passage or left.general or right.general
    if right.real != left.real and weighed:
        return left if right.real else right
    if not right.contrasts and bool(cues.OUTDATED.search(left.text)) != bool(cues.OUTDATED.search(right.text)):
        return left if cues.OUTDATED.search(left.text) else right
    if not right.contrasts and cues.OWN_KNOWLEDGE.search(right.text if left.passage else left.text):
        return None  # two accounts next to each other
    if not right.contrasts and cues.ACCOUNT.match(left.text) and cues.ACCOUNT.match(right.text):
        return None
    if left.passage and not right.passage:
        return right if right.general and not right.contrasts else left
    if right.passage and not left.passage:
        if cues.COMMITS.search(left.text) and cues.REPORTS.search(right.text) and not left.general:
            return right
        return left if right.contrasts or left.general else None
    if not right.contrasts:
        # two names next to each other do not say which one was asked for
        if left.passage or repeats_verb(left.text, right.text):
            return None
        return _about_another(left, right, question) or _off_topic(left, right, without_names(question))
    if left.general != right.general:
        return left if left.general else right
    if cues.CONCLUDES.search(right.text):
        return left
    if cues.WAS.search(left.text) and not cues.WAS.search(right.text):
        return left
    if right.now and not left.now:
        return left
    return _off_topic(left, right, question) or _off_topic(left, right, without_names(question)) or right


def _other_side(side: Side) -> Side:
    return "parametric" if side == "context" else "context"


def _about_another(left: Clause, right: Clause, question: str) -> Clause | None:
    """Which of two clauses names something else than the question does, if the other clause names what the question
    does: "Holst wrote The Planets. Nimrod is by Elgar" for "Who wrote Nimrod?"."""
    wanted, one, two = stems(question), stems(left.text), stems(right.text)
    names = [stems(name) for name in NAME.findall(question)]
    for clause, said, rest in ((left, one, two), (right, two, one)):
        full = [name for name in names if name and name <= rest]
        # a part of the name can be its short form, unless the clauses differ in their names only
        if any(not name & said or (name - said and rest - said <= name) for name in full) and said - wanted:
            return None if _PRONOUN.search(clause.text) else clause
    return None


_FILLERS = frozenset({"absol", "certa", "clear", "cours", "defin", "indee", "obvio", "sure", "surel", "yes"})
"""The beginnings of words that say nothing about what a clause is about."""


def _off_topic(left: Clause, right: Clause, question: str) -> Clause | None:
    """Which of two clauses is about something else than the question, if the other clause answers it: "he lived in
    Toledo, but was born in Crete" for "Where was he born?"."""
    one, other, wanted = stems(left.text) - _FILLERS, stems(right.text) - _FILLERS, stems(question)
    if one & wanted < other & wanted and one - wanted:
        return left
    return right if other & wanted < one & wanted and other - wanted else None
