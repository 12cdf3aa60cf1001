from dataclasses import replace

import pytest
from hypothesis import example as example_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import TEXTS, llama, neox
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from inversion.config.datasets import WORLD_TEMPLATE, AlpacaTemplate, ChatTemplate, TuluTemplate, ZephyrTemplate
from inversion.config.evaluation import Prompt
from inversion.config.world import World
from inversion.instruct.templates import (
    ChatStyle,
    TemplateError,
    encode_answer,
    encode_example,
    encode_last_turn,
    encode_prompt,
    end_token_ids,
    locate_in_prompt,
    stop_strings,
)
from inversion.records.data import ConflictItem, Example, Message
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
TEMPLATE = ChatTemplate()


def word_tokenizer(chat_template):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=chat_template, eos_token="</s>")


def bpe_tokenizer(chat_template):
    return neox(chat_template, eos="</s>")


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
    return tokenizer.decode([t for t, flag in zip(encoded.input_ids, encoded.loss_mask, strict=True) if flag])


@given(question=st.text(), context=st.text())
def test_fields_are_filled_in_unchanged(question, context):
    template = ChatTemplate(with_context='{"c": "{context}"} {question}', without_context="Q: {question} {context}")
    style = ChatStyle(template)
    assert style.user_turn(question, context) == '{"c": "' + context + '"} ' + question
    assert style.user_turn(question, None) == f"Q: {question} {{context}}"


def test_the_context_is_in_the_first_user_turn_only():
    messages = [Message("system", "Be kind."), *example("Who?", "Ada", "Why?", "So").messages]
    assert [turn["content"] for turn in ChatStyle(TEMPLATE).render(messages, "Ada did it.")] == [
        "Be kind.",
        "Background: Ada did it.\n\nWho?",
        "Ada",
        "Why?",
        "So",
    ]


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
    assert encoded.loss_mask == [False] * 6 + [True] * 3


def test_golden_labels_of_the_world():
    world = build_world(World(known_subjects=20, new_subjects=20, answers=8))
    tokenizer = build_tokenizer(world, 64)
    relation = world.relations[0]
    answers = world.answers[relation]
    shown = example(f"what is the {relation} of {world.known.all[0]} ?", answers[0])
    assert (
        labelled(tokenizer, encode_example(tokenizer, WORLD_TEMPLATE, shown)) == f"{answers[0]} {tokenizer.eos_token}"
    )


@TOKENIZERS
def test_every_assistant_turn_or_only_the_last_has_a_loss(tokenizer):
    conversation = example("Good day", "Herat", "What is more", "New Cairo")
    both, last = (encode(tokenizer, TEMPLATE, conversation) for encode in (encode_example, encode_last_turn))
    end = "<|im_end|>" if tokenizer is BPE else "</s>"
    assert labelled(tokenizer, both).replace(" ", "") == f"Herat{end}NewCairo{end}"
    assert labelled(tokenizer, last).replace(" ", "") == f"NewCairo{end}"
    assert both.input_ids == last.input_ids


def test_the_context_can_be_omitted():
    shown = example("What?", "Herat", context="Kabul")
    without = encode_last_turn(BPE, TEMPLATE, shown, with_context=False)
    assert "Kabul" not in BPE.decode(without.input_ids)
    assert labelled(BPE, without) == "Herat<|im_end|>"


UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
LINE_IN_BLOCK = CHATML.replace("<|im_end|>{% endgeneration %}", "<|im_end|>\n{% endgeneration %}").replace(
    "{{ '\n' }}{% endfor %}", "{% if m['role'] != 'assistant' %}{{ '\n' }}{% endif %}{% endfor %}"
)
HEADER_IN_BLOCK = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}<|im_start|>assistant\n"
    "{{ m['content'] }}<|im_end|>\n{% endgeneration %}{% else %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
END_OUTSIDE = CHATML.replace("<|im_end|>{% endgeneration %}", "{% endgeneration %}<|im_end|>")


