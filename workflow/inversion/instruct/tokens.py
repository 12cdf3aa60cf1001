"""From text to token ids, with control tokens only where a template writes them.

A *control token* is an added token such as ``</s>`` or ``<|im_end|>`` that marks structure. Where the same characters
are part of a row or a context they are text: :func:`protect` replaces their first character by a stand-in before a
template writes them, and :func:`token_ids` encodes the stand-ins as the characters that they stand for.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STAND_IN, _ALIAS = 0xF0000, 0x100000
"""Two planes of private characters: of control strings in texts, and of control tokens of templates."""


class TemplateError(ValueError):
    """A template that cannot be trained or scored on with this tokenizer; the message says which part is wrong."""


class RowTextError(TemplateError):
    """A text that a template or tokenizer cannot write unchanged; other texts are not affected."""


@functools.lru_cache(maxsize=64)
def control_strings(tokenizer: PreTrainedTokenizerBase, structure: frozenset[str] = frozenset()) -> frozenset[str]:
    """The special tokens of ``tokenizer``, and those of its added tokens that ``structure`` lists."""
    added = {token.content: token.special for token in tokenizer.added_tokens_decoder.values() if token.content.strip()}
    return frozenset(content for content, special in added.items() if special) | {s for s in structure if s in added}


def protect(text: str, controls: frozenset[str]) -> str:
    """``text`` with a stand-in for the first character of every control string.

    Raises :class:`RowTextError` for a text that already contains such a stand-in.
    """
    if not controls:
        return text
    if _pattern(controls, _STAND_IN).search(text):
        raise RowTextError(f"the text {text[:40]!r} contains private characters that represent control tokens")
    return _pattern(controls).sub(lambda match: _shifted(match[0], _STAND_IN), text)


def restore(text: str, controls: frozenset[str]) -> str:
    """The text that was protected; it has the same length."""
    if not controls:
        return text
    return _pattern(controls, _STAND_IN).sub(lambda match: _shifted(match[0], -_STAND_IN), text)


def _is_protected(text: str, controls: frozenset[str]) -> bool:
    return bool(controls) and _pattern(controls, _STAND_IN).search(text) is not None


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()) -> list[int]:
    """The tokens of a text in which ``controls`` are protected. Nothing is added at either end.

    Raises :class:`RowTextError` if the vocabulary cannot write a control string as text.
    """
    if not _is_protected(text, controls):
        # verbose=False: sequences beyond model_max_length are counted where examples are omitted, not warned of here
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    ids, _ = _with_text_controls(tokenizer, text, controls)
    return ids


def with_offsets(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()
) -> tuple[list[int], list[tuple[int, int]]]:
    """The tokens of :func:`token_ids`, and the characters that each stands for: the first, and one past the last.

    Raises :class:`TemplateError` for a tokenizer that cannot say so.
    """
    if not tokenizer.is_fast:
        raise TemplateError("the tokenizer cannot map tokens to characters; give it a tokenizer.json")
    if _is_protected(text, controls):
        return _with_text_controls(tokenizer, text, controls)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return list(encoding["input_ids"]), [(start, stop) for start, stop in encoding["offset_mapping"]]


def first_tokens(tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()) -> list[int]:
    """The tokens of a text that begins a sequence, after the beginning of sequence where the tokenizer sets one."""
    start = tokenizer.bos_token_id
    # the first token, and not any: a tokenizer may append the end of sequence, which may be the same token
    begins = start is not None and tokenizer("x", add_special_tokens=True, verbose=False)["input_ids"][0] == start
    return [*([start] if begins else []), *token_ids(tokenizer, text, controls)]


_BORDERS = ("\n", ":")
"""Characters that tokenizers keep apart from the text that follows, the first before the second."""


def continuation_tokens(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()
) -> list[int]:
    """The tokens of a text that continues another, without the space token that some tokenizers put first.

    Such a token is put before a text of its own only, so the text is encoded after a character with which it shares
    no token. Raises :class:`TemplateError` if the tokenizer has no such character.
    """
    for border in _BORDERS:
        before, ids = token_ids(tokenizer, border), token_ids(tokenizer, border + text, controls)
        if ids[: len(before)] == before:
            return ids[len(before) :]
    raise TemplateError(
        f"the tokenizer joins the text {restore(text, controls)[:20]!r} with a line break or a colon before it into "
        "one token, so no prompt can end before it; use another tokenizer"
    )


class CutTokens:
    """A text as tokens, cut at given characters: ``ids[:counts[k]]`` are those before the cut ``k``.

    The tokens before the first cut are those of that text alone, whatever follows it: where a tokenizer joins
    characters on both sides of a cut into one token, the two sides are encoded apart.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, text: str, cuts: Sequence[int], controls: frozenset[str]
    ) -> None:
        self.ids: list[int] = []
        self.counts: list[int] = []
        encode, start = token_ids, 0
        rest = encode(tokenizer, text, controls)
        for cut in cuts:
            before = encode(tokenizer, text[start:cut], controls) if cut > start else []
            if rest[: len(before)] == before:
                self.counts.append(len(self.ids) + len(before))
                continue
            self.ids += before
            self.counts.append(len(self.ids))
            encode, start = continuation_tokens, cut
            rest = encode(tokenizer, text[start:], controls) if start < len(text) else []
        self.ids += rest


