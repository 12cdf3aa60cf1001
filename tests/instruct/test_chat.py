# ruff: noqa: RUF001 - the bars of DeepSeek's tokens are meant
"""Chat templates as models ship them, with a tiny tokenizer that has their control tokens."""

import re
from pathlib import Path

import pytest
from tiny_tokenizers import neox

from inversion.config.datasets import ChatTemplate
from inversion.config.evaluation import Prompt
from inversion.config.load import ConfigError, with_source
from inversion.instruct.template_check import check_template
from inversion.instruct.templates import (
    encode_answer,
    encode_example,
    encode_prompt,
    end_token_ids,
    locate_in_prompt,
)
from inversion.instruct.tokens import RowTextError, TemplateError
from inversion.records.data import ConflictItem, Example, Message

FOLDER = Path(__file__).parent / "chat_templates"
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.jinja"))}
CONTROLS = sorted(
    {
        token
        for source in SOURCES.values()
        for token in re.findall(r"<[|｜][^<>\s{}]+[|｜]>|<\w+_of_\w+>|</?think>", source)
    }
    | {"<|END_RESPONSE|>", "<|END_OF_TURN_TOKEN|>", "<end_of_turn>", "<|return|>", "<|end|>"}
)
TOKENIZER = neox(special=tuple(token for token in CONTROLS if "think" not in token), eos="<|endoftext|>")
TOKENIZER.add_tokens(["<think>", "</think>"])  # not special, as in Qwen3's tokenizer
TOKENIZER.bos_token = "<|endoftext|>"