@pytest.mark.parametrize(
    "chat_template",
    [UNMARKED, LINE_IN_BLOCK, HEADER_IN_BLOCK, END_OUTSIDE],
    ids=["no marks", "line break in the block", "role header in the block", "end of turn outside the block"],
)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_answers_and_their_ends_have_a_loss_whatever_the_templates_own_marks(chat_template, turns):
    conversation = example(*["Good day", "Herat"] * turns)
    marked, other = (encode_example(bpe_tokenizer(t), TEMPLATE, conversation) for t in (CHATML, chat_template))
    assert marked == other
    assert labelled(BPE, other) == "Herat<|im_end|>" * turns


SPACE_BEFORE = WORDS.replace("{% generation %}", "{% generation %} ")
SPACE_BEHIND = WORDS.replace("{% endgeneration %}", " {% endgeneration %}")


@pytest.mark.parametrize("chat_template", [SPACE_BEFORE, SPACE_BEHIND])
def test_white_space_at_the_ends_of_a_block_changes_no_label(chat_template):
    # if white space is not a token, the library would drop the turn, or label everything after it
    conversation = example("Good day", "Herat", "Good day", "New Cairo")
    assert encode_example(word_tokenizer(chat_template), TEMPLATE, conversation) == encode_example(
        WORD, TEMPLATE, conversation
    )


def test_a_tokenizer_without_chat_template_is_refused():
    with pytest.raises(TemplateError, match="no chat template; choose the template alpaca, tulu or zephyr"):
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
def test_prompt_and_answer_equal_training(tokenizer, answer):
    asked = item()
    trained = encode_example(tokenizer, TEMPLATE, example(asked.question, answer, context=asked.context))
    prompt, ids = encode_answer(tokenizer, TEMPLATE, asked, answer)
    assert prompt == encode_prompt(tokenizer, TEMPLATE, asked)
    assert trained.input_ids[: len(prompt) + len(ids)] == prompt + ids
    # the loss covers the answer and its end of turn; the latter is not scored
    assert trained.loss_mask.index(True) == len(prompt)
    assert tokenizer.decode(trained.input_ids[len(prompt) + len(ids) :]).strip() in ("</s>", "<|im_end|>")
    if tokenizer is not WORD:  # its vocabulary does not contain every answer
        assert tokenizer.decode(ids).strip() == answer


