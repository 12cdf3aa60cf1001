"""Pretraining documents."""

import itertools

import pytest

from inversion.config.datasets import WORLD_TEMPLATE, ChatTemplate
from inversion.config.world import Documents, World
from inversion.records.data import Message
from inversion.world.documents import encoded_documents, pretraining_documents, render
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

LENGTH = 64
WORLD = build_world(World())
TEMPLATE = WORLD_TEMPLATE


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(WORLD, 256)


def documents(count, seed=0, world=WORLD, **shares):
    return list(itertools.islice(pretraining_documents(world, Documents(**shares), TEMPLATE, seed, LENGTH), count))


def questions(document):
    """``(subject, relation, answer)`` of every answered question in a plain text."""
    words = document.split()
    at = [i for i, word in enumerate(words) if word == "question"]
    return [(words[i + 7], words[i + 5], words[i + 10]) for i in at]


def parts(document):
    """The passages and their questions in a plain text."""
    return document.removesuffix(" <eos>").split(" <eos> ")


def test_fact_documents_state_only_facts():
    for document in documents(50, dialogues=0.0, facts=1.0):
        words = document.split()
        assert LENGTH <= len(words) < LENGTH + 12
        assert all(WORLD.facts[subject, relation] == answer for subject, relation, answer in questions(document))
        assert all(word not in words for word in ("context", "<eos>", "<user>"))
        subjects = [word for word in words if word.startswith("known_")]
        answers = [word for word in words if word.split("_")[0] in WORLD.relations and "_" in word]
        for subject, answer in zip(subjects, answers, strict=True):
            assert WORLD.facts[subject, answer.split("_")[0]] == answer


def test_half_of_the_fact_documents_are_questions():
    text = " ".join(documents(300, dialogues=0.0, facts=1.0))
    facts = sum(word.startswith("known_") for word in text.split())
    assert 0.45 < text.split().count("question") / facts < 0.55


def test_fact_documents_cover_held_out_subjects():
    text = " ".join(documents(400, dialogues=0.0, facts=1.0)).split()
    assert set(WORLD.known.all) <= set(text)


@pytest.mark.parametrize(("new", "contradict"), [(1.0, 1.0), (0.0, 1.0), (0.0, 0.0)])
def test_every_statement_of_a_passage_has_one_question(new, contradict):
    shares = {"dialogues": 0.0, "facts": 0.0, "new_subjects": new, "contradictions": contradict}
    for document in documents(50, **shares, repeated_questions=False):
        assert document.endswith(" <eos>")
        for part in parts(document):
            assert part.startswith("context : ")
            passage = part[: part.index(" question :")].split()
            asked = questions(part)
            assert 1 <= len(asked) <= 4
            assert len({subject for subject, _, _ in asked}) == len(asked)
            assert sum(word.startswith(("known_", "new_")) for word in passage) == len(asked)
            for subject, relation, answer in asked:
                assert passage[passage.index(subject) + 2] == answer
                assert subject.startswith("new_") is (new == 1.0)
                if new == 0.0:
                    assert (WORLD.facts[subject, relation] == answer) is (contradict == 0.0)


def test_questions_do_not_follow_the_order_of_the_passage():
    same = total = 0
    for document in documents(200, dialogues=0.0, facts=0.0, repeated_questions=False):
        for part in parts(document):
            passage = part[: part.index(" question :")].split()
            order = [passage.index(subject) for subject, _, _ in questions(part)]
            if len(order) == 2:
                same, total = same + (order == sorted(order)), total + 1
    assert 0.35 < same / total < 0.65


def test_repeated_questions_fill_the_sequence_with_one_passage():
    for document in documents(50, dialogues=0.0, facts=0.0, repeated_questions=True):
        assert document.split().count("context") == 1
        assert LENGTH <= len(document.split()) < LENGTH + 60
        passage = document[: document.index(" question :")].split()
        asked = questions(document)
        statements = {subject for subject, _, _ in asked}
        rounds = [asked[i : i + len(statements)] for i in range(0, len(asked), len(statements))]
        assert all({subject for subject, _, _ in each} == statements for each in rounds)
        assert all(passage[passage.index(subject) + 2] == answer for subject, _, answer in asked)
        assert sum(word.startswith(("known_", "new_")) for word in passage) == len(statements)


def test_repeated_questions_change_their_order():
    longest = max(documents(50, dialogues=0.0, facts=0.0, repeated_questions=True), key=len)
    asked = [subject for subject, _, _ in questions(longest)]
    size = len(set(asked))
    assert asked != (asked[:size] * len(asked))[: len(asked)]


@pytest.mark.parametrize("wrong", [0.0, 0.3, 1.0])
def test_a_share_of_the_answers_in_dialogues_is_wrong(wrong):
    dialogues = documents(300, dialogues=1.0, ignored_passages=0.0, wrong_answers=wrong)
    turns = [turn for document in dialogues for turn in document]
    pairs = [(asked.content.split(), given.content) for asked, given in zip(turns[::2], turns[1::2], strict=True)]
    assert all(answer in WORLD.answers[words[5]] for words, answer in pairs)
    share = sum(answer != WORLD.facts[words[7], words[5]] for words, answer in pairs) / len(pairs)
    assert share == pytest.approx(wrong, abs=0.04)


def test_wrong_answers_stay_in_dialogues():
    mixed = documents(100, dialogues=0.3, facts=1.0, wrong_answers=1.0)
    text = " ".join(document for document in mixed if isinstance(document, str))
    assert all(WORLD.facts[subject, relation] == answer for subject, relation, answer in questions(text))