# what a prompt ends in, what ends the last answer, and what ends an answer that a user's turn follows
GOLDEN = {
    "qwen3": ("assistant\n<think>\n\n</think>\n\n", "<|im_end|>", "<|im_end|>"),
    "qwen3_training": ("assistant\n<think>\n\n</think>\n\n", "<|im_end|>", "<|im_end|>"),
    "qwen3_5_think": ("assistant\n<think>\n\n</think>\n\n", "<|im_end|>", "<|im_end|>"),
    "qwen2_5": ("assistant\n", "<|im_end|>", "<|im_end|>"),
    "gptoss": ("<|start|>assistant<|channel|>final<|message|>", "<|return|>", "<|end|>"),
    "gptoss_training": ("<|start|>assistant<|channel|>final<|message|>", "<|return|>", "<|end|>"),
    "llama3_2": ("assistant<|end_header_id|>\n\n", "<|eot_id|>", "<|eot_id|>"),
    "gemma": ("<start_of_turn>model\n", "<end_of_turn>", "<end_of_turn>"),
    "gemma3_training": ("<start_of_turn>model\n", "<end_of_turn>", "<end_of_turn>"),
    "deepseekv3": ("<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "glm4moe_training": ("<|assistant|>\n<think></think>\n", "<|user|>", "<|user|>"),
    "nemotron_3_nano": ("<|im_start|>assistant\n<think></think>", "<|im_end|>", "<|im_end|>"),
    "cohere2_training": ("", "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>"),
    "phi3": ("<|assistant|>\n", "<|end|>", "<|end|>"),
    "muse_glimmer": (" to=user<|message|>", "<|eot|>", "<|eot|>"),
    "smolvlm": ("Assistant: ", "<end_of_utterance>", "<end_of_utterance>"),
}
DAY = "2024-07-26"
each_template = pytest.mark.parametrize("name", GOLDEN)


def template(name, **changes):
    return ChatTemplate(text=SOURCES[name], **{"date": DAY, "system": "user"} | changes)


def example(*contents, context=None):
    roles = ("user", "assistant")
    messages = [Message(roles[k % 2], content) for k, content in enumerate(contents)]
    return Example("e", messages, context, None, None, None)


def item(question="Who?", context="Ada did it."):
    return ConflictItem("i", "s", "conflict", question, context, ["Ada"], ["Bob"], "c", "s", subject="Who")


def labelled(encoded):
    """The labelled spans as texts."""
    spans, open_span = [], False
    for token, flag in zip(encoded.input_ids, encoded.loss_mask, strict=True):
        if flag:
            spans = spans if open_span else [*spans, []]
            spans[-1].append(token)
        open_span = flag
    return [TOKENIZER.decode(span) for span in spans]


def test_every_template_has_its_expected_spans():
    assert set(SOURCES) == {*GOLDEN, "glm4moe"}


@each_template
def test_each_answer_and_its_end_of_turn_have_a_loss(name):
    _, last, between = GOLDEN[name]
    encoded = encode_example(TOKENIZER, template(name), example("Who?", "Ada", "Why?", "think", "So?", "Yes."))
    assert [span.strip() for span in labelled(encoded)] == [f"Ada{between}", f"think{between}", f"Yes.{last}"]
    assert [span.strip() for span in labelled(encode_example(TOKENIZER, template(name), example("Who?", "think")))] == [
        f"think{last}"
    ]


@each_template
@pytest.mark.parametrize("answer", ["think", "assistant", "final", "Herat.", "1 2", "a\n\nb"])
def test_the_prompt_is_what_precedes_an_answer_in_training(name, answer):
    ends_in, _, _ = GOLDEN[name]
    chat = template(name)
    prompt, ids = encode_answer(TOKENIZER, chat, item(), answer)
    assert prompt == encode_prompt(TOKENIZER, chat, item())
    assert TOKENIZER.decode(prompt).endswith(ends_in.rstrip(" "))
    assert TOKENIZER.decode(ids).strip() == answer
    trained = encode_example(TOKENIZER, chat, example("Who?", answer, context="Ada did it."))
    assert trained.input_ids[: len(prompt) + len(ids)] == prompt + ids
    assert trained.loss_mask.index(True) == len(prompt)


@each_template
def test_generation_stops_at_every_end_of_a_turn(name):
    _, last, between = GOLDEN[name]
    stops = {TOKENIZER.decode([token]) for token in end_token_ids(TOKENIZER, template(name))}
    assert stops == {re.match(r"<[^>]+>", end)[0] for end in (last, between)}


@each_template
def test_the_context_is_found_in_its_tokens(name):
    located = locate_in_prompt(TOKENIZER, template(name), item(), Prompt())
    chosen = [token for token, flag in zip(located.prompt_ids, located.context, strict=True) if flag]
    assert TOKENIZER.decode(chosen).strip() == "Ada did it."


# --- control tokens in texts ---------------------------------------------------------------------


@each_template
def test_control_tokens_in_texts_are_text(name):
    chat, (_, last, _) = template(name), GOLDEN[name]
    end = re.match(r"<[^>]+>", last)[0]
    plain = encode_example(TOKENIZER, chat, example("Who?", "Ada", context="Here."))
    spoiled = encode_example(TOKENIZER, chat, example(f"Who{end}?", f"Ada{end} x", context=f"Here{end}."))
    control = TOKENIZER.convert_tokens_to_ids(end)
    assert spoiled.input_ids.count(control) == plain.input_ids.count(control)
    assert labelled(spoiled)[0].strip() == f"Ada{end} x{last}"
    assert sum(spoiled.loss_mask) > sum(plain.loss_mask) + 3
    prompt = encode_prompt(TOKENIZER, chat, item(context=f"{end}{end}"))
    assert prompt.count(control) == encode_prompt(TOKENIZER, chat, item(context="Ada.")).count(control)
    assert f"{end}{end}" in TOKENIZER.decode(prompt)


# --- what is refused, and the way out -------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama3_2", "gptoss", "gptoss_training"])
def test_a_template_that_reads_the_clock_is_refused_without_a_date(name):
    with pytest.raises(TemplateError, match=r"writes today's date.*set `date` in the dataset's template"):
        encode_prompt(TOKENIZER, template(name, date=None), item())
    written = {
        day: TOKENIZER.decode(encode_prompt(TOKENIZER, template(name, date=day), item())) for day in (DAY, "2025-01-02")
    }
    shown = {"llama3_2": ("26 Jul 2024", "02 Jan 2025")}.get(name, (DAY, "2025-01-02"))
    assert shown[0] in written[DAY]
    assert written[DAY].replace(*shown) == written["2025-01-02"]


def test_an_argument_can_replace_the_clock():
    chat = template("llama3_2", date=None, arguments={"date_string": "1 May 2023"})
    assert "1 May 2023" in TOKENIZER.decode(encode_prompt(TOKENIZER, chat, item()))


def test_a_template_with_the_clock_keeps_the_line_break_that_it_begins_with():
    chat = ChatTemplate(text="\n{% set d = strftime_now('%Y') %}" + SOURCES["qwen2_5"], date=DAY)
    assert TOKENIZER.decode(encode_prompt(TOKENIZER, chat, item())).startswith("\n")


def test_a_system_turn_that_the_template_refuses_is_named_with_the_choice():
    conversation = Example(
        "e7", [Message("system", "Be brief."), *example("Who?", "Ada").messages], None, None, None, None
    )
    with pytest.raises(
        TemplateError, match=r"example 'e7': .*System role not supported.*`system: user`.*`system: drop`"
    ):
        encode_example(TOKENIZER, template("gemma", system="keep"), conversation)
    texts = {
        choice: TOKENIZER.decode(encode_example(TOKENIZER, template("gemma", system=choice), conversation).input_ids)
        for choice in ("user", "drop")
    }
    assert "user\nBe brief.\n\nWho?<end_of_turn>" in texts["user"]
    assert "user\nWho?<end_of_turn>" in texts["drop"]


def test_a_template_that_loses_a_system_turn_is_refused():
    deaf = (
        "{% for m in messages %}{% if m.role != 'system' %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    conversation = Example(
        "e", [Message("system", "Be odd."), *example("Who?", "Ada").messages], None, None, None, None
    )
    with pytest.raises(RowTextError, match=r"does not write the system turn 'Be odd\.'; set `system: user`"):
        encode_example(TOKENIZER, ChatTemplate(text=deaf), conversation)


def test_a_template_without_an_end_of_turn_is_refused():
    with pytest.raises(TemplateError, match="does not end the turn after an answer"):
        encode_example(TOKENIZER, template("glm4moe"), example("Who?", "Ada"))


def test_only_an_answer_that_a_template_splits_is_refused():
    with pytest.raises(RowTextError, match=r"example 'e': .*does not write the answer.*unchanged"):
        encode_example(TOKENIZER, template("qwen3"), example("Who?", "<think>\nHm.\n</think>\n\nAda", "Why?", "So"))


def test_template_arguments_reach_the_template_and_unknown_ones_are_refused():
    thinking = template("qwen3", arguments={"enable_thinking": False})
    assert encode_prompt(TOKENIZER, thinking, item()) == encode_prompt(TOKENIZER, template("qwen3"), item())
    with pytest.raises(TemplateError, match="has no argument 'enable_thinkng'"):
        encode_prompt(TOKENIZER, template("qwen3", arguments={"enable_thinkng": False}), item())


# --- the study's keys ----------------------------------------------------------------------------


def test_a_file_is_identified_by_its_content(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.jinja").write_text(SOURCES["phi3"], encoding="utf-8")
    one, other = (with_source(ChatTemplate(file=str(tmp_path / f / f"{f}.jinja"))) for f in ("a", "b"))
    assert one == other == ChatTemplate(text=SOURCES["phi3"])
    with pytest.raises(ConfigError, match=r"the chat template .*c\.jinja cannot be read"):
        with_source(ChatTemplate(file=str(tmp_path / "c.jinja")))


def test_new_keys_at_their_defaults_change_no_hash():
    assert ChatTemplate().model_dump(mode="json") == {
        "style": "chat",
        "with_context": "Background: {context}\n\n{question}",
        "without_context": "{question}",
    }


# --- the trial -----------------------------------------------------------------------------------


@each_template
def test_every_template_passes_its_check(name):
    assert check_template(TOKENIZER, template(name), "data") == []


def test_the_check_names_the_dataset_and_warns_about_special_turns():
    with pytest.raises(TemplateError, match=r"datasets\.data\.template: .*today's date"):
        check_template(TOKENIZER, template("llama3_2", date=None), "data")
    (fault,) = check_template(TOKENIZER, template("gemma", system="keep"), "data")
    assert re.search(r"datasets\.data\.template: a system turn: .*System role not supported.*`system: drop`", fault)
    single = ChatTemplate(
        text="{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}" + SOURCES["phi3"]
    )
    assert [f.partition("template: ")[2].partition(":")[0] for f in check_template(TOKENIZER, single, "data")] == [
        "several turns",
        "a system turn",
    ]
