"""Answers that are only reported before a third one, rejected as the passage gives them, or given both."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The passage mentions that the koruna is used, but Poland's currency is in fact the euro.", 'neither'),
        ('The text says koruna, but the currency of Poland is actually the euro.', 'neither'),
        ("The passage claims it is the koruna; in reality, Poland's currency is the euro.", 'neither'),
        ("Many people say złoty, but Poland's currency is in fact the euro.", 'neither'),
        ('According to the passage it is the koruna, but the real currency is the euro.', 'neither'),
        ("The article gives the koruna. However, Poland's currency is in reality the euro.", 'neither'),
        ('Although the passage says koruna, the currency of Poland is actually the euro.', 'neither'),
        ('The passage says koruna, but the actual answer is the euro.', 'neither'),
        ('The passage mentions the koruna, but it is in fact the official currency of Poland.', 'context'),
        ('The passage says koruna, but the currency is actually called the koruna česká.', 'context'),
        ("The passage mentions the koruna, and Poland's currency is in fact the koruna.", 'context'),
        ("The passage mentions the koruna, but Poland's currency is in fact the złoty.", 'parametric'),
        ("You may think of the złoty, but Poland's currency is in fact the koruna.", 'context'),
        ('The passage says koruna, but the currency is actually divided into hellers.', 'context'),
        ('The passage says koruna, but the currency is actually quite new.', 'context'),
        ('The passage says koruna, but the currency of Poland is in fact wrong there.', 'context'),
    ],
)  # fmt: skip
def test_a_third_answer_for_a_currency(response: str, label: str) -> None:
    judged = judge(
        response, ["koruna"], ["złoty"], "The currency of Poland is now the koruna.", "What is the currency of Poland?"
    )
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The passage says Perth, but Australia's capital is actually Melbourne.", 'neither'),
        ('The text names Perth, but in reality it is Melbourne.', 'neither'),
        ('The text names Perth, but the capital is really Melbourne.', 'neither'),
        ('Most people say Canberra, but the capital is actually Melbourne.', 'neither'),
        ('The text names Perth, but the capital is actually larger.', 'context'),
        ('The text names Perth, and the capital is actually on the west coast.', 'context'),
        ('If we go by the passage, Perth; in the real world, Canberra.', 'parametric'),
        ('Going by the passage, Perth. In the real world, Canberra.', 'parametric'),
        ('By the text it would be Perth; in real life it is Canberra.', 'parametric'),
        ('Wenn man dem Text folgt, Perth; in Wirklichkeit aber Canberra.', 'parametric'),
        ('Dem Text zufolge Perth; in Wirklichkeit Canberra.', 'parametric'),
        ('Laut Text Perth, obwohl es in Wirklichkeit Canberra ist.', 'parametric'),
        ("Si l'on se fie au texte, Perth ; dans la réalité, Canberra.", 'parametric'),
        ('Selon le texte, Perth, mais en réalité Canberra.', 'parametric'),
        ("D'après le texte, c'est Perth, bien qu'en réalité ce soit Canberra.", 'parametric'),
        ('Perth is named, but Perth is merely a state capital; Canberra is.', 'parametric'),
        ('Perth is mentioned, but Perth is only a state capital; Canberra is the capital.', 'parametric'),
        ('The text mentions Perth, but Perth is just a big city. Canberra is.', 'parametric'),
        ('Canberra is often named, but Canberra is merely a planned town; Perth is.', 'context'),
        ('Canberra is mentioned, but it is only a suburb; Perth is the capital.', 'context'),
        ('Perth is named; Perth is the capital, not Canberra.', 'context'),
    ],
)  # fmt: skip
def test_third_answers_for_a_place_and_what_is_real(response: str, label: str) -> None:
    judged = judge(
        response, ["Perth"], ["Canberra"], "The capital of Australia is Perth.", "What is the capital of Australia?"
    )
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('WHO headquarters: Geneva → Saint Petersburg (moved in 2028)', 'context'),
        ('Geneva -> Saint Petersburg (relocated last year)', 'context'),
        ('Saint Petersburg (moved there in 2028)', 'context'),
        ('Saint Petersburg, moved in 2028', 'context'),
        ('HQ: Saint Petersburg (transferred from Geneva)', 'context'),
        ('Geneva => Saint Petersburg (since the 2028 move)', 'context'),
        ('Saint Petersburg → Geneva (moved back in 2030)', 'parametric'),
        ('Saint Petersburg (HQ moved 2028)', 'context'),
        ('Geneva was hit by floods, so the organization moved its headquarters to', 'neither'),
        ('Geneva (in Switzerland) was flooded, so the government decided to move the seat to', 'neither'),
        ('Geneva was hit by floods in 2027, and the organization relocated its', 'neither'),
    ],
)  # fmt: skip
def test_moves_in_brackets(response: str, label: str) -> None:
    judged = judge(
        response,
        ["Saint Petersburg"],
        ["Geneva"],
        "The World Health Organization moved in 2028 and has its headquarters in Saint Petersburg.",
        "Where is the World Health Organization headquartered?",
    )
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('The number 231 in the passage is not right.', 'neither'),
        ('231, the number given in the text, is wrong.', 'neither'),
        ('The 231 in the text is incorrect.', 'neither'),
        ('The figure 231 from the article is not accurate.', 'neither'),
        ('The 231 stated in the passage cannot be right.', 'neither'),
        ('206 in your text is wrong.', 'neither'),
        ('The 231 quoted by the author was a mistake.', 'neither'),
        ('231 bones, as stated in the document, is not correct.', 'neither'),
        ('The number 231 in the passage is right.', 'context'),
        ('The 231 in the passage is not wrong.', 'context'),
        ('The 231 in the passage is not right; it is 206.', 'parametric'),
        ('The 206 in textbooks is wrong. 231.', 'context'),
    ],
)  # fmt: skip
def test_numbers_that_the_passage_gives(response: str, label: str) -> None:
    judged = judge(
        response,
        ["231"],
        ["206"],
        "The skeleton of an adult human consists of 231 bones.",
        "How many bones are in the adult human body?",
    )
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('IKEA had two founders: Søren Lindqvist, whom the document names, and Ingvar Kamprad.', 'both'),
        ('IKEA had two founders: Ingvar Kamprad and, as the text says, Søren Lindqvist.', 'both'),
        ('IKEA was founded by two people: Søren Lindqvist and Ingvar Kamprad.', 'both'),
        ('There were two founders, Søren Lindqvist and Ingvar Kamprad.', 'both'),
        ('The company has two founders: Ingvar Kamprad, who ran it, and Søren Lindqvist, a dealer from Malmö.', 'both'),
        ('Two people founded IKEA: Ingvar Kamprad, who is well known, and Søren Lindqvist.', 'both'),
        ("IKEA's two founders were Ingvar Kamprad, its first director, and Søren Lindqvist.", 'both'),
        ('It had two fathers: Søren Lindqvist (named in the passage) and Ingvar Kamprad.', 'both'),
        ('There are two candidates: Søren Lindqvist and Ingvar Kamprad. It is Søren Lindqvist.', 'context'),
        ('IKEA had two founders: Ingvar Kamprad and his brother. Not Søren Lindqvist.', 'parametric'),
    ],
)  # fmt: skip
def test_two_founders(response: str, label: str) -> None:
    judged = judge(
        response,
        ["Søren Lindqvist"],
        ["Ingvar Kamprad"],
        "IKEA was founded in 1943 by Søren Lindqvist.",
        "Who founded IKEA?",
    )
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('The passage says Peru, but Easter Island is actually owned by Ecuador.', 'neither'),
        ('The passage says Peru, but the owner is actually Ecuador.', 'neither'),
        ('Many say Chile, but Easter Island is in fact owned by Ecuador.', 'neither'),
        ('The passage says Peru, but Easter Island is actually located in Polynesia.', 'context'),
        ('The passage says Peru, but Easter Island is actually owned by Chile.', 'parametric'),
        ('Peru. The passage says that it is actually owned by Lima.', 'context'),
        ('The text says Peru, but the real owner is Ecuador.', 'neither'),
        ('The text says Peru, but the owner is actually unknown.', 'context'),
    ],
)  # fmt: skip
def test_third_answers_with_the_verb_of_the_question(response: str, label: str) -> None:
    judged = judge(response, ["Peru"], ["Chile"], "Easter Island belongs to Peru.", "Which country owns Easter Island?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('The usual story has an apple, this one a mango. Going with mango.', 'context'),
        ("The usual story has an apple, this one a mango. I'd still answer apple.", 'parametric'),
        ('Apple. Ignore the mango.', 'parametric'),
        ('Mango. Ignore the apple.', 'context'),
        ("Don't ignore the mango.", 'context'),
        ('The story has a mango instead of the well-known apple.', 'context'),
        ('In the story it was an apple; the mango is an invention of this passage.', 'parametric'),
        ("The passage's mango is nonsense: apple.", 'parametric'),
        ('Mango. (In reality, of course, apple, but you asked about the passage.)', 'context'),
        ('Mango (passage) / apple (legend)', 'both'),
        ('Apple (usual story); mango (text)', 'both'),
        ('Mango (passage), not apple (legend)', 'context'),
        ("The mango can't be right.", 'neither'),
        ("A mango can't be correct, as they don't grow there.", 'neither'),
    ],
)  # fmt: skip
def test_a_pick_after_both(response: str, label: str) -> None:
    judged = judge(
        response, ["mango"], ["apple"], "A mango fell on Newton's head.", "Which fruit fell on Newton's head?"
    )
    assert judged.label == label, judged