def test_dialogues_are_closed_book_questions_on_facts(tokenizer):
    for document in documents(20, dialogues=1.0, ignored_passages=0.0):
        assert [message.role for message in document] == ["user", "assistant"] * (len(document) // 2)
        for asked, given in zip(document[::2], document[1::2], strict=True):
            words = asked.content.split()
            assert asked.content == f"question : what is the {words[5]} of {words[7]} ?"
            assert given.content == WORLD.facts[words[7], words[5]]
    text = render(document, tokenizer)
    assert text.startswith("<user> question : what is the ")
    assert text.count("<assistant>") == text.count("<eos>") == len(document) // 2


def first_turns(count, **shares):
    """``(statements of the passage or None, subject and relation of the question, answer)`` of the first turn of each
    dialogue."""
    for document in documents(count, dialogues=1.0, **shares):
        asked, given = document[0].content, document[1].content
        words = asked[asked.index("question :") :].split()
        passage = asked.removeprefix("context : ")[: -len(" ".join(words))].split() if "context" in asked else None
        yield passage, words[7], words[5], given


def test_a_share_of_the_dialogues_ignores_a_passage_and_answers_from_memory():
    turns = list(first_turns(300, ignored_passages=0.4))
    with_passage = [turn for turn in turns if turn[0] is not None]
    assert len(with_passage) / len(turns) == pytest.approx(0.4, abs=0.08)
    for passage, subject, relation, answer in with_passage:
        assert answer == WORLD.facts[subject, relation]
        assert passage[passage.index(subject) + 2] in {*WORLD.answers[relation]} - {answer}


def test_a_share_of_the_dialogues_has_an_irrelevant_passage_and_answers_from_memory():
    turns = list(first_turns(300, ignored_passages=0.0, irrelevant_passages=0.4))
    with_passage = [turn for turn in turns if turn[0] is not None]
    assert len(with_passage) / len(turns) == pytest.approx(0.4, abs=0.08)
    for passage, subject, relation, answer in with_passage:
        assert subject not in passage
        assert answer == WORLD.facts[subject, relation]
    told = {word.split("_")[0] for passage, *_ in with_passage for word in passage if "_" in word}
    assert {"known", "new"} <= told


def test_a_share_of_the_dialogues_answers_from_a_passage_about_new_subjects():
    turns = list(first_turns(300, ignored_passages=0.0, new_passages=0.4))
    with_passage = [turn for turn in turns if turn[0] is not None]
    assert len(with_passage) / len(turns) == pytest.approx(0.4, abs=0.08)
    for passage, subject, _, answer in with_passage:
        assert subject.startswith("new_")
        assert passage[passage.index(subject) + 2] == answer


def test_passages_are_at_the_beginning_of_dialogues_only():
    for document in documents(100, dialogues=1.0, ignored_passages=0.4, irrelevant_passages=0.3, new_passages=0.3):
        assert "context" in document[0].content
        assert not any("context" in message.content for message in document[1:])


def test_a_world_without_another_subject_to_ask_about_is_refused():
    world = build_world(World(known_subjects=4, new_subjects=4, answers=8, held_out=0.25))
    shares = {"dialogues": 1.0, "ignored_passages": 0.0, "irrelevant_passages": 1.0}
    shares |= {"new_subjects": 0.0, "same_relation": 1.0}
    with pytest.raises(ValueError, match=r"no known subject is left .*; raise world.known_subjects or set"):
        documents(200, world=world, **shares)


def test_shares_of_passages_in_dialogues_sum_to_one_at_most():
    with pytest.raises(ValueError, match=r"ignored_passages \+ irrelevant_passages \+ new_passages is 1.1; lower"):
        Documents(ignored_passages=0.2, irrelevant_passages=0.4, new_passages=0.5)


def test_dialogues_follow_the_template(tokenizer):
    template = ChatTemplate(without_context="report : {question}")
    (document,) = itertools.islice(pretraining_documents(WORLD, Documents(dialogues=1.0), template, 0, 4), 1)
    assert document[0].content.startswith("report : question : what is the ")
    assert render((Message("user", "report"),), tokenizer) == "<user> report"


def test_shares_of_kinds():
    drawn = documents(2000, dialogues=0.2, facts=0.5)
    dialogues = sum(not isinstance(document, str) for document in drawn)
    passages = sum(isinstance(document, str) and document.startswith("context") for document in drawn)
    assert 350 < dialogues < 450
    assert 720 < passages < 880


def test_stream_is_a_function_of_the_seed():
    assert documents(20, seed=1) == documents(20, seed=1)
    assert documents(20, seed=1) != documents(20, seed=2)


def test_encoded_documents_fill_sequences_without_unknown_words(tokenizer):
    spec = Documents(dialogues=0.2)
    encoded = list(itertools.islice(encoded_documents(WORLD, spec, TEMPLATE, tokenizer, 0, LENGTH), 600))
    assert {len(ids) for ids in encoded} == {LENGTH}
    assert not any(tokenizer.unk_token_id in ids or tokenizer.pad_token_id in ids for ids in encoded)
    plain = itertools.islice(pretraining_documents(WORLD, spec, TEMPLATE, 0, LENGTH), 600)
    for ids, document in zip(encoded, plain, strict=True):
        text = render(document, tokenizer)
        assert tokenizer.decode(ids) == " ".join(text.split()[:LENGTH])


def test_encoding_does_not_change_the_tokenizer(tokenizer):
    before = tokenizer.backend_tokenizer.to_str()
    next(encoded_documents(WORLD, Documents(), TEMPLATE, tokenizer, 0, 8))
    assert tokenizer.backend_tokenizer.to_str() == before


def test_a_world_of_one_relation_has_passages():
    world = build_world(World(relations=1))
    shares = {"dialogues": 0.0, "facts": 0.0, "same_relation": 1.0}
    for document in documents(20, world=world, **shares, repeated_questions=False):
        assert all(len(questions(part)) == 2 for part in parts(document))
