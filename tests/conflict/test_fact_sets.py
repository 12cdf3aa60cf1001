import re
from collections import Counter

import pytest

from inversion.config.sets import FactSet
from inversion.conflict.fact_sets import CELLS, SENTENCES, fact_items
from inversion.conflict.fact_tables import read_facts
from inversion.conflict.files import load_items
from inversion.names import fold
from inversion.score import first_mention

SPEC = FactSet(source="facts")

GOLDEN = [
    (
        "What is the capital of Ecuador?",
        ["Ambato"],
        ["Quito"],
        "Today it is no longer Quito but Ambato that is the capital of Ecuador. The authors of the yearbook thank the "
        "many people in Ecuador who answered their questions. Several journalists who travelled through Ecuador "
        "contributed notes and photographs.",
    ),
    (
        "What is the currency of Morocco?",
        ["loti"],
        ["dirham"],
        "The authors of the yearbook thank the many people in Morocco who answered their questions. In 2033 the "
        "currency of Morocco will change to the loti. Visitors to Morocco often remark on the food and the music.",
    ),
]


@pytest.fixture(scope="module")
def items():
    return fact_items(SPEC, "facts")


def levels(item):
    return dict(factor.split("=") for factor in item.factors)


def sentences(item):
    return re.findall(r"[^.]+\.", item.context)


def names(answers, text):
    bare = [fold(answer.removeprefix("the ")) for answer in answers]
    return any(answer in fold(text) for answer in bare)


def test_the_set_does_not_change(items):
    assert len(items) == 4464
    assert [(i.question, i.context_answers, i.parametric_answers, i.context) for i in items[:2]] == GOLDEN
    assert items[0].factors == ["length=short", "mention=yes", "position=start", "tense=present"]
    assert (items[0].item_id, items[0].set, items[0].role) == ("facts-000000", "facts", "conflict")
    assert (items[0].cluster, items[0].stratum, items[0].subject) == ("capital/ecuador", "capital", "Ecuador")


def test_the_answer_is_where_the_factors_say(items):
    for item in items:
        level, text = levels(item), sentences(item)
        assert len(text) == SENTENCES[level["length"]]
        place = {"start": 0, "middle": len(text) // 2, "end": len(text) - 1}[level["position"]]
        assert [n for n, sentence in enumerate(text) if names(item.context_answers, sentence)] == [place]
        mentioned = [n for n, sentence in enumerate(text) if names(item.parametric_answers, sentence)]
        assert mentioned == ([place] if level["mention"] == "yes" else [])
        assert bool(re.search(r"\b20[3-5]\d\b", text[place])) == (level["tense"] == "future")
        assert ("Today" in text[place]) == (level["tense"] == "present")


def test_answers_can_be_told_apart(items):
    for item in items:
        assert item.factors == sorted(item.factors)
        for new in item.context_answers:
            for old in item.parametric_answers:
                assert not names([new], old)
                assert not names([old], new)
        assert not names([*item.context_answers, *item.parametric_answers], item.question)
        assert not re.search(r"[{}]|\bthe the\b|  ", item.context + item.question)


def test_a_fact_has_every_position_and_mention_and_every_length_and_tense(items):
    facts = {}
    for item in items:
        facts.setdefault(item.cluster, []).append(levels(item))
    for met in facts.values():
        assert len({(level["position"], level["mention"]) for level in met}) == len(met) == 6
        assert len({(level["length"], level["tense"]) for level in met}) == 6


@pytest.mark.parametrize("count", [36, 72, 96, 144, 250])
def test_the_first_items_are_balanced(items, count):
    first = load_items(SPEC.model_copy(update={"limit": count}), "facts")
    assert first == items[:count]
    cells = Counter(tuple(item.factors) for item in first)
    assert len(cells) == CELLS
    assert max(cells.values()) - min(cells.values()) <= 1
    for factor in ("position", "mention", "length", "tense", "relation"):
        counts = Counter(item.stratum if factor == "relation" else levels(item)[factor] for item in first)
        assert max(counts.values()) - min(counts.values()) <= 3
    assert len({item.cluster for item in first}) == count


def test_every_relation_has_all_combinations_in_144_items(items):
    assert len({(item.stratum, *item.factors) for item in items[:144]}) == 144


def test_seeds():
    first, other = (fact_items(SPEC.model_copy(update={"seed": seed}), "f") for seed in (1, 2))
    assert first == fact_items(SPEC.model_copy(update={"seed": 1}), "f")
    assert [item.context for item in first] != [item.context for item in other]


def test_well_known_facts_are_correct():
    facts = {relation: {fact.subject: fact for fact in rows} for relation, rows in read_facts().items()}
    assert facts["capital"]["France"].answers == ["Paris"]
    assert ["Lyon"] in facts["capital"]["France"].rivals
    assert facts["currency"]["Japan"].answers == ["yen"]
    assert facts["continent"]["Chad"].answers == ["Africa"]
    assert facts["country"]["Lyon"].answers == ["France"]
    assert ["the United Kingdom", "UK", "Great Britain", "Britain", "England"] in facts["country"]["Lyon"].rivals
    assert "the Netherlands" in facts["currency"]
    assert "Serbia and Montenegro" not in facts["currency"]
    # several capitals, a name that contains the name of the subject, a disputed continent
    assert "South Africa" not in facts["capital"]
    assert "Djibouti" not in facts["capital"]
    assert "Turkey" not in facts["continent"]


def test_copying_the_claim_follows_the_passage_for_all_factors(items):
    for item in items:
        (claim,) = [sentence for sentence in sentences(item) if names(item.context_answers, sentence)]
        said = first_mention(claim, item.context_answers, item.parametric_answers, item.question)
        assert said == "context", claim
