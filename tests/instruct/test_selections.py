import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inversion.config.recipes import (
    ContextCriticalSelection,
    ContextOnlySelection,
    KindSelection,
    NoFactOverlapSelection,
    RandomSelection,
)
from inversion.config.run import Run
from inversion.conflict.files import release_items
from inversion.instruct.fact_finder import FactFinder
from inversion.instruct.rows import DataError
from inversion.instruct.selection_page import SHOWN, selection_page
from inversion.instruct.selections import (
    SelectionInputs,
    drop_count,
    evaluated_names,
    kept_examples,
    select,
)
from inversion.records.data import ConflictItem, ContextNeed, Example, Message

DATA = Path(__file__).parents[3] / "shared" / "data"
ALPACA, CAPITALS = DATA / "sft" / "alpaca_en_demo.json", DATA / "conflict" / "paper" / "country_capitals_only.json"


def example(number, text="q", context=None, kind=None):
    return Example(f"e{number}", [Message("user", text), Message("assistant", "a")], context, kind, None, None)


def examples(count):
    return [example(number) for number in range(count)]


def scores(losses, with_context=None):
    both = zip(losses, with_context or losses, strict=True)
    return SelectionInputs({f"e{i}": ContextNeed(f"e{i}", *pair, 1) for i, pair in enumerate(both)})


def kept(given, *selections, seed=0, inputs=None):
    return [e.example_id for e in kept_examples(given, select(given, selections, seed, inputs))]


def by_need(drop, score="without_context"):
    return ContextCriticalSelection(by="context_need", drop=drop, score=score)


def at_random(drop):
    return RandomSelection(by="random", drop=drop)


def like(recipe):
    return RandomSelection(by="random", like=recipe)


def no_overlap(*sets, **changes):
    return NoFactOverlapSelection(by="no_fact_overlap", sets=sets, **changes)


CONTEXT_ONLY = ContextOnlySelection(by="context_only")


def item(subject="France", context_answers=("Lyon",), parametric_answers=("Paris", "Paname")):
    answers = list(context_answers), list(parametric_answers)
    return ConflictItem("i", "capitals", "conflict", "q", "c", *answers, "x", "capitals", subject)


def test_no_selection_keeps_everything():
    assert kept(examples(3)) == ["e0", "e1", "e2"]


def test_only_examples_with_a_context_are_kept():
    given = [example(0, context="c"), example(1), example(2, context="c")]
    assert kept(given, CONTEXT_ONLY) == ["e0", "e2"]


def test_a_selection_by_context_refuses_data_without_contexts():
    with pytest.raises(DataError, match="by context_only leaves none of 2 examples: none has a context; use data"):
        select(examples(2), [CONTEXT_ONLY], 0)


def test_kinds():
    given = [example(0, kind="C"), example(1, kind="C+S"), example(2, kind="S"), example(3)]
    assert kept(given, KindSelection(by="kind", keep=("C", "S"))) == ["e0", "e2"]


def test_the_lowest_losses_are_dropped_and_the_order_is_kept():
    assert kept(examples(4), by_need(0.5), inputs=scores([3.0, 0.1, 2.0, 0.2])) == ["e0", "e2"]


def test_selection_by_difference_drops_what_the_context_helps_least():
    inputs = scores([9.0, 2.0, 0.5, 3.0], [8.9, 0.1, 0.5, 4.0])
    assert kept(examples(4), by_need(0.5, "difference"), inputs=inputs) == ["e0", "e1"]


def test_ties_are_broken_by_id_and_do_not_depend_on_rounding():
    inputs = scores([1.0, 1.0 + 1e-9, 1.0, 1.0 - 1e-9])
    assert kept(examples(4)[::-1], by_need(0.5), inputs=inputs) == ["e3", "e2"]


@given(losses=st.lists(st.floats(0, 20), min_size=1, max_size=30), drop=st.floats(0, 0.99))
def test_nothing_kept_has_a_lower_loss_than_anything_dropped(losses, drop):
    names = kept(examples(len(losses)), by_need(drop), inputs=scores(losses))
    assert len(names) == len(losses) - drop_count(drop, len(losses))
    inside = [loss for i, loss in enumerate(losses) if f"e{i}" in names]
    outside = [loss for i, loss in enumerate(losses) if f"e{i}" not in names]
    assert max(outside, default=0.0) <= min(inside) + 1e-5


@given(count=st.integers(1, 40), drop=st.floats(0, 0.99), seed=st.integers(0, 9))
def test_a_random_selection_drops_its_share_and_keeps_the_order(count, drop, seed):
    names = kept(examples(count), at_random(drop), seed=seed)
    assert len(names) == count - drop_count(drop, count)
    assert names == sorted(names, key=lambda name: int(name[1:]))
    assert names == kept(examples(count), at_random(drop), seed=seed)


def test_another_seed_drops_others():
    assert kept(examples(40), at_random(0.5), seed=0) != kept(examples(40), at_random(0.5), seed=1)


