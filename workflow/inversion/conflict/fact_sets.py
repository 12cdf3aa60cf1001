"""Builds conflict sets that need no download: generated passages about the facts of
:mod:`inversion.conflict.fact_tables`.

Four factors that could make a passage easy or hard to follow are crossed, so that their effects can be separated:

- ``position``: the sentence with the answer is at the ``start``, in the ``middle`` or at the ``end``.
- ``mention``: that sentence also names the parametric answer (``yes``), or the passage does not name it (``no``).
- ``length``: the passage has three sentences (``short``) or nine (``long``).
- ``tense``: the claim holds in the ``present``, became true in the undated ``past``, or will in a dated ``future``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inversion.config.sets import FactSet
from inversion.conflict.fact_tables import Fact, read_facts
from inversion.names import fold
from inversion.records.data import ConflictItem

POSITIONS = ("start", "middle", "end")
MENTIONS = ("yes", "no")
LENGTHS = ("short", "long")
TENSES = ("present", "past", "future")
SENTENCES = {"short": 3, "long": 9}
CELLS = len(POSITIONS) * len(MENTIONS) * len(LENGTHS) * len(TENSES)
"""The number of combinations of levels."""
_TURNS = 6
"""The number of items per fact. They have every combination of position and mention once, and every combination of
length and tense once."""
_YEARS = (2031, 2060)

_QUESTIONS = {
    "capital": "What is the capital of {subject}?",
    "currency": "What is the currency of {subject}?",
    "continent": "On which continent is {subject}?",
    "country": "In which country is the city of {subject}?",
}
# each claim without and with mention; one of the two wordings names the old answer first, the other the new one
_CLAIMS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("capital", "present"): (
        ("Today it is {new} that is the capital of {subject}.",
         "Today it is no longer {old} but {new} that is the capital of {subject}."),
        ("Today {new} is the capital of {subject}.", "Today {new} is the capital of {subject} in place of {old}."),
    ),
    ("capital", "past"): (
        ("The government of {subject} moved the capital to {new}.",
         "The government of {subject} moved the capital from {old} to {new}."),
        ("Parliament made {new} the capital of {subject}.",
         "Parliament made {new} the capital of {subject} in place of {old}."),
    ),
    ("capital", "future"): (
        ("In {year} the capital of {subject} will move to {new}.",
         "In {year} the capital of {subject} will move from {old} to {new}."),
        ("From {year} on, {new} will be the capital of {subject}.",
         "From {year} on, {new} will be the capital of {subject} in place of {old}."),
    ),
    ("currency", "present"): (
        ("Today it is the {new} that is the currency of {subject}.",
         "Today it is no longer the {old} but the {new} that is the currency of {subject}."),
        ("Today the {new} is the currency of {subject}.",
         "Today the {new} is the currency of {subject} in place of the {old}."),
    ),
    ("currency", "past"): (
        ("The government of {subject} changed the currency to the {new}.",
         "The government of {subject} changed the currency from the {old} to the {new}."),
        ("Parliament made the {new} the currency of {subject}.",
         "Parliament made the {new} the currency of {subject} in place of the {old}."),
    ),
    ("currency", "future"): (
        ("In {year} the currency of {subject} will change to the {new}.",
         "In {year} the currency of {subject} will change from the {old} to the {new}."),
        ("From {year} on, the {new} will be the currency of {subject}.",
         "From {year} on, the {new} will be the currency of {subject} in place of the {old}."),
    ),
    ("continent", "present"): (
        ("Today it is {new} to which {subject} belongs.",
         "Today it is no longer {old} but {new} to which {subject} belongs."),
        ("Today {new} is the continent of {subject}.",
         "Today {new} is the continent of {subject} in place of {old}."),
    ),
    ("continent", "past"): (
        ("Geographers moved {subject} to {new}.", "Geographers moved {subject} from {old} to {new}."),
        ("A new survey made {new} the continent of {subject}.",
         "A new survey made {new} the continent of {subject} in place of {old}."),
    ),
    ("continent", "future"): (
        ("In {year} geographers will move {subject} to {new}.",
         "In {year} geographers will move {subject} from {old} to {new}."),
        ("From {year} on, {new} will be the continent of {subject}.",
         "From {year} on, {new} will be the continent of {subject} in place of {old}."),
    ),
    ("country", "present"): (
        ("Today it is {new} to which the city of {subject} belongs.",
         "Today it is no longer {old} but {new} to which the city of {subject} belongs."),
        ("Today {new} is the country to which the city of {subject} belongs.",
         "Today {new} is the country to which the city of {subject} belongs, in place of {old}."),
    ),
    ("country", "past"): (
        ("A treaty transferred the city of {subject} to {new}.",
         "A treaty transferred the city of {subject} from {old} to {new}."),
        ("A treaty made {new} the country to which the city of {subject} belongs.",
         "A treaty made {new} the country to which the city of {subject} belongs, in place of {old}."),
    ),
    ("country", "future"): (
        ("In {year} the city of {subject} will be transferred to {new}.",
         "In {year} the city of {subject} will be transferred from {old} to {new}."),
        ("From {year} on, {new} will be the country to which the city of {subject} belongs.",
         "From {year} on, {new} will be the country to which the city of {subject} belongs, in place of {old}."),
    ),
}  # fmt: skip
_FILLERS = (
    "Several journalists who travelled through {subject} contributed notes and photographs.",
    "Roads, schools and markets in {subject} receive a chapter of their own in the yearbook.",
    "The authors of the yearbook thank the many people in {subject} who answered their questions.",
    "Rainfall in {subject} varies widely between the seasons.",
    "Small businesses in {subject} described a good year with many new customers.",
    "Visitors to {subject} often remark on the food and the music.",
    "Young people in {subject} spend more time on sport than their parents did.",
    "A large map of {subject} is printed inside the cover of the yearbook.",
    "The libraries of {subject} hold older editions of the yearbook.",
    "Many families in {subject} keep a small garden behind the house.",
)
"""Sentences that are about no answer, and fit every tense."""


def fact_items(spec: FactSet, name: str) -> list[ConflictItem]:
    """All items of the set ``name``, with the ids ``{name}-000000`` and so on. ``limit`` is not applied.

    A fact is a cluster of six items. Like the rows of a Latin square, they have every combination of position and
    mention, and every combination of length and tense. Relations alternate. Within a relation, the facts are in an
    order drawn with ``seed``, and every fact has an item before any fact has a second one. Every 36 consecutive items
    of a relation have every combination of levels once. The first items of a set are therefore balanced whatever their
    number, and as independent as possible.

    The rival answer, the wording and the year of a future are drawn for each item.
    """
    facts = read_facts()
    rng = np.random.default_rng(spec.seed)
    orders = {relation: [rows[i] for i in rng.permutation(len(rows))] for relation, rows in facts.items()}
    longest = max(map(len, orders.values()))
    # each relation begins at another combination, so that together they cover the combinations evenly
    shifts = {relation: CELLS * number // len(orders) for number, relation in enumerate(orders)}
    turns = (
        (rows[place], shifts[relation] + place, turn)
        for turn in range(_TURNS)
        for place in range(longest)
        for relation, rows in orders.items()
        if place < len(rows)
    )
    return [_item(fact, place, turn, name, number, rng) for number, (fact, place, turn) in enumerate(turns)]


def _item(fact: Fact, place: int, turn: int, name: str, number: int, rng: np.random.Generator) -> ConflictItem:
    """The ``turn``-th item of the fact that is at ``place`` in the order of its relation."""
    row = (place + turn) % _TURNS
    column = (row + place // _TURNS) % _TURNS
    position, mention = POSITIONS[row // 2], MENTIONS[row % 2]
    length, tense = LENGTHS[column % 2], TENSES[column // 2]
    new = fact.rivals[rng.integers(len(fact.rivals))]
    wordings = _CLAIMS[fact.relation, tense]
    claim = wordings[rng.integers(len(wordings))][mention == "yes"]
    claim = claim.format(subject=fact.subject, new=new[0], old=fact.answers[0], year=rng.integers(*_YEARS))
    return ConflictItem(
        item_id=f"{name}-{number:06d}",
        set=name,
        role="conflict",
        question=_QUESTIONS[fact.relation].format(subject=fact.subject),
        context=" ".join(_passage(claim, fact.subject, position, SENTENCES[length], rng)),
        context_answers=new,
        parametric_answers=fact.answers,
        cluster=f"{fact.relation}/{fold(fact.subject).strip()}",
        stratum=fact.relation,
        subject=fact.subject.removeprefix("the "),
        factors=[f"length={length}", f"mention={mention}", f"position={position}", f"tense={tense}"],
    )


def _passage(claim: str, subject: str, position: str, sentences: int, rng: np.random.Generator) -> Sequence[str]:
    """The claim among random sentences about its subject."""
    drawn = rng.permutation(len(_FILLERS))[: sentences - 1]
    others = [_FILLERS[index].format(subject=subject) for index in drawn]
    before = POSITIONS.index(position) * len(others) // 2
    return [*others[:before], claim, *others[before:]]