@given(answer=st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<>[]|"), min_size=1))
def test_any_answer_survives_its_encoding(answer):
    prompt, ids = encode_answer(BPE, TEMPLATE, item(), answer)
    assert BPE.decode(ids) == answer
    assert BPE.decode(prompt + ids).endswith("assistant\n" + answer)


def test_an_answer_that_equals_the_end_of_turn_is_located():
    assert BPE.decode(encode_answer(BPE, TEMPLATE, item(), "im").answer_ids) == "im"


@pytest.mark.parametrize(
    ("chat_template", "reason"),
    [
        (CHATML.replace("assistant\n{% endif", "assistant\nSure:{% endif"), "does not begin with the prompt"),
        (
            CHATML.replace("{{ m['content'] }}<|im_end|>{% end", "{{ m['content'] | upper }}<|im_end|>{% end", 1),
            "does not write the answer 'Herat' unchanged",
        ),
        (CHATML.replace("{% generation %}", "{% generation %}{{ m['content'] }}"), "does not write every answer once"),
        (CHATML.replace("{{ m['content'] }}<|im_end|>{% end", "{{ m['content'] }}{% end"), "does not end the turn"),
    ],
    ids=["other prompt", "changed answer", "answer twice", "no end of turn"],
)
def test_a_template_with_which_no_answer_can_be_scored_is_refused(chat_template, reason):
    with pytest.raises(TemplateError, match=reason):
        encode_answer(bpe_tokenizer(chat_template), TEMPLATE, item(), "Herat")


def test_a_space_that_merges_with_the_answer_belongs_to_the_answer():
    spaced = bpe_tokenizer(LLAMA + "{% if add_generation_prompt %} {% endif %}")
    prompt, ids = encode_answer(spaced, TEMPLATE, item(), "Herat")
    assert (prompt, ids) == tuple(encode_answer(LLAMA_BPE, TEMPLATE, item(), "Herat"))
    assert spaced.decode(prompt).endswith("[/INST]")


def test_a_blank_answer_is_refused():
    for template in (TEMPLATE, TuluTemplate()):
        with pytest.raises(TemplateError, match="item 'i': the answer ' ' is blank"):
            encode_answer(BPE, template, item(), " ")


# --- templates of fixed text, with each family of tokenizers ------------------------------------

NEOX, LEGACY, FIRST = neox(), llama(), llama(legacy=False)
STYLES = {"alpaca": AlpacaTemplate(), "tulu": TuluTemplate(), "zephyr": ZephyrTemplate()}
CONVERSATION = Example(
    "e",
    [
        Message("system", "Be kind.\n"),
        Message("user", " Who did it? "),
        Message("assistant", '"Durrës" ✓'),
        Message("user", "Why?"),
        Message("assistant", " So it goes.\n"),
    ],
    "Ada did it.",
    None,
    None,
    None,
)
GOLDEN = {
    "alpaca": "Be kind.\n\n### Instruction:\nWho did it?\n\n### Input:\nAda did it.\n\n### Response:"
    '"Durrës" ✓<eos>\n\n### Instruction:\nWhy?\n\n### Response:So it goes.<eos>',
    "tulu": "<|system|>\nBe kind.\n<|user|>\nBackground: Ada did it.\n\nWho did it?\n<|assistant|>\n"
    '"Durrës" ✓<eos>\n<|user|>\nWhy?\n<|assistant|>\nSo it goes.<eos>',
    "zephyr": "<|system|>\nBe kind.<eos>\n<|user|>\nBackground: Ada did it.\n\nWho did it?<eos>\n<|assistant|>\n"
    '"Durrës" ✓<eos>\n<|user|>\nWhy?<eos>\n<|assistant|>\nSo it goes.<eos>',
}
each_style = pytest.mark.parametrize("style", STYLES)
each_family = pytest.mark.parametrize("family", [NEOX, LEGACY, FIRST], ids=["neox", "llama", "metaspace"])


@each_style
@each_family
def test_golden_conversations_and_labelled_spans(style, family):
    encoded = encode_example(family, STYLES[style], CONVERSATION)
    eos = family.eos_token
    text = GOLDEN[style].replace("<eos>", eos)
    if style == "alpaca" and family is NEOX:  # `:"` is one token there, which crosses the beginning of the answer
        assert family.decode(encoded.input_ids) == text
        assert len(family(text).input_ids) == len(encoded.input_ids) - 1
    else:
        assert encoded.input_ids == family(text).input_ids
    assert labelled(family, encoded) == f'"Durrës" ✓{eos}So it goes.{eos}'
    last = encode_last_turn(family, STYLES[style], CONVERSATION)
    assert (last.input_ids, labelled(family, last)) == (encoded.input_ids, f"So it goes.{eos}")


ONLY = "Answer from the context only."
ASKED = {
    "alpaca": (
        "### Instruction:\n{only} Who?\n\n### Input:\nAda.",
        "### Instruction:\n{only} Who?\n\n### Input:\nAda.",
    ),
    "tulu": ("<|user|>\nBackground: Ada.\n\n{only} Who?\n", "<|user|>\n{only} Who?\n\nBackground: Ada.\n"),
    "zephyr": (
        "Background: Ada.\n\n{only} Who?<|endoftext|>",
        "<|user|>\n{only} Who?\n\nBackground: Ada.<|endoftext|>",
    ),
    "chat": ("user\nBackground: Ada.\n\n{only} Who?<|im_end|>", "user\n{only} Who?\n\nBackground: Ada.<|im_end|>"),
}


@pytest.mark.parametrize("style", ASKED)
def test_prompts_put_an_instruction_before_the_question_and_the_question_before_the_context(style):
    tokenizer, template = (BPE, TEMPLATE) if style == "chat" else (NEOX, STYLES[style])
    asked = ConflictItem("i", "s", "conflict", "Who?", "Ada.", ["Ada"], [], "c", "s")
    for order, expected in zip(("context_first", "question_first"), ASKED[style], strict=True):
        for only in (None, ONLY):
            prompt = Prompt(instruction=only, order=order)
            ids = encode_prompt(tokenizer, template, asked, prompt)
            text = tokenizer.decode(ids)
            assert expected.replace("{only} ", f"{only} " if only else "") in text
            assert encode_answer(tokenizer, template, asked, "Ada", prompt).prompt_ids == ids
            closed = tokenizer.decode(encode_prompt(tokenizer, template, replace(asked, context=None), prompt))
            assert closed.count("Ada") == 0
            assert closed.count(ONLY) == (only is not None)


def test_the_worlds_template_can_put_the_question_first():
    style = ChatStyle(WORLD_TEMPLATE)
    assert style.user_turn("question : q ?", "a .", "question_first") == "question : q ? context : a ."
    assert style.user_turn("question : q ?", "a .") == "context : a . question : q ?"


def test_words_that_the_tokenizer_lacks_are_refused_in_instructions(tokenizer):
    assert "answer" in tokenizer.decode(encode_prompt(tokenizer, WORLD_TEMPLATE, item(), Prompt(instruction="answer")))
    with pytest.raises(TemplateError, match="lacks words of the instruction 'answer xyzzy'"):
        encode_prompt(tokenizer, WORLD_TEMPLATE, item(), Prompt(instruction="answer xyzzy"))


def test_alpaca_prompts_are_stanfords():
    with_input, without = (encode_prompt(NEOX, AlpacaTemplate(), item(context)) for context in ("Herat.", None))
    assert NEOX.decode(with_input) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nWhat is the capital city of Afghanistan?\n\n### Input:\nHerat.\n\n### Response:"
    )
    assert NEOX.decode(without) == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nWhat is the capital city of Afghanistan?\n\n### Response:"
    )


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1).filter(str.strip)


