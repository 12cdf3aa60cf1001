"""The word-level tokenizer and its chat template."""

import pytest
from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from inversion.config.world import World
from inversion.world.facts import RELATIONS, build_world
from inversion.world.tokenizer import build_tokenizer

WORLD = build_world(World(known_subjects=8, new_subjects=8, answers=4))
CHAT = [
    {"role": "user", "content": "question : what is the capital of known_1 ?"},
    {"role": "assistant", "content": "capital_2"},
    {"role": "user", "content": "question : what is the language of new_3 ?"},
    {"role": "assistant", "content": "language_1 ."},
]


@pytest.fixture(scope="module", params=["built", "loaded"])
def tokenizer(request, tmp_path_factory):
    built = build_tokenizer(WORLD, 64)
    if request.param == "built":
        return built
    folder = tmp_path_factory.mktemp("tokenizer")
    built.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_chat_template_word_by_word(tokenizer):
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == (
        "<user> question : what is the capital of known_1 ? <assistant> answer capital_2 <eos> "
        "<user> question : what is the language of new_3 ? <assistant> answer language_1 . <eos>"
    )


def test_the_answer_follows_the_generation_prompt(tokenizer):
    prompt = tokenizer.apply_chat_template(CHAT[:1], tokenize=False, add_generation_prompt=True)
    assert prompt == "<user> question : what is the capital of known_1 ? <assistant> answer"
    whole = tokenizer.apply_chat_template(CHAT[:2])["input_ids"]
    begun = tokenizer.apply_chat_template(CHAT[:1], add_generation_prompt=True)["input_ids"]
    assert whole[: len(begun)] == begun


def test_mask_covers_answers_and_their_eos(tokenizer):
    encoded = tokenizer.apply_chat_template(CHAT, return_assistant_tokens_mask=True, return_dict=True)
    labelled = [i for i, on in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if on]
    assert tokenizer.decode(labelled) == "capital_2 <eos> language_1 . <eos>"


def test_other_roles_are_refused(tokenizer):
    with pytest.raises(TemplateError, match="roles user and assistant, not system"):
        tokenizer.apply_chat_template([{"role": "system", "content": "answer"}], tokenize=False)


def test_decoding_restores_the_text(tokenizer):
    text = "context : report : capital of new_1 now capital_3 . question : what is the capital of new_1 ?"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    ids = tokenizer.apply_chat_template(CHAT[:2])["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"{CHAT[0]['content']} answer capital_2"


def test_the_tokenizer_returns_only_model_inputs(tokenizer):
    assert set(tokenizer("capital")) == {"input_ids", "attention_mask"}
    assert tokenizer.model_max_length == 64
    assert (tokenizer.pad_token, tokenizer.unk_token, tokenizer.eos_token) == ("<pad>", "<unk>", "<eos>")
    special = ["<pad>", "<unk>", "<eos>", "<user>", "<assistant>"]
    assert tokenizer.convert_tokens_to_ids(special) == [0, 1, 2, 3, 4]
    assert set(tokenizer.all_special_tokens) == set(special)


def test_every_name_is_one_token():
    world = build_world(World(relations=len(RELATIONS)))
    tokenizer = build_tokenizer(world, 64)
    names = [
        *world.relations,
        *world.known.all,
        *world.new.all,
        *(a for r in world.relations for a in world.answers[r]),
    ]
    ids = [tokenizer(name)["input_ids"] for name in names]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids}) == len(names)
    assert [tokenizer.unk_token_id] not in ids


def test_unknown_words_are_unknown(tokenizer):
    assert tokenizer("Paris")["input_ids"] == [tokenizer.unk_token_id]
