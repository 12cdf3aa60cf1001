from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config import scorers as declared
from inversion.config.run import Run
from inversion.matching.words import fold_word
from inversion.records.answers import Item, Knowledge, KnowledgeProbe, Labels, Response
from inversion.records.data import ConflictItem
from inversion.records.frames import from_frame, to_frame
from inversion.score import (
    SCORERS,
    by_logprob,
    containment,
    first_mention,
    judge_knowledge,
    judge_probes,
    label_run,
    refuse_swapped_by_memory,
)

HERAT, KABUL = ["Herat"], ["Kabul"]
RUN = Run("llama", "tulu", "standard", 0)

NAMES = st.text("abcdefghijklmnopqrstuvwxyzéüñç", min_size=2, max_size=8).filter(
    lambda name: (
        fold_word(name)
        not in {"us", "who", "an", "the", "no", "not", "nor", "never", "neither", "cannot", "is", "it", "but"}
    )
)
"""Names that are no word of grammar."""


# --- containment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The capital is HERAT.", "Herat"),
        ("It is  Cap-Haïtien!", "cap haitien"),
        ("Bogota", "Bogotá"),
        ("Bogota\u0301", "Bogotá"),
        ("Herat's mayor", "Herat"),
        ("Georgia O\u2019Keeffe", "Georgia O'Keeffe"),
        ("Nuku\u02bbalofa", "Nuku'alofa"),
        ("written by JK or J. K. Rowling", "J.K. Rowling"),
        ("in Hague", "The Hague"),
        ("the Great Wall of the China", "The Great Wall of China"),
        ("Straße", "STRASSE"),
        ("about 1,000 people", "1000"),
        ("2,000 kilometers", "2,000 km"),
        ("80kg", "80 kilograms"),
        ("capital_17 .", "capital_17"),
        ("Vitamin A", "vitamin a"),
        ("New\nDelhi", "New Delhi"),
    ],
)
def test_contained(response: str, answer: str) -> None:
    assert containment(response, [answer], []) == (True, False)
    assert containment(response, [], [answer]) == (False, True)
    assert first_mention(response, [answer], []) == "context"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Herats", "Herat"),
        ("capital_17", "capital_1"),
        ("capital_17", "17"),
        ("Delhi the New", "New Delhi"),
        ("New old Delhi", "New Delhi"),
        ("Delhi New", "New Delhi"),
        ("vitamin C", "Vitamin A"),
        ("3.5 million", "5"),
        ("12,000", "12"),
        ("", "Herat"),
        ("a the an", "The"),
        ("... !", "?!"),
        ("anything", ""),
        ("Unis", "US"),
    ],
)
def test_not_contained(response: str, answer: str) -> None:
    assert containment(response, [answer], [answer]) == (False, False)
    assert first_mention(response, [answer], [answer]) == "other"


@pytest.mark.parametrize(
    ("response", "label"),
    [("Herat", "context"), ("Kabul", "parametric"), ("Herat, not Kabul", "both"), ("Paris", "other")],
)
def test_containment_label(response: str, label: str) -> None:
    assert containment(response, HERAT, KABUL).label == label


@settings(deadline=None)
@given(
    NAMES, NAMES, st.sampled_from(["", " ", "...", " \t", "«", "* "]), st.sampled_from(["", ".", "!", " ", "*", "»"])
)
def test_case_spaces_and_punctuation_make_no_difference(name: str, other: str, before: str, after: str) -> None:
    plain = containment(name, [name], [other])
    for text in (name.upper(), name.title(), before + name + after, f"the {name}"):
        assert containment(text, [name], [other]) == plain
        assert first_mention(text, [name], [other]) == "context"
    assert containment(name, [name.upper() + after], [other]) == plain


@settings(deadline=None)
@given(
    st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4), st.text(max_size=40), st.data()
)
def test_alias_order_makes_no_difference(context: list[str], parametric: list[str], noise: str, data: Any) -> None:
    text = noise + " " + data.draw(st.sampled_from([*context, *parametric]))
    again = data.draw(st.permutations(context)), data.draw(st.permutations(parametric))
    assert containment(text, *again) == containment(text, context, parametric)
    assert first_mention(text, *again) == first_mention(text, context, parametric)


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_scored_and_mentions_are_contained(text: str, context: str, parametric: str) -> None:
    found = containment(text, [context], [parametric])
    label = first_mention(text, [context], [parametric])
    assert label == "other" or getattr(found, label)