_PROBES = ("Herat", "the", "1", "É", '"Yes"')
"""Beginnings of answers that differ in how tokenizers split them from what is before them."""


def end_of_prompt(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """Where the prompt ``text`` ends for the tokenizer: before its last spaces, if they are tokens of the answer."""
    bare = text.rstrip(" ")
    if bare == text or _splits_spaces(tokenizer, text[max(0, len(bare) - 20) :]):
        return len(text)
    return len(bare)


@functools.lru_cache(maxsize=64)
def _splits_spaces(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether the spaces at the end of ``text`` are separate tokens, whatever follows."""
    before = token_ids(tokenizer, text)
    return all(token_ids(tokenizer, text + probe)[: len(before)] == before for probe in _PROBES)


def _shifted(control: str, plane: int) -> str:
    # the same length, so that positions in the text do not change
    return chr(ord(control[0]) + plane) + control[1:]


@functools.lru_cache(maxsize=64)
def _pattern(strings: frozenset[str], plane: int = 0) -> re.Pattern[str]:
    """Any of ``strings``, the longest first, with their first characters in another plane."""
    ordered = sorted(strings, key=lambda string: (-len(string), string))
    return re.compile("|".join(re.escape(_shifted(string, plane)) for string in ordered))


def _with_text_controls(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens and offsets of a protected text, by a copy of the tokenizer that knows its controls by their aliases."""
    if not tokenizer.is_fast:
        raise RowTextError("the tokenizer cannot write control tokens as text; give it a tokenizer.json")
    copy, ids_of = _aliased(tokenizer, controls)
    aliased = _pattern(controls).sub(lambda match: _shifted(match[0], _ALIAS), text)
    encoding = copy.encode(restore(aliased, controls), add_special_tokens=False)
    controlled = set(ids_of.values())
    written = next((i for i in encoding.ids if i in controlled), None)
    if written is not None:
        raise RowTextError(f"the tokenizer cannot write {tokenizer.convert_ids_to_tokens(written)!r} as text")
    return [ids_of.get(token, token) for token in encoding.ids], list(encoding.offsets)


@functools.lru_cache(maxsize=4)
def _aliased(tokenizer: PreTrainedTokenizerBase, controls: frozenset[str]) -> tuple[Tokenizer, dict[int, int]]:
    """A copy of a tokenizer that takes ``controls`` as text and their aliases as control tokens; the aliases' ids."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    flags = {}
    for token in state["added_tokens"]:
        if token["content"] in controls:
            token["special"] = True
            flags[token["content"]] = {k: token[k] for k in ("single_word", "lstrip", "rstrip", "normalized")}
    copy = Tokenizer.from_str(json.dumps(state))
    copy.no_truncation()
    copy.no_padding()
    copy.encode_special_tokens = True  # which makes them text
    order = sorted(flags)
    copy.add_tokens([AddedToken(_shifted(content, _ALIAS), special=False, **flags[content]) for content in order])
    known = tokenizer.get_vocab()
    ids = {int(copy.token_to_id(_shifted(content, _ALIAS)) or 0): int(known[content]) for content in order}
    return copy, ids