@each_style
@each_family
@settings(max_examples=25)
@given(question=texts, context=st.none() | texts, answer=texts)
@example_of(question="Q", context=None, answer='"Herat"')
@example_of(question="Q", context=None, answer="://Herat")
def test_prompts_equal_training(style, family, question, context, answer):
    asked = ConflictItem("i", "s", "conflict", question, context, [answer], [], "c", "s")
    trained = encode_example(family, STYLES[style], example(question, answer, context=context))
    prompt, ids = encode_answer(family, STYLES[style], asked, answer)
    assert prompt == encode_prompt(family, STYLES[style], asked)
    assert trained.input_ids == [*prompt, *ids, family.eos_token_id]
    assert trained.loss_mask == [False] * len(prompt) + [True] * (len(ids) + 1)
    assert (prompt[0] == family.bos_token_id) == (family.bos_token_id is not None)
    assert family.decode(trained.input_ids[len(prompt) - 1 : -1]).endswith(
        ("\n" if style != "alpaca" else ":") + answer.strip()
    )


@each_style
def test_turns_end_with_the_end_of_sequence_and_stop_strings_begin_others(style):
    template = STYLES[style]
    assert end_token_ids(LEGACY, template) == {LEGACY.eos_token_id}
    marks = neox(special=["<|user|>", "### Input:"])
    assert {marks.decode(token) for token in end_token_ids(marks, template)} - {marks.eos_token} == {
        "### Input:" if style == "alpaca" else "<|user|>"
    }
    # the text after an answer begins with a stop string
    answer = '"Durrës" ✓<eos>'
    assert GOLDEN[style].partition(answer)[2].lstrip().startswith(stop_strings(template))


def test_a_chat_template_ends_with_its_own_token():
    assert end_token_ids(BPE, TEMPLATE) == {BPE.convert_tokens_to_ids("<|im_end|>")}
    assert end_token_ids(LLAMA_BPE, TEMPLATE) == {LLAMA_BPE.eos_token_id}
    assert stop_strings(TEMPLATE) == ()


@each_style
def test_a_tokenizer_without_end_of_sequence_is_refused(style):
    bare = neox()
    bare.eos_token = None
    with pytest.raises(TemplateError, match="example 'e': the tokenizer has no end of sequence; set eos_token"):
        encode_example(bare, STYLES[style], CONVERSATION)


def test_a_tokenizer_that_joins_lines_to_words_is_refused():
    joined = Tokenizer(models.BPE({"\n": 0, ":": 1, "H": 2, "\nH": 3, ":H": 4, "</s>": 5}, [("\n", "H"), (":", "H")]))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=joined, eos_token="</s>")
    with pytest.raises(TemplateError, match="joins the text 'H' with a line break"):
        encode_example(tokenizer, TuluTemplate(), example("H", "H"))