# --- first mention ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Herat", "context"),
        ("Kabul was the capital before Herat.", "parametric"),
        ("Not Kabul but Herat.", "context"),
        ("not Kabul, Herat", "context"),
        ("Herat is not the capital, it is Kabul", "parametric"),
        ("Herat isn't the capital it is Kabul", "parametric"),
        ("Herat isn\u2019t the capital; Kabul is", "parametric"),
        ("Kabul is no longer the capital. It is Herat.", "context"),
        ("It is no longer Kabul; now Herat", "context"),
        ("The capital is Herat and not Kabul.", "context"),
        ("The capital is Herat, not Kabul.", "context"),
        ("It was never Kabul - Herat is", "context"),
        ("Instead of Kabul, Herat is the capital", "context"),
        ("Rather than Kabul it is Herat", "context"),
        ("Not only Herat but also Kabul", "context"),
        ("Neither Herat nor Kabul", "other"),
        ("It is not Herat.", "other"),
        ("I do not know. Kabul", "parametric"),
        ("It is not stated, but I believe Kabul", "parametric"),
        ("The capital is Herat. It is not disputed.", "context"),
        ("Kabul is the capital and that has not changed", "parametric"),
        ("No, Herat", "context"),
        ("The capital moved from Kabul to Herat.", "context"),
        ("In 2031 it was moved from the old Kabul, to Herat.", "parametric"),
        ("They went from Kabul in 1900 to Herat", "context"),
        ("The road runs from Kabul to Paris", "parametric"),
        ("It moved from Paris to Kabul and Herat", "parametric"),
        ("", "other"),
        ("Paris", "other"),
    ],
)
def test_first_mention_label(response: str, label: str) -> None:
    assert first_mention(response, HERAT, KABUL) == label
    swapped = {"context": "parametric", "parametric": "context", "other": "other"}
    assert first_mention(response, KABUL, HERAT) == swapped[label]


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("New Cairo", "context"),
        ("Cairo", "parametric"),
        ("Cairo, not New Cairo", "parametric"),
        ("not Cairo but New Cairo", "context"),
        ("New Cairo is not the capital, Cairo is", "parametric"),
        ("the New Administrative Capital", "context"),
        ("al-Qahira", "parametric"),
    ],
)
def test_the_longest_of_nested_names_counts(response: str, label: str) -> None:
    assert first_mention(response, ["New Cairo", "New Administrative Capital"], ["Cairo", "Al Qahira"]) == label


def test_a_longer_name_wins_over_one_that_starts_before_it() -> None:
    assert first_mention("San Jose Maria Town", ["San Jose"], ["Jose Maria Town"]) == "parametric"


def test_equal_answers_count_for_the_context() -> None:
    assert first_mention("It is Kabul", KABUL, ["kabul"]) == "context"
    assert containment("It is Kabul", KABUL, ["kabul"]).label == "both"


def test_one_sided_items() -> None:
    assert first_mention("Kabul", [], KABUL) == "parametric"
    assert first_mention("Kabul", [], HERAT) == "other"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The capital city of Luxembourg is Esch.", "context"),
        ("Esch is the capital city of Luxembourg.", "context"),
        ("The capital city of Luxembourg is Luxembourg.", "parametric"),
        ("Luxembourg", "parametric"),
        ("Luxembourg, not Esch", "parametric"),
        ("The capital city of Luxembourg is not Esch", "other"),
        ("city of Luxembourg", "parametric"),
    ],
)
def test_words_repeated_from_the_question_are_not_an_answer(response: str, label: str) -> None:
    question = "What is the capital city of Luxembourg?"
    assert first_mention(response, ["Esch"], ["Luxembourg"], question) == label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Beggars can't be trusted.", "context"),
        ("Beggars cannot be choosers", "parametric"),
        ("Beggars can't be choosers", "parametric"),
        ("trusted, not choosers", "context"),
        ("not trusted", "other"),
    ],
)
def test_words_repeated_from_the_question_negate_nothing(response: str, label: str) -> None:
    question = 'Write a quote that ends in the word "trusted": Beggars can\u2019t be'
    assert first_mention(response, ["trusted"], ["choosers"], question) == label