def test_a_random_selection_is_as_large_as_the_recipe_it_is_like():
    given = [example(n, "Who rules France?" if n % 4 == 0 else "Hi", context="c" if n % 3 else None) for n in range(24)]
    inputs = SelectionInputs(sets={"capitals": [item()]}, recipes={"other": [CONTEXT_ONLY, no_overlap("capitals")]})
    names = kept(given, like("other"), inputs=inputs)
    other = kept(given, CONTEXT_ONLY, no_overlap("capitals"), inputs=inputs)
    assert len(names) == len(other) == 12
    assert names != other


def test_a_random_selection_cannot_keep_more_than_exists():
    inputs = SelectionInputs(recipes={"other": [at_random(0.1)]})
    with pytest.raises(DataError, match="as many examples as recipe 'other', 9, but only 5 are left"):
        select(examples(10), [at_random(0.5), like("other")], 0, inputs)


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("Is FRANCE's president old?", False),
        ("I love paris.", False),
        ("Paname, mon amour", False),
        ("A parisian in Lyon", True),
        ("Francesca", True),
    ],
)
def test_facts_are_found_as_whole_words(text, stays):
    inputs = SelectionInputs(sets={"capitals": [item()]})
    given = [example(0, text), example(1, context=text), example(2)]
    assert kept(given, no_overlap("capitals"), inputs=inputs) == (["e0", "e1", "e2"] if stays else ["e2"])


def test_the_parts_of_a_fact_can_be_chosen():
    inputs = SelectionInputs(sets={"capitals": [item()]})
    given = [example(0, "France"), example(1, "Paris"), example(2, "Lyon"), example(3)]
    assert kept(given, no_overlap("capitals", names=("context_answer",)), inputs=inputs) == ["e0", "e1", "e3"]


@pytest.mark.parametrize("text", ["On Myanmar.", "On Burma.", "On Myanmar (Burma)."])
def test_a_subject_with_another_name_in_brackets_is_found_by_either(text):
    inputs = SelectionInputs(sets={"capitals": [item(subject="Myanmar (Burma)")]})
    assert kept([example(0, text), example(1)], no_overlap("capitals"), inputs=inputs) == ["e1"]


@pytest.mark.parametrize(
    ("country", "text", "stays"),
    [
        ("France", "A French singer.", False),
        ("France", "Ask the Frenchman's wife.", False),
        ("France", "frenchify", True),
        ("United States", "The US economy", False),
        ("United States", "the U.S. Army", False),
        ("United States", "the U.S.A.", False),
        ("United States", "Tell us", True),
        ("United States", "Americans' rights", False),
        ("United States", "North America and South American birds", True),
        ("United States of America", "Made in the United States", False),
        ("USA", "an American", False),
        ("United Kingdom", "the UK's law", False),
        ("United Kingdom", "Great Britain", False),
        ("United Kingdom", "a British play", False),
        ("Poland", "a Polish town", False),
        ("Poland", "polish the table", True),
        ("Poland", "Polish the table, then wax it.", True),
        ("Poland", "Two Poles at the South Pole", False),
        ("Poland", "Penguins at the South Pole", True),
        ("United States", "what is the population of the usa", False),
        ("United States", "UNITED STATES OF AMERICA", False),
        ("United States", "american football", False),
        ("United States", "the slave trade in the Americas", True),
        ("United States", "Give us the menu's prices", True),
        ("United Kingdom", "laws of the uk", False),
        ("France", "translate it to french", False),
        ("Papua New Guinea", "Save it as a PNG file", True),
        ("Côte d'Ivoire", "an Ivorian dish", False),
        ("the Netherlands", "Dutch and Swiss", False),
        ("Zorvia", "French, American, US, UK", True),
    ],
)
def test_a_country_is_found_by_its_demonyms_and_other_names(country, text, stays):
    inputs = SelectionInputs(sets={"capitals": [item(subject=country)]})
    assert kept([example(0, text), example(1)], no_overlap("capitals"), inputs=inputs) == ["e0", "e1"][not stays :]


def test_a_name_that_is_another_word_in_lower_case_counts_as_written():
    inputs = SelectionInputs(sets={"capitals": [item(subject="US")]})
    texts = ["Tell us more", "The US army", "french fries"]
    given = [example(number, text) for number, text in enumerate(texts)]
    (step,) = select(given, [no_overlap("capitals")], 0, inputs)
    assert step.reasons == {"e1": "names US"}


def test_the_page_counts_examples_by_kind_of_name():
    texts = ["France", "French", "France and the French", "U.S.", "American", "US and Paris", "nothing"]
    given = [example(number, text) for number, text in enumerate(texts)]
    inputs = SelectionInputs(sets={"capitals": [item(), item(subject="USA")]})
    steps = select(given, [no_overlap("capitals")], 0, inputs)
    assert [steps[0].reasons[f"e{n}"] for n in (2, 5)] == [
        "names France, French (demonym)",
        "names Paris, US (other name)",
    ]
    page = selection_page(Run("m", "d", "r", 0), given, steps, [], {e.example_id: 2 for e in given}, {})
    for row in ("| name | 3 | 1 |", "| demonym | 3 | 2 |", "| other name | 2 | 1 |"):
        assert row in page


