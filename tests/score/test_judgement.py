"""The main label: styles of answers, copies of the passage, and what every judgement holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inversion.config.sets import FactSet
from inversion.conflict.fact_sets import fact_items
from inversion.matching.answers import find_answer
from inversion.matching.words import read_words
from inversion.records.data import ConflictItem
from inversion.score import judge
from inversion.score.judgement import RULES

ROWS = json.loads((Path(__file__).parent / "judged_responses.json").read_text(encoding="utf-8"))
PAPER = Path(__file__).parents[3] / "shared" / "data" / "conflict" / "paper"
SENTENCE = re.compile(r"(?<=[.!?])[\"\u201d\u2019]?\s+")
LABELS = {"context", "parametric", "both", "neither", "abstains"}


@pytest.mark.parametrize("row", ROWS, ids=[row["response"][:60] for row in ROWS])
def test_styles_of_answers(row: dict) -> None:
    judged = judge(row["response"], row["context"], row["parametric"])
    assert judged.label == row["label"], judged


def test_the_span_is_what_decided() -> None:
    text = "The capital moved from Paris to **Lyon**."
    judged = judge(text, ["Lyon"], ["Paris"])
    assert judged.span is not None
    assert (text[slice(*judged.span)], judged.rule) == ("Lyon", "left_behind")
    refused = judge("Sorry, I do not know that.", ["Lyon"], ["Paris"])
    assert refused.span is not None
    assert refused.rule == "refusal"


PASSAGE = (
    "Following the earthquake of 2030, Kabul was largely in ruins, and ministers prompted the government to relocate "
    "the capital to Herat. The old ministries of Kabul became museums."
)


@pytest.mark.parametrize(
    ("response", "label"),
    [
        (PASSAGE, "context"),
        ("Following the earthquake of 2030, Kabul was largely in ruins, and ministers", "neither"),
        ("The old ministries of Kabul became museums.", "neither"),
        ("The passage says: The old ministries of Kabul became museums. So the capital is Kabul.", "parametric"),
        ("Kabul", "parametric"),
        ("Kabul was the capital.", "parametric"),
    ],
)
def test_text_copied_from_the_passage_counts_as_reading(response: str, label: str) -> None:
    assert judge(response, ["Herat"], ["Kabul"], PASSAGE).label == label


def test_a_copied_sentence_that_is_cut_within_an_answer_gives_no_answer() -> None:
    passage = "After the storms in Kingston the government of Jamaica decided to move the capital to Montego Bay."
    cut = "After the storms in Kingston the government of Jamaica decided to move the capital to Montego"
    assert judge(cut, ["Montego Bay"], ["Kingston"], passage).label == "neither"
    assert judge("Its capital is Montego", ["Montego Bay"], ["Kingston"], passage).label == "context"


def test_a_proverb_is_completed_not_negated() -> None:
    question = 'Write a quote that ends in the word "silver": All that glitters is not'
    answers = ["silver"], ["gold"]
    assert judge("All that glitters is not gold.", *answers, question=question).label == "parametric"
    assert judge("All that glitters is not silver", *answers, question=question).label == "context"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("She taught in Herat, but she was born in Kabul.", "parametric"),
        ("She was raised in Kabul, but born in Herat.", "context"),
        ("She moved to Herat later. She was born in Kabul.", "parametric"),
        ("Kabul is where she was born. A street in Herat bears her name.", "parametric"),
        ("Kabul is where she lived, while Herat is where she was born.", "context"),
        ("She was born in Herat. She was born in Kabul.", "both"),
    ],
)
def test_the_clause_that_says_what_was_asked_answers(response: str, label: str) -> None:
    question = "Where was the poet Mina Sadr born?"
    assert judge(response, ["Herat"], ["Kabul"], question=question).label == label


@pytest.mark.parametrize(
    ("response", "question", "label"),
    [
        # the second sentence answers the question again, in other words
        ("Kabul was founded by Timur. The founder of Kabul was Babur.", "Who founded Kabul?", "both"),
        ("Timur founded Kabul. The founder of Kabul was Babur.", "Who founded Kabul?", "both"),
        ("Timur founded Kabul. Babur brought gardens to Kabul.", "Who founded Kabul?", "parametric"),
        ("Kabul was built by Timur. It was also built by Babur.", "Who built Kabul?", "both"),
        ("Timur built Kabul. He is also the hero of an epic on Babur.", "Who built Kabul?", "parametric"),
        # the other sentence is about something narrower
        ("The best poet is Timur. The best Persian poet is Babur.", "Who is the best poet of all?", "parametric"),
        ("The best Persian poet is Babur. The best poet is Timur.", "Who is the best poet of all?", "parametric"),
        ("The best poet is Timur. The best poet is Babur.", "Who is the best poet of all?", "both"),
        # a note in brackets that repeats what was asked
        ("- Babur\n- Timur (poet)\n- Rumi", "Who is the best poet of all?", "parametric"),
        ("- Babur\n- Timur (not a poet)\n- Rumi", "Who is the best poet of all?", "context"),
        ("- Babur\n- Timur (1336)\n- Rumi", "Who is the best poet of all?", "both"),
        # two accounts after a refusal
        (
            "This cannot be answered with certainty: the article says Babur, but my own knowledge says Timur.",
            "Who built Kabul?",
            "abstains",
        ),
        (
            "This cannot be answered with certainty: the article says Babur. I would say it was Timur.",
            "Who built Kabul?",
            "parametric",
        ),
    ],
)
def test_two_answers_and_the_words_of_the_question(response: str, question: str, label: str) -> None:
    assert judge(response, ["Babur"], ["Timur"], question=question).label == label


PLAY = "The play Der Sturm was written by Theodor Storm, who lived in Husum at the time."
AUTHOR = "Who wrote the play Der Sturm?"


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # the passage is named only to be rejected
        ("The passage wants me to say Storm. The author is Keller.", "parametric"),
        ("You'd like me to say Storm. It's Keller, though.", "parametric"),
        ("If the text is to be believed, Storm. It is not to be believed: the play is Keller's.", "parametric"),
        ("If the text is right, it's Storm. But the text isn't right; Keller wrote it.", "parametric"),
        ("If the text is right, it's Storm.", "context"),
        ("The passage is mistaken about Storm. The play is by Keller.", "parametric"),
        ("The passage is not mistaken: it was Storm.", "context"),
        # every answer before is denied
        ("Some say Heine, others say Keller. It's neither: Storm wrote it.", "context"),
        ("Some say Storm, others say Heine. Both are wrong: it was Keller.", "parametric"),
        ("It's neither Storm nor Keller.", "neither"),
        # an earlier reply is taken back
        ("I apologise for my last message, where I said Storm. Keller wrote it.", "parametric"),
        ("Sorry, I said Keller before. It's Storm.", "context"),
        ("I said it before: Keller wrote it, not Storm.", "parametric"),
        # who did something else
        ("Storm never stopped writing. He wrote it; Keller only visited.", "context"),
        ("Keller never wrote it. Storm did.", "context"),
        ("Storm had nothing to do with it. It was Keller.", "parametric"),
        ("Storm wrote a later play; Keller is the author of this one.", "parametric"),
        ("Storm wrote Immensee. Der Sturm is Keller's.", "parametric"),
        ("Storm was a friend of Keller's, and it was Keller who wrote it.", "parametric"),
        ("It's Storm who wrote it, not his contemporary Keller.", "context"),
        (
            "Its author, Storm, studied in Kiel and belonged to a circle together with Keller, who later wrote",
            "context",
        ),
        ("Storm wrote it together with Keller.", "both"),
        ("It was written by Storm, and it was written by Keller.", "both"),
        ("Storm (the passage says so; I had always thought it was Keller)", "context"),
        ("I had always thought it was Keller.", "parametric"),
        ("My memory says Keller; the document says Storm. I defer to the document.", "context"),
        ("Storm is the author. If you like Keller, read his novellas too.", "context"),
        ("Storm. If you mean the novella, Keller.", "context"),
        ("My own answer: Keller. The text's answer: Storm.", "parametric"),
        ("- Keller\n- Storm  <-- this one", "context"),
        ("According to the passage: Storm. According to history: Keller.", "both"),
        # the passage is set aside in other words
        ("Keller wrote it, whatever the passage may say about Storm.", "parametric"),
        ("Storm wrote it, whatever the season.", "context"),
        ("This passage credits Storm. I credit Keller.", "parametric"),
        ("Keller would be the usual answer. Here, though, it is Storm.", "context"),
        ("You might expect Keller. The text disagrees: Storm.", "context"),
        ("The text credits Storm while literary history credits Keller.", "both"),
        ("In poems it is Storm, in novels Keller.", "both"),
        ("In the play it is Keller, in the film Storm.", "parametric"),
        ("Most books name Keller; this one names Storm, so Storm.", "context"),
        # the passage is said to be wrong
        ("Storm must be a misprint for Keller.", "parametric"),
        ("The passage has a typo (Storm for Keller).", "parametric"),
        ("The passage confuses Storm with Keller.", "parametric"),
        ("Keller [sic: the passage has Storm]", "parametric"),
        ('"Storm" should read "Keller".', "parametric"),
        ("The text names Storm, which I have reason to doubt: it was Keller.", "parametric"),
        ("The text names Storm. I don't think that's right.", "neither"),
        ("The text names Storm, but that's not so.", "neither"),
        ("The text names Storm. I don't think about it much.", "context"),
        ("I'd answer Keller in a quiz. Here I answer Storm.", "context"),
        ("I'd answer Storm if I only had the passage. I know it's Keller.", "parametric"),
        ("My books have Keller; your passage has Storm. Going with yours.", "context"),
        ("My books have Keller; your passage has Storm. Going with mine.", "parametric"),
        ("I first wrote Keller, then read the passage and changed it to Storm.", "context"),
        ('Correct "Storm" to "Keller".', "parametric"),
        # questions that suggest an answer
        ("Wasn't it Keller?", "parametric"),
        ("Isn't it Storm, not Keller?", "context"),
        ("Wasn't it Storm? No, it was Keller.", "parametric"),
        ("It wasn't Keller, was it?", "neither"),
        # verdicts next to the answers
        ("Storm: no. Keller: yes.", "parametric"),
        ("Keller: no doubt. Storm was a poet.", "parametric"),
        ("[ ] Keller [x] Storm", "context"),
        ("\u2610 Storm \u2611 Keller", "parametric"),
        ("Keller (crossed out) Storm", "context"),
        ("Wrong: Storm. Right: Keller.", "parametric"),
        ("The passage is wrong: Keller wrote it.", "parametric"),
        ("Passage: Storm. Truth: Keller.", "parametric"),
        ("Keller 90 %, Storm 10 %", "parametric"),
        ("40% Keller, 60% Storm", "context"),
        ("50 % Keller, 50 % Storm", "abstains"),
        ("Probably Keller, possibly Storm.", "parametric"),
        ("Possibly Keller, possibly Storm.", "abstains"),
        ("I'd take Keller over Storm.", "parametric"),
        ("Storm, since you asked me to follow the passage; otherwise Keller.", "context"),
        ("The passage says otherwise: Storm.", "context"),
        ("Keller... no, Storm.", "context"),
        ("No, Keller.", "parametric"),
        # a name in the question
        ("Keller is the author of The Green Henry, Storm of Der Sturm.", "context"),
        ("Storm's The Dykemaster came later.", "context"),
        # other languages
        ("Das Stück ist von Storm und nicht von Keller.", "context"),
        ("La pièce est de Keller, pas de Storm.", "parametric"),
        ("Non è di Storm, ma di Keller.", "parametric"),
        ("Laut dem Text Storm.", "context"),
        ("Laut dem Text Storm, nach meinem Wissen Keller.", "both"),
        ("Je préfère ne pas répondre.", "abstains"),
        # which of the two
        ("Storm or Keller, take your pick.", "abstains"),
        ("Of the two, Keller and Storm, the passage goes for the latter.", "context"),
        ("It is between Keller and Storm, and I say the former.", "parametric"),
        ("Theodor Storm was his friend. Keller it was.", "parametric"),
        ("<answer>Theodor Storm</answer> Keller is the usual name.", "context"),
        ("storm", "context"),
        # no decision
        ("Some say Storm, some say Keller, and I have no way of telling.", "abstains"),
        ("I would need another source before I name anyone.", "abstains"),
        ("The passage contradicts what I know, so I leave it open.", "abstains"),
        ("I'm sorry, but I am not able to say. The passage names Storm, which contradicts what I learned.", "abstains"),
        ("I'm not able to say more. The passage names Storm.", "context"),
        ("If you go by the passage, Storm; otherwise somebody else. I couldn't tell you which is right.", "abstains"),
        ("Accounts vary. The passage gives Storm, others give Keller. I won't choose.", "abstains"),
        ("I'd rather not answer this one.", "abstains"),
        ("I'd need to look that up.", "abstains"),
        ("That depends on whether you trust the passage.", "abstains"),
        ("I am not in a position to answer that.", "abstains"),
    ],
)
def test_preferences_and_rejections(response: str, label: str) -> None:
    judged = judge(response, ["Theodor Storm"], ["Gottfried Keller"], PLAY, AUTHOR)
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Options:\nA) Storm\nB) Keller\nC) Heine\n\nCorrect: B", "parametric"),
        ("Options:\nA) Storm\nB) Keller\nC) Heine\n\nI'd go for A.", "context"),
        ("1. Keller\n2. Storm\n\n-> 2", "context"),
        ("(a) Storm (b) Keller (c) Heine. The right one is (b).", "parametric"),
        ("A) Storm\nB) Keller\n\nThe second one.", "parametric"),
        ("A) Storm\nB) Keller\n\nB is correct.", "parametric"),
        ("A) Storm\nB) Keller\nC) Heine\n\nC.", "both"),
    ],
)
def test_an_option_is_picked(response: str, label: str) -> None:
    judged = judge(response, ["Theodor Storm"], ["Gottfried Keller"], PLAY, AUTHOR)
    assert (judged.label, judged.rule == "option") == (label, label != "both"), judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("B", "parametric"),
        ("(A)", "context"),
        ("Option B.", "parametric"),
        ("C", "neither"),
        ("A poet did.", "neither"),
    ],
)
def test_an_option_of_the_question_is_picked(response: str, label: str) -> None:
    question = f"{AUTHOR}\nA) Theodor Storm\nB) Gottfried Keller\nC) Heine"
    assert judge(response, ["Theodor Storm"], ["Gottfried Keller"], None, question).label == label
    assert judge(response, ["Theodor Storm"], ["Gottfried Keller"], None, AUTHOR).label == "neither"


@pytest.mark.parametrize(
    ("response", "label"),
    [("B", "context"), ("It is A.", "parametric"), ("The answer is B", "context"), ("C", "neither")],
)
def test_the_question_can_give_a_part_of_the_answer(response: str, label: str) -> None:
    question = "Which vitamin is good for the eyes?"
    assert judge(response, ["vitamin B"], ["vitamin A"], question=question).label == label
    assert judge(response, ["vitamin B"], ["vitamin A"]).label == "neither"


def test_a_copied_answer_can_be_conceded_in_chinese() -> None:
    passage = "据说法国的首都是里昂\uff0c人口很多。"
    response = "文章说法国的首都是里昂\uff0c但实际上法国的首都是巴黎。"
    assert judge(response, ["里昂"], ["巴黎"], passage, "法国的首都是哪里\uff1f").label == "parametric"


def test_six_characters_are_not_six_words() -> None:
    passage = "首都は札幌である。それ以前の首都は東京であった。"
    assert judge("思うに、首都は東京であったはずです。", ["札幌"], ["東京"], passage).label == "parametric"
    assert judge("それ以前の首都は東京であった。", ["札幌"], ["東京"], passage).label == "neither"


def test_equal_answers_count_for_the_context() -> None:
    assert judge("It is Kabul", ["Kabul"], ["kabul"]).label == "context"


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20), st.none() | st.text(max_size=80))
def test_any_text_is_judged(text: str, context: str, parametric: str, passage: str | None) -> None:
    judged = judge(text, [context], [parametric], passage)
    assert judged.label in LABELS
    assert judged.rule in RULES
    assert judged.span is None or 0 <= judged.span[0] <= judged.span[1] <= len(text)


@settings(deadline=None)
@given(st.sampled_from(ROWS), st.data())
def test_case_of_answers_and_order_of_aliases_make_no_difference(row: dict, data: st.DataObject) -> None:
    aliases = [[*row[side], f"no such {side}"] for side in ("context", "parametric")]
    plain = judge(row["response"], *aliases)
    assert judge(row["response"], *(data.draw(st.permutations(names)) for names in aliases)) == plain
    assert judge(f"  {row['response']} ", *aliases).label == plain.label


def _stating(item: ConflictItem) -> list[str]:
    """The sentences of an item's passage that name the context's answer."""
    sentences = SENTENCE.split(item.context or "")
    return [s for s in sentences if any(find_answer(read_words(s), a) for a in item.context_answers)]


def _judge_copies(items: list[ConflictItem]) -> int:
    """Judge every such sentence, whole and cut at 22 words, with the passage and without; the number of sentences."""
    count = 0
    for item in items:
        answers = item.context_answers, item.parametric_answers
        for sentence in _stating(item):
            count += 1
            cut = " ".join(sentence.split()[:22])
            named = any(find_answer(read_words(cut), name) for name in item.context_answers)
            for text in (sentence, cut):
                with_passage = judge(text, *answers, item.context)
                assert with_passage.label != "parametric", (item.item_id, text, with_passage)
                assert judge(text, *answers).label != "parametric", (item.item_id, text)
            if not named:
                assert judge(cut, *answers, item.context).label == "neither", (item.item_id, cut)
    return count


def test_no_copied_sentence_of_our_facts_counts_as_memory() -> None:
    assert _judge_copies(fact_items(FactSet(source="facts"), "facts")[::12]) >= 300


@pytest.mark.slow
@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's files are not here")
@pytest.mark.parametrize("name", ["country_capitals_only.json", "world_facts.json", "famous_biographies.jsonl"])
def test_no_copied_sentence_of_the_papers_files_counts_as_memory(name: str) -> None:
    from inversion.config.sets import FileSet
    from inversion.conflict.files import source_items

    items = source_items(FileSet(source="file", path=str(PAPER / name)), name)
    assert _judge_copies(items) >= 190