@pytest.mark.parametrize("response", ["The US.", "the U.S.", "US", "the U. S. of today"])
def test_names_in_capitals_are_not_common_words(response: str) -> None:
    assert containment(response, ["US"], ["Canada"]).label == "context"
    assert containment("The passage tells us so.", ["US"], ["Canada"]).label == "other"
    assert first_mention("He said to us that it is Canada", ["US"], ["Canada"]) == "parametric"
    assert first_mention("He does not live in the U.S. Herat is the capital.", HERAT, KABUL) == "context"


def test_an_answer_can_contain_a_negation_and_a_clause_mark() -> None:
    assert first_mention("Don't Look Up", ["Don't Look Up"], ["Up"]) == "context"
    assert first_mention("not Washington, D.C., Boston", ["Washington, D.C."], ["Boston"]) == "parametric"


# --- responses labelled by hand ------------------------------------------------------------------

SCORED = json.loads((Path(__file__).parent / "scored_responses.json").read_text())
"""``first_mention`` and ``containment`` are the right labels; ``scored`` is what the scorer says where it errs: it
takes the answer named first ("Sorry, Kabul. No wait, ..."), and an answer for what is but a list."""


def test_responses_labelled_by_hand() -> None:
    assert len(SCORED) >= 200
    for row in SCORED:
        answers = row["response"], row["context"], row["parametric"]
        assert containment(*answers).label == row["containment"], row
        assert first_mention(*answers) == row.get("scored", row["first_mention"]), row
    wrong = [row["response"] for row in SCORED if row.get("scored", row["first_mention"]) != row["first_mention"]]
    assert len(wrong) <= 0.06 * len(SCORED)


# --- log-probability ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "threshold", "label"),
    [
        ((-1.0, 1, -2.0, 1), 0.0, "context"),
        ((-2.0, 1, -1.0, 1), 0.0, "parametric"),
        ((-3.0, 3, -2.0, 1), 0.0, "context"),  # -1 a token against -2
        ((-1.0, 1, -1.0, 1), 0.0, "other"),
        ((-1.0, 1, -2.0, 1), 1.0, "other"),
        ((-1.0, 1, -2.0, 1), 0.99, "context"),
        ((-2.0, 1, -1.0, 1), 1.0, "other"),
        ((math.log(0.6), 2, None, 0), 0.0, "context"),
        ((math.log(0.4), 2, None, 0), 0.0, "other"),
        ((None, 0, math.log(0.6), 1), 0.0, "parametric"),
        ((None, 0, math.log(0.6), 1), math.log(2), "other"),  # odds of 1.5 are below 2
        ((None, 0, math.log(0.7), 1), math.log(2), "parametric"),
        ((0.0, 1, None, 0), 100.0, "context"),
        ((None, 0, None, 0), 0.0, "other"),
    ],
)
def test_by_logprob(answers: tuple[float | None, int, float | None, int], threshold: float, label: str) -> None:
    assert by_logprob(*answers, threshold=threshold) == label


@settings(deadline=None)
@given(st.floats(-50, 0), st.integers(1, 9), st.floats(-50, 0), st.integers(1, 9), st.floats(0, 5))
def test_by_logprob_treats_both_sides_alike(c: float, cn: int, p: float, pn: int, threshold: float) -> None:
    swapped = {"context": "parametric", "parametric": "context", "other": "other"}
    assert by_logprob(p, pn, c, cn, threshold) == swapped[by_logprob(c, cn, p, pn, threshold)]
    assert by_logprob(None, 0, c, cn, threshold) == swapped[by_logprob(c, cn, None, 0, threshold)]


@pytest.mark.parametrize("answers", [(math.nan, 1, -1.0, 1), (-1.0, 1, -1.0, 0)])
def test_by_logprob_refuses(answers: tuple[float, int, float, int]) -> None:
    with pytest.raises(ValueError, match="evaluate the checkpoint again"):
        by_logprob(*answers)


@pytest.mark.parametrize("threshold", [-0.1, math.nan])
def test_by_logprob_refuses_a_threshold(threshold: float) -> None:
    with pytest.raises(ValueError, match="at least 0 nats"):
        by_logprob(-1.0, 1, -1.0, 1, threshold)


# --- a run --------------------------------------------------------------------------------------

ITEMS = [
    ConflictItem("q2", "capitals", "conflict", "Capital?", "...", HERAT, KABUL, "c2", "asia"),
    ConflictItem("q1", "capitals", "conflict", "Capital?", "...", HERAT, KABUL, "c1", "asia"),
    ConflictItem("q1", "recall", "control", "Capital?", None, [], KABUL, "c1", "asia"),
]