@pytest.mark.skipif(not ALPACA.exists() or not CAPITALS.exists(), reason="Alpaca and the capitals (../shared/data)")
def test_rows_of_alpaca_that_name_a_country_by_another_word_are_dropped():
    rows = json.loads(ALPACA.read_text(encoding="utf-8"))
    texts = ["\n".join((row["instruction"], row["input"], row["output"])) for row in rows]
    found = release_items(CAPITALS, "capitals")
    finder = FactFinder(evaluated_names(found, ("subject", "parametric_answer")))
    kinds = [{kind for _, kind in finder.find(text)} for text in texts]
    assert sum("name" in each for each in kinds) == 44
    # the number that a person finds, and a few false ones such as "Dutch oven"
    assert 38 <= sum(bool(each) and "name" not in each for each in kinds) <= 45


def test_a_set_without_such_names_is_an_error():
    with pytest.raises(DataError, match="finds no subject in set 'capitals'; list other parts"):
        select(
            examples(2),
            [no_overlap("capitals", names=("subject",))],
            0,
            SelectionInputs(sets={"capitals": [item(subject=None)]}),
        )


def test_selections_see_what_the_previous_one_kept():
    given = [example(n, context="c" if n % 2 else None) for n in range(8)]
    steps = select(given, [CONTEXT_ONLY, by_need(0.5)], 0, scores([float(n) for n in range(8)]))
    assert [[e.example_id for e in step.dropped] for step in steps] == [["e0", "e2", "e4", "e6"], ["e1", "e3"]]


def test_the_count_has_no_rounding_error():
    assert 0.29 * 100 < 29  # the result of a plain product
    assert drop_count(0.29, 100) == 29


@pytest.mark.parametrize("selection", [by_need, at_random])
def test_a_selection_that_drops_everything_is_an_error(selection):
    with pytest.raises(ValidationError, match="less than 1"):
        selection(1.0)


@pytest.mark.parametrize("sizes", [{}, {"drop": 0.5, "like": "other"}])
def test_a_random_selection_has_one_size(sizes):
    with pytest.raises(ValidationError, match="either `drop`, a share, or `like`, a recipe"):
        RandomSelection(by="random", **sizes)


@pytest.mark.parametrize("selection", [by_need(0.5), at_random(0.5), CONTEXT_ONLY])
def test_an_empty_dataset_is_an_error_before_scores_are_needed(selection):
    with pytest.raises(DataError, match="leaves no example"):
        select([], [selection], 0)


@pytest.mark.parametrize(
    "need", [None, SelectionInputs({"e0": ContextNeed("e0", 1.0, 1.0, 1)}), scores([1.0, float("nan")])]
)
def test_a_missing_score_is_an_error(need):
    with pytest.raises(DataError, match=r"'e[01]' has no score"):
        select(examples(2), [by_need(0.0)], 0, need)


def test_the_page_shows_what_was_kept_and_dropped():
    given = [example(n, f"text {n} of *France*" if n < 30 else f"text {n}") for n in range(60)]
    inputs = SelectionInputs(scores([float(n) for n in range(60)]).context_need, {"capitals": [item()]})
    steps = select(given, [no_overlap("capitals"), by_need(0.1)], 0, inputs)
    tokens = {e.example_id: 2 for e in given}
    page = selection_page(Run("m", "d", "r", 0), given, steps, [], tokens, inputs.context_need)
    assert "| dataset | 60 | 120 | 2.0 |" in page
    assert "| dropped by no_fact_overlap (selection 1) | 30 | 60 | 2.0 |" in page
    assert "| kept | 27 | 54 | 2.0 |" in page
    assert "Names found, by the number of examples that contain them: France (30)." in page
    assert "## Selection 2: by = context_need, drop = 0.1, score = without_context" in page
    assert "with `difference`: undefined, because one of them is constant. Of the 3 examples dropped" in page
    dropped, kept_part = (page.split(f"### {title}: ")[1].split("###")[0] for title in ("Dropped", "Kept"))
    assert dropped.startswith(f"{SHOWN} of 30")
    assert len(re.findall(r"^- \*\*e\d+ · names France\*\*$", dropped, re.MULTILINE)) == SHOWN
    assert "- user: text 7 of \\*France\\*" in dropped or "- user: text 8 of \\*France\\*" in dropped
    assert len(re.findall(r"^- \*\*e[345]\d\*\*$", kept_part, re.MULTILINE)) == SHOWN
    assert "- **e30 · 30.000 nats a token**" in page.split("### Dropped: ")[2]


def test_the_page_of_untouched_data_says_so():
    page = selection_page(Run("m", "d", "r", 0), examples(3), [], [], {}, {})
    assert page == "# m · d · r · seed 0\n\nAll 3 examples of the dataset, unchanged.\n"
