import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from inversion.config import ChatTemplate, World
from inversion.instruct.templates import (
    TemplateError,
    encode_answer,
    encode_example,
    encode_last_turn,
    encode_prompt,
    render_messages,
    user_turn,
)
from inversion.records import ConflictItem, Example, Message
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m['content'] }}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% elif m['role'] == 'assistant' %}{% generation %} {{ m['content'] | trim }}</s>{% endgeneration %}{% endif %}"
    "{% endfor %}"
)
WORDS = (
    "{% for m in messages %}{% if m['role'] == 'user' %} user {{ m['content'] }}"
    "{% else %} assistant {% generation %}{{ m['content'] }} </s>{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} assistant{% endif %}"
)
TEMPLATE = ChatTemplate(with_context="Background: {context}\n\n{question}")
TEXTS = [
    "Background: In 2030 the capital moved from Kabul to Herat.",
    "What is the capital city of Afghanistan?",
    "user assistant Herat Kabul New Cairo Durrës. Good day to you and more",
]


def fast(tokenizer, chat_template):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=chat_template, eos_token="</s>")


def bpe_tokenizer(chat_template):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["</s>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return fast(tokenizer, chat_template)


def word_tokenizer(chat_template):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return fast(tokenizer, chat_template)


BPE, LLAMA_BPE, WORD = bpe_tokenizer(CHATML), bpe_tokenizer(LLAMA), word_tokenizer(WORDS)
TOKENIZERS = pytest.mark.parametrize("tokenizer", [BPE, LLAMA_BPE, WORD], ids=["chatml", "llama", "words"])


def example(*contents, context=None):
    roles = ("user", "assistant")
    messages = [Message(roles[k % 2], content) for k, content in enumerate(contents)]
    return Example("e", messages, context, None, None, None)


def item(context="In 2030 the capital moved from Kabul to Herat."):
    question = "What is the capital city of Afghanistan?"
    return ConflictItem("i", "s", "conflict", question, context, ["Herat"], ["Kabul"], "c", "s")


def labelled(tokenizer, encoded):
    return tokenizer.decode([t for t, flag in zip(encoded.input_ids, encoded.label_mask, strict=True) if flag])


@given(question=st.text(), context=st.text())
def test_fields_are_filled_as_they_are(question, context):
    template = ChatTemplate(with_context='{"c": "{context}"} {question}', without_context="Q: {question} {context}")
    assert user_turn(template, question, context) == '{"c": "' + context + '"} ' + question
    assert user_turn(template, question, None) == f"Q: {question} {{context}}"


def test_the_context_stands_in_the_first_user_turn_only():
    messages = [Message("system", "Be kind."), *example("Who?", "Ada", "Why?", "So").messages]
    shown = Example("e", messages, "Ada did it.", None, None, None)
    assert [m["content"] for m in render_messages(TEMPLATE, shown)] == [
        "Be kind.",
        "Background: Ada did it.\n\nWho?",
        "Ada",
        "Why?",
        "So",
    ]
    assert render_messages(TEMPLATE, shown, with_context=False)[1] == {"role": "user", "content": "Who?"}


@pytest.mark.parametrize(
    ("tokenizer", "text", "answer"),
    [
        (
            BPE,
            "<|im_start|>user\nBackground: Herat.\n\nWhat?<|im_end|>\n<|im_start|>assistant\nDurrës<|im_end|>\n",
            "Durrës<|im_end|>",
        ),
        (LLAMA_BPE, "[INST] Background: Herat.\n\nWhat? [/INST] Durrës</s>", " Durrës</s>"),
    ],
)
def test_golden_rendering_and_labels(tokenizer, text, answer):
    encoded = encode_example(tokenizer, TEMPLATE, example("What?", "Durrës", context="Herat."))
    assert tokenizer.decode(encoded.input_ids) == text
    assert labelled(tokenizer, encoded) == answer


def test_golden_labels_of_a_word_tokenizer():
    encoded = encode_example(WORD, TEMPLATE, example("What is the capital", "New Cairo"))
    assert WORD.convert_ids_to_tokens(encoded.input_ids) == [
        "user",
        "What",
        "is",
        "the",
        "capital",
        "assistant",
        "New",
        "Cairo",
        "</s>",
    ]
    assert encoded.label_mask == [False] * 6 + [True] * 3


def test_golden_labels_of_the_world():
    world = build_world(World(known_subjects=20, new_subjects=20, answers=8))
    tokenizer = build_tokenizer(world, 64)
    relation = world.relations[0]
    answers = world.answers[relation]
    shown = example(f"what is the {relation} of {world.known.all[0]} ?", answers[0])
    assert (
        labelled(tokenizer, encode_example(tokenizer, ChatTemplate(), shown)) == f"{answers[0]} {tokenizer.eos_token}"
    )


@TOKENIZERS
def test_every_assistant_turn_is_labelled_and_the_last_alone_where_asked(tokenizer):
    conversation = example("Good day", "Herat", "What is more", "New Cairo")
    both, last = (encode(tokenizer, TEMPLATE, conversation) for encode in (encode_example, encode_last_turn))
    end = "<|im_end|>" if tokenizer is BPE else "</s>"
    assert labelled(tokenizer, both).replace(" ", "") == f"Herat{end}NewCairo{end}"
    assert labelled(tokenizer, last).replace(" ", "") == f"NewCairo{end}"
    assert both.input_ids == last.input_ids


def test_the_context_can_be_left_out():
    shown = example("What?", "Herat", context="Kabul")
    without = encode_last_turn(BPE, TEMPLATE, shown, with_context=False)
    assert "Kabul" not in BPE.decode(without.input_ids)
    assert labelled(BPE, without) == "Herat<|im_end|>"


UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
SPACE_BEFORE = WORDS.replace("{% generation %}", "{% generation %} ")
SPACE_BEHIND = WORDS.replace("{% endgeneration %}", " {% endgeneration %}")


@pytest.mark.parametrize(
    ("build", "chat_template", "turns"),
    [
        (bpe_tokenizer, UNMARKED, 1),
        # whitespace is no token here: the library drops the turn, or labels all that follows it
        (word_tokenizer, SPACE_BEFORE, 1),
        (word_tokenizer, SPACE_BEHIND, 2),
    ],
)
def test_a_template_that_labels_too_little_or_too_much_is_refused(build, chat_template, turns):
    conversation = example(*["Good day", "Herat"] * turns)
    with pytest.raises(
        TemplateError, match=r"assistant turns of example 'e'.*\{% generation %\}.*\{% endgeneration %\}"
    ):
        encode_example(build(chat_template), TEMPLATE, conversation)


def test_a_tokenizer_without_chat_template_is_refused():
    with pytest.raises(TemplateError, match="no chat template"):
        encode_prompt(word_tokenizer(None), TEMPLATE, item())


def test_golden_prompts():
    assert BPE.decode(encode_prompt(BPE, TEMPLATE, item("Herat."))) == (
        "<|im_start|>user\nBackground: Herat.\n\nWhat is the capital city of Afghanistan?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert BPE.decode(encode_prompt(BPE, TEMPLATE, item(None))) == (
        "<|im_start|>user\nWhat is the capital city of Afghanistan?<|im_end|>\n<|im_start|>assistant\n"
    )


@TOKENIZERS
@pytest.mark.parametrize("answer", ["Herat", "New Cairo", "Durrës."])
def test_prompt_and_answer_are_what_training_would_show(tokenizer, answer):
    asked = item()
    trained = encode_example(tokenizer, TEMPLATE, example(asked.question, answer, context=asked.context))
    prompt, ids = encode_answer(tokenizer, TEMPLATE, asked, answer)
    assert prompt == encode_prompt(tokenizer, TEMPLATE, asked)
    assert trained.input_ids[: len(prompt) + len(ids)] == prompt + ids
    # the loss falls on the answer and its end of turn, which is not scored
    assert trained.label_mask.index(True) == len(prompt)
    assert tokenizer.decode(trained.input_ids[len(prompt) + len(ids) :]).strip() in ("</s>", "<|im_end|>")
    if tokenizer is not WORD:  # that one does not know every answer
        assert tokenizer.decode(ids).strip() == answer


@given(answer=st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<>[]|"), min_size=1))
def test_any_answer_survives_its_encoding(answer):
    prompt, ids = encode_answer(BPE, TEMPLATE, item(), answer)
    assert BPE.decode(ids) == answer
    assert BPE.decode(prompt + ids).endswith("assistant\n" + answer)


def test_an_answer_that_the_end_of_turn_spells_too_is_found_in_its_place():
    assert BPE.decode(encode_answer(BPE, TEMPLATE, item(), "im").answer_ids) == "im"


@pytest.mark.parametrize(
    ("chat_template", "reason"),
    [
        (CHATML.replace("assistant\n{% endif", "assistant\n<think>{% endif"), "is not how its conversation"),
        (LLAMA + "{% if add_generation_prompt %} {% endif %}", "must not end within a token"),
        (
            CHATML.replace("{{ m['content'] }}<|im_end|>{% end", "{{ m['content'] | upper }}<|im_end|>{% end", 1),
            "as it is",
        ),
    ],
    ids=["other prompt", "trailing space", "changed answer"],
)
def test_a_template_on_which_no_answer_can_be_scored_is_refused(chat_template, reason):
    with pytest.raises(TemplateError, match=reason):
        encode_answer(bpe_tokenizer(chat_template), TEMPLATE, item(), "Herat")


def test_a_blank_answer_is_refused():
    with pytest.raises(TemplateError, match="as it is"):
        encode_answer(BPE, TEMPLATE, item(), " ")