def answer(step: int, item: ConflictItem, text: str = "Herat", **changes: Any) -> Response:
    sides = [(-1.0, 1) if answers else (None, 0) for answers in (item.context_answers, item.parametric_answers)]
    response = Response(step, item.set, item.item_id, "plain", text, True, *sides[0], *sides[1])
    return dataclasses.replace(response, **changes)


RESPONSES = [answer(step, item) for step in (20, 0) for item in ITEMS]


def labelled(
    items: list[ConflictItem],
    responses: list[Response],
    steps_per_epoch: float = 40,
    knowledge: list[Knowledge] | None = None,
) -> list[Item]:
    known = None if knowledge is None else to_frame(knowledge, Knowledge)
    table = label_run(RUN, to_frame(items, ConflictItem), to_frame(responses, Response), steps_per_epoch, known)
    assert {*SCORERS} <= {*table.columns}
    assert from_frame(table, Labels)
    return from_frame(table, Item)


def test_a_run_is_joined_and_ordered() -> None:
    rows = labelled(ITEMS, RESPONSES)
    assert [(row.step, row.set, row.item_id) for row in rows] == [
        (step, item.set, item.item_id) for step in (0, 20) for item in ITEMS
    ]
    assert rows == labelled(ITEMS, RESPONSES[::-1])
    assert {row.epoch for row in rows} == {0.0, 0.5}
    first, control = rows[0], rows[2]
    assert (first.model, first.dataset, first.recipe, first.seed) == RUN
    assert (first.containment, first.first_mention, first.logprob) == ("context", "context", "other")
    assert (control.containment, control.first_mention, control.logprob) == ("other", "other", "other")
    assert (first.cluster, first.stratum, first.role) == ("c2", "asia", "conflict")


def test_prompts_have_separate_rows() -> None:
    both = [*RESPONSES, *(dataclasses.replace(r, prompt="only") for r in RESPONSES)]
    assert [row.prompt for row in labelled(ITEMS, both)[:2]] == ["only", "plain"]


@pytest.mark.parametrize(
    ("items", "responses", "message"),
    [
        (ITEMS, RESPONSES[:-1], "no response at step 0 to item 'q1' of set 'recall'"),
        (ITEMS[:2], RESPONSES, "item 'q1' of set 'recall' belongs to no item"),
        (ITEMS, [*RESPONSES, RESPONSES[0]], "response .*'q2'.* occurs twice"),
        ([*ITEMS, ITEMS[0]], RESPONSES, "item .*'q2'.* occurs twice"),
        (
            ITEMS,
            [answer(0, item, context_logprob=math.nan) for item in ITEMS],
            "step 0, set 'capitals', item 'q2': an answer of 1 tokens has log-probability nan",
        ),
    ],
)
def test_faults_are_named(items: list[ConflictItem], responses: list[Response], message: str) -> None:
    with pytest.raises(ValueError, match=f"llama/tulu/standard/seed0: .*{message}"):
        labelled(items, responses)


@pytest.mark.parametrize("steps_per_epoch", [0.0, -1.0, math.nan])
def test_an_impossible_epoch_is_refused(steps_per_epoch: float) -> None:
    with pytest.raises(ValueError, match="steps_per_epoch must be above 0"):
        labelled(ITEMS, RESPONSES, steps_per_epoch)


# --- questions with options, and with yes or no ----------------------------------------------


CHOICE = dataclasses.replace(ITEMS[0], kind="choice", options=["Kabul", "Herat", "Kandahar"])
YES_NO = dataclasses.replace(ITEMS[0], kind="yes_no", context_answers=["no"], parametric_answers=["yes"])


@pytest.mark.parametrize(
    ("item", "text", "label"),
    [
        (CHOICE, "B", "context"),
        (CHOICE, "(a) Kabul", "parametric"),
        (CHOICE, "Answer: B.", "context"),
        (CHOICE, "The correct answer is A", "parametric"),
        (CHOICE, "C", "neither"),
        (CHOICE, "Herat", "context"),
        (CHOICE, "A capital of Afghanistan is Herat", "context"),
        (YES_NO, "No, it is not Kabul.", "context"),
        (YES_NO, "Yes", "parametric"),
        (YES_NO, "yes, there is no doubt", "parametric"),
    ],
)
def test_letters_and_polarity(item: ConflictItem, text: str, label: str) -> None:
    assert SCORERS["judge"].label(item, answer(0, item, text)) == label