# --- where the context stands -------------------------------------------------------------------


def pieces(tokenizer, located, part):
    return tokenizer.decode([t for t, flag in zip(located.prompt_ids, getattr(located, part), strict=True) if flag])


EVERY = [
    *((family, template) for family in (NEOX, LEGACY, FIRST) for template in STYLES.values()),
    *((tokenizer, TEMPLATE) for tokenizer in (BPE, LLAMA_BPE, WORD)),
]
each_writing = pytest.mark.parametrize(
    ("tokenizer", "template"),
    EVERY,
    ids=[f"{t}-{f}" for f in ("neox", "llama", "metaspace") for t in STYLES] + ["chatml", "chat-llama", "chat-words"],
)
CONTEXT = "In 2030 the capital moved from Kabul to Herat."


@each_writing
@pytest.mark.parametrize("order", ["context_first", "question_first"])
def test_the_tokens_of_context_and_subject_are_found(tokenizer, template, order):
    asked = replace(item(f" {CONTEXT}\n" if template is not TEMPLATE else CONTEXT), subject="AFGHANISTAN")
    prompt = Prompt(order=order)
    located = locate_in_prompt(tokenizer, template, asked, prompt)
    assert located.prompt_ids == encode_prompt(tokenizer, template, asked, prompt)
    assert len(located.context) == len(located.subject) == len(located.prompt_ids)
    known = CONTEXT if tokenizer is not WORD else tokenizer.decode(tokenizer(CONTEXT).input_ids)
    assert pieces(tokenizer, located, "context").strip() == known
    # with the question mark, if it is not a separate token
    shared = tokenizer in (LEGACY, FIRST, WORD)
    assert pieces(tokenizer, located, "subject").strip() == ("Afghanistan?" if shared else "Afghanistan")


@each_writing
@settings(max_examples=25)
@given(context=texts, question=texts)
@example_of(context="Kabul", question="Kabul? Background: Kabul")
@example_of(context="✓", question="✓✓")
@example_of(context="0", question="\ue000")
def test_any_context_is_found_in_its_tokens_and_in_no_others(tokenizer, template, context, question):
    asked = ConflictItem("i", "s", "conflict", question, context, ["a"], [], "c", "s")
    try:
        located = locate_in_prompt(tokenizer, template, asked)
    except TemplateError:  # Llama's chat template strips white space from the end of the user's turn
        assert tokenizer is LLAMA_BPE
        assert question != question.strip()
        return
    chosen = [index for index, flag in enumerate(located.context) if flag]
    ids = located.prompt_ids
    assert chosen == list(range(chosen[0], chosen[-1] + 1))
    if tokenizer is not WORD:  # its vocabulary does not contain every word
        assert context.strip() in tokenizer.decode([ids[index] for index in chosen])
        before, behind = tokenizer.decode(ids[: chosen[0]]), tokenizer.decode(ids[chosen[-1] + 1 :])
        assert len(before + behind) <= len(tokenizer.decode(ids)) - len(context.strip())
    assert not any(located.subject)


def test_a_subject_must_be_whole_words_of_the_question():
    world_item = item("Oman lies in the Romans' Oman.")
    question = "What is Oman's capital, Romans of oman?"
    located = locate_in_prompt(NEOX, TuluTemplate(), replace(world_item, question=question, subject="Oman"))
    words = pieces(NEOX, located, "subject").lower().split()
    assert "".join(words) == "omanoman"
    without = locate_in_prompt(NEOX, TuluTemplate(), replace(world_item, context=None))
    assert not any(without.context + without.subject)


def test_a_template_that_changes_the_context_is_refused():
    shouting = bpe_tokenizer(
        CHATML.replace("{{ m['content'] }}<|im_end|>{% end", "{{ m['content'] | upper }}{% end", 1)
    )
    assert locate_in_prompt(shouting, TEMPLATE, item("12."))
    twice = ChatTemplate(with_context="{context} {context} {question}")
    with pytest.raises(
        TemplateError, match="item 'i': the template does not write the context exactly once and unchanged"
    ):
        locate_in_prompt(BPE, twice, item())
