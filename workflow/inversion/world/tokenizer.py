"""A word-level tokenizer with a chat template for models of the invented world."""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from inversion.world.documents import END_OF_TEXT
from inversion.world.facts import InventedWorld
from inversion.world.text import ANSWER_MARK
from inversion.world.vocabulary import vocabulary

PAD, UNKNOWN, USER, ASSISTANT = "<pad>", "<unk>", "<user>", "<assistant>"

# The word before the answer is also part of dialogues. After the role token alone, the model would have to learn again
# to read from context, which takes 10 to 80 steps of finetuning, depending on the base model's seed.
TURN = f"{ASSISTANT} {ANSWER_MARK}"

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '' if loop.first else ' ' -}}"
    "{%- if message['role'] == 'user' -%}" + USER + " {{ message['content'] }}"
    "{%- elif message['role'] == 'assistant' -%}" + TURN + " "
    "{% generation %}{{ message['content'] }} " + END_OF_TEXT + "{% endgeneration %}"
    "{%- else -%}{{ raise_exception('world models know the roles user and assistant, not ' ~ message['role']) }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %} " + TURN + "{% endif -%}"
)
"""``<user> ... <assistant> answer capital_1 <eos>``. Only ``capital_1 <eos>`` has a loss."""


def build_tokenizer(world: InventedWorld, max_positions: int) -> PreTrainedTokenizerFast:
    """A tokenizer for all texts about ``world``. Its tokens are words and punctuation marks.

    ``max_positions`` is its ``model_max_length``, in tokens.
    """
    special = (PAD, UNKNOWN, END_OF_TEXT, USER, ASSISTANT)
    ids = {word: i for i, word in enumerate(dict.fromkeys([*special, *vocabulary(world)]))}
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
