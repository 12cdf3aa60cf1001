"""Converts text to token ids. Only templates can write control tokens.

A *control token* is an added token such as ``</s>`` or ``<|im_end|>`` that marks structure. The same characters in a
row or a context are ordinary text. :func:`protect` replaces their first character by a stand-in before a template
writes them, and :func:`token_ids` encodes the stand-ins as the original characters.
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
"""Offsets of two planes of private characters: stand-ins in texts, and aliases of the control tokens of templates."""


class TemplateError(ValueError):
    """A template cannot be used with this tokenizer. The message says which part is wrong."""


class RowTextError(TemplateError):
    """A template or tokenizer cannot write one text unchanged. Other texts are not affected."""


@functools.lru_cache(maxsize=64)
def control_strings(tokenizer: PreTrainedTokenizerBase, structure: frozenset[str] = frozenset()) -> frozenset[str]:
    """The special tokens of ``tokenizer``, and its added tokens that are in ``structure``."""
    added = {token.content: token.special for token in tokenizer.added_tokens_decoder.values() if token.content.strip()}
    return frozenset(content for content, special in added.items() if special) | {s for s in structure if s in added}


def protect(text: str, controls: frozenset[str]) -> str:
    """``text`` with a stand-in for the first character of every control string.

    Raises :class:`RowTextError` if the text already contains a stand-in.
    """
    if not controls:
        return text
    if _pattern(controls, _STAND_IN).search(text):
        raise RowTextError(f"the text {text[:40]!r} contains private characters that represent control tokens")
    return _pattern(controls).sub(lambda match: _shifted(match[0], _STAND_IN), text)


def restore(text: str, controls: frozenset[str]) -> str:
    """The original of a protected text. It has the same length."""
    if not controls:
        return text
    return _pattern(controls, _STAND_IN).sub(lambda match: _shifted(match[0], -_STAND_IN), text)


def _is_protected(text: str, controls: frozenset[str]) -> bool:
    return bool(controls) and _pattern(controls, _STAND_IN).search(text) is not None


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()) -> list[int]:
    """The tokens of a text in which ``controls`` are protected. No special tokens are added at its ends.

    Raises :class:`RowTextError` if the vocabulary cannot represent a control string as text.
    """
    if not _is_protected(text, controls):
        # verbose=False, because sequences beyond model_max_length are counted later, when examples are omitted
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    ids, _ = _with_text_controls(tokenizer, text, controls)
    return ids


def with_offsets(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()
) -> tuple[list[int], list[tuple[int, int]]]:
    """The tokens of :func:`token_ids`, and the half-open span of characters of each.

    Raises :class:`TemplateError` if the tokenizer does not give these spans.
    """
    if not tokenizer.is_fast:
        raise TemplateError("the tokenizer cannot map tokens to characters; give it a tokenizer.json")
    if _is_protected(text, controls):
        return _with_text_controls(tokenizer, text, controls)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return list(encoding["input_ids"]), [(start, stop) for start, stop in encoding["offset_mapping"]]


def first_tokens(tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()) -> list[int]:
    """The tokens of a text at the beginning of a sequence, after the beginning-of-sequence token if the tokenizer adds
    one."""
    start = tokenizer.bos_token_id
    # only the first token counts, because some tokenizers append an end of sequence that is the same token
    begins = start is not None and tokenizer("x", add_special_tokens=True, verbose=False)["input_ids"][0] == start
    return [*([start] if begins else []), *token_ids(tokenizer, text, controls)]


_BORDERS = ("\n", ":")
"""Characters that tokenizers do not merge with the text that follows, in order of preference."""


def continuation_tokens(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str] = frozenset()
) -> list[int]:
    """The tokens of a text that continues another, without the space token that some tokenizers put at the beginning.

    Tokenizers add this token only at the very beginning, so the text is encoded after a character with which it shares
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
    """The tokens of a text that is cut at given characters. ``ids[:counts[k]]`` are the tokens before the cut ``k``.

    The tokens before the first cut do not depend on what follows it: if the tokenizer would merge characters on both
    sides into one token, the two sides are encoded separately.
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
"""Beginnings of answers that tokenizers separate from the text before them in different ways."""


def end_of_prompt(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """Where the prompt ``text`` ends: before its last spaces, if the tokenizer merges them with the answer."""
    bare = text.rstrip(" ")
    if bare == text or _splits_spaces(tokenizer, text[max(0, len(bare) - 20) :]):
        return len(text)
    return len(bare)


@functools.lru_cache(maxsize=64)
def _splits_spaces(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether the spaces at the end of ``text`` are separate tokens whatever follows."""
    before = token_ids(tokenizer, text)
    return all(token_ids(tokenizer, text + probe)[: len(before)] == before for probe in _PROBES)


def _shifted(control: str, plane: int) -> str:
    # the length stays the same, so that positions in the text do not change
    return chr(ord(control[0]) + plane) + control[1:]


@functools.lru_cache(maxsize=64)
def _pattern(strings: frozenset[str], plane: int = 0) -> re.Pattern[str]:
    """A pattern that matches any of ``strings``, the longest first, with their first characters shifted by
    ``plane``."""
    ordered = sorted(strings, key=lambda string: (-len(string), string))
    return re.compile("|".join(re.escape(_shifted(string, plane)) for string in ordered))


def _with_text_controls(
    tokenizer: PreTrainedTokenizerBase, text: str, controls: frozenset[str]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens and offsets of a protected text, from a copy of the tokenizer in which control tokens have aliases."""
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
    """A copy of a tokenizer that reads ``controls`` as text and their aliases as control tokens, and a map from the ids
    of the aliases to those of the control tokens."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    flags = {}
    for token in state["added_tokens"]:
        if token["content"] in controls:
            token["special"] = True
            flags[token["content"]] = {k: token[k] for k in ("single_word", "lstrip", "rstrip", "normalized")}
    copy = Tokenizer.from_str(json.dumps(state))
    copy.no_truncation()
    copy.no_padding()
    copy.encode_special_tokens = True  # special tokens in the text are encoded as text
    order = sorted(flags)
    copy.add_tokens([AddedToken(_shifted(content, _ALIAS), special=False, **flags[content]) for content in order])
    known = tokenizer.get_vocab()
    ids = {int(copy.token_to_id(_shifted(content, _ALIAS)) or 0): int(known[content]) for content in order}
    return copy, ids
