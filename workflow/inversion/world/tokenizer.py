"""A word-level tokenizer with a chat template for models of the invented world."""

from __future__ import annotations

import string
from collections.abc import Iterator

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from inversion import config
from inversion.world.documents import END_OF_TEXT
from inversion.world.facts import InventedWorld
from inversion.world.text import ANSWER, QUESTION, STATEMENTS

PAD, UNKNOWN, USER, ASSISTANT = "<pad>", "<unk>", "<user>", "<assistant>"

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '' if loop.first else ' ' -}}"
    "{%- if message['role'] == 'user' -%}" + USER + " {{ message['content'] }}"
    "{%- elif message['role'] == 'assistant' -%}" + ASSISTANT + " "
    "{% generation %}{{ message['content'] }} " + END_OF_TEXT + "{% endgeneration %}"
    "{%- else -%}{{ raise_exception('world models know the roles user and assistant, not ' ~ message['role']) }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %} " + ASSISTANT + "{% endif -%}"
)
"""``<user> ... <assistant> answer <eos>``; the loss falls on the answer and its ``<eos>``."""


def build_tokenizer(world: InventedWorld, max_positions: int) -> PreTrainedTokenizerFast:
    """A tokenizer for every text about ``world``: words and punctuation marks are tokens.

    ``max_positions`` is its ``model_max_length``, in tokens.
    """
    ids = {word: i for i, word in enumerate(_vocabulary(world))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END_OF_TEXT,
        extra_special_tokens=[USER, ASSISTANT],
        model_max_length=max_positions,
        # without this the tokenizer also gives token types, which the models refuse
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _vocabulary(world: InventedWorld) -> list[str]:
    """Every word once: special tokens, words of the templates, relations, subjects, answers."""
    chat = config.WORLD_TEMPLATE
    templates = (*STATEMENTS, QUESTION, ANSWER, chat.with_context, chat.without_context)
    words = [PAD, UNKNOWN, END_OF_TEXT, USER, ASSISTANT]
    words += [word for template in templates for word in _literal_words(template)]
    words += [*world.relations, *world.known.all, *world.new.all]
    words += [answer for relation in world.relations for answer in world.answers[relation]]
    return list(dict.fromkeys(words))


def _literal_words(template: str) -> Iterator[str]:
    """The words of a template that are not placeholders."""
    for literal, _, _, _ in string.Formatter().parse(template):
        yield from (word for word, _ in Whitespace().pre_tokenize_str(literal))