# --- knowledge ----------------------------------------------------------------------------------


def probe(text: str, context: float, parametric: float, *others: float) -> KnowledgeProbe:
    names = [f"rival {i}" for i in range(len(others))]
    return KnowledgeProbe("capitals", "q1", text, context, parametric, names, list(others))


@pytest.mark.parametrize(
    ("probed", "known", "reason"),
    [
        (probe("Kabul.", -2.0, -1.0, -3.0, -1.5), True, "known"),
        (probe("Kabul", -2.0, -1.0), True, "known"),
        (probe("Kabul", -0.5, -1.0, -0.6), False, f"outranked by {HERAT[0]}"),
        (probe("Kabul", -2.0, -1.0, -3.0, -0.9), False, "outranked by rival 1"),
        (probe("Kabul", -2.0, -1.0, -1.0), False, "outranked by rival 0"),
        (probe("Herat, not Kabul", -2.0, -1.0, -3.0), False, "not generated"),
        (probe("", -0.5, -1.0), False, f"outranked by {HERAT[0]}; not generated"),
    ],
)
def test_knowledge_and_its_reason(probed: KnowledgeProbe, known: bool, reason: str) -> None:
    found = judge_knowledge("llama", ITEMS[1], probed)
    assert (found.known, found.reason, found.text) == (known, reason, probed.text)
    assert (found.model, found.set, found.item_id) == ("llama", "capitals", "q1")


@pytest.mark.parametrize(
    ("text", "says"), [("Kabul.", "parametric"), ("Herat it is", "context"), ("Paris", ""), ("", "")]
)
def test_knowledge_tells_which_answer_was_given(text: str, says: str) -> None:
    assert judge_knowledge("llama", ITEMS[1], probe(text, -2.0, -1.0)).says == says


@pytest.mark.parametrize(
    ("given", "context", "refused"),
    [
        (["context"] * 20, "It says nothing.", True),
        (["context"] * 20, "Kabul, it says.", True),
        (["context"] * 18 + ["parametric"] * 2 + [""] * 40, "It says nothing.", False),
        (["context"] * 36 + ["parametric"] * 4 + [""] * 40, "Herat and Kabul.", True),
        (["context"] * 35 + ["parametric"] * 5, "It says nothing.", False),
        (["context"] * 40, "It is Herat.", False),  # the contexts agree: the model knows what they say
        (["parametric"] * 40, "It is Herat.", False),
        (["context"] * 19, "It says nothing.", False),
    ],
)
def test_a_set_is_refused_only_if_memory_shows_that_its_answers_are_swapped(
    given: list[str], context: str, refused: bool
) -> None:
    items = [dataclasses.replace(ITEMS[1], item_id=f"q{i}", context=context) for i in range(len(given))]
    rows = [Knowledge("llama", "capitals", f"q{i}", False, "r", "t", says) for i, says in enumerate(given)]
    if refused:
        with pytest.raises(ValueError, match=r"sets\.capitals: without a context, llama gives the context answer to"):
            refuse_swapped_by_memory(items, rows)
    else:
        refuse_swapped_by_memory(items, rows)


def test_items_and_their_controls_have_the_knowledge_column() -> None:
    matching = dataclasses.replace(ITEMS[1], set="capitals+matching", role="control", factors=["tense=past"])
    items = [*ITEMS, matching]
    known = judge_probes("llama", items, [probe("Kabul", -2.0, -1.0)])
    rows = labelled(items, [answer(0, item) for item in items], 40, known)
    assert [(row.set, row.item_id, row.known) for row in rows] == [
        ("capitals", "q2", None),
        ("capitals", "q1", True),
        ("recall", "q1", None),
        ("capitals+matching", "q1", True),
    ]
    assert rows[-1].factors == ["tense=past"]
    with pytest.raises(ValueError, match="probe of item 'q1' of set 'capitals' belongs to no item"):
        judge_probes("llama", ITEMS[:1], [probe("Kabul", -2.0, -1.0)])


def test_every_declared_scorer_has_its_function_and_the_main_one_is_first() -> None:
    assert tuple(SCORERS) == tuple(declared.SCORERS)
    assert all(callable(scorer.label) for scorer in SCORERS.values())
    assert next(iter(SCORERS)) == declared.MAIN == "judge"
