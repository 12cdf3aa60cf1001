"""Loads the tokenizer in a model's folder with exactly the token ids of its files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

log = logging.getLogger(__name__)

_PROBES = (
    "Hello world, don't  you?\n\n 12345 éß 日本\t✓ x",
    " x",
    "x",
    "capital_1 is\nthe Capital of COUNTRY-22: 'a' (b)",
)
"""Texts that different tokenizers split differently: repeated white space, digits, accents, other scripts and
punctuation."""


class ModelError(ValueError):
    """A base model or checkpoint cannot be used. The message names it and the fix."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none. If a model needs its own code, our wording is
    used."""
    text = str(error).strip()
    if "trust_remote_code" in text:
        return (
            "it brings its own Python code, which is never run; use a model whose class the installed transformers "
            "has (and remove `auto_map` from its configuration if it needs no other)"
        )
    first, *others = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return f"{first} {others[0]}" if first.endswith(":") and others else first


def read_config(folder: str | Path) -> PretrainedConfig:
    """The model configuration in ``folder``. Code that it refers to is never run.

    Raises :class:`ModelError` if it is missing, or if values have the wrong types.
    """
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # values of the wrong types fail in any way
        raise ModelError(f"{folder} does not contain a model that can be loaded: {first_line(error)}") from None


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer saved in ``folder``, with a padding token.

    Its ids are those of the folder's ``tokenizer.json``. (The library rebuilds some tokenizers from the usual class of
    their model, which can give other ids.) It adds a beginning-of-sequence token if that file or ``add_bos_token`` in
    ``tokenizer_config.json`` says so. It never adds an end-of-sequence token, because one after a prompt would change
    every answer.

    Many base models have no padding token (Llama 2, Pythia, Mistral), or one without an embedding. Their
    end-of-sequence token is then used, or otherwise their unknown token. No embedding is added or changed, because
    attention masks and labels are computed from lengths, never from token ids. Raises :class:`ModelError` if there is
    no tokenizer, if it has none of the three tokens, or if it cannot be loaded with the ids of its file.
    """
    folder = Path(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # values of the wrong types fail in any way
        raise ModelError(
            f"{folder} does not contain a tokenizer that can be loaded: {_reason(folder, error)}"
        ) from None
    tokenizer = _as_in_its_file(tokenizer, folder)
    _set_ends(tokenizer, _settings(folder).get("add_bos_token") is True)
    _set_padding(tokenizer, folder)
    return tokenizer


def vocabulary_size(folder: str | Path) -> int | None:
    """The number of rows of the embedding of the model in ``folder``; None if its configuration does not give it."""
    try:
        config = read_config(folder)
    except ModelError:
        return None
    size = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    return size if isinstance(size, int) else None


def _reason(folder: Path, error: Exception) -> str:
    pieces = sorted(path.name for path in folder.glob("*.model"))
    if pieces and not (folder / "tokenizer.json").is_file():
        return (
            f"its only vocabulary is a SentencePiece file, {pieces[0]}; convert it where the package sentencepiece "
            "is installed (`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` writes tokenizer.json)"
        )
    if (folder / "tekken.json").is_file() and not (folder / "tokenizer.json").is_file():
        return (
            "its only vocabulary is Mistral's tekken.json; add the tokenizer.json of the same model, which "
            "`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` writes where mistral-common is installed"
        )
    return first_line(error)


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _as_in_its_file(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """``tokenizer``, or if its ids differ from the folder's ``tokenizer.json``, one that is loaded only from that
    file."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return tokenizer
    file = Tokenizer.from_file(str(path))
    file.no_truncation()
    file.no_padding()
    wanted = [file.encode(probe, add_special_tokens=False).ids for probe in _PROBES]

    def agrees(other: PreTrainedTokenizerBase) -> bool:
        try:
            return [list(other(probe, add_special_tokens=False)["input_ids"]) for probe in _PROBES] == wanted
        except Exception:  # a tokenizer that was built for another vocabulary fails in any way
            return False

    # the steps before the vocabulary are compared too, because two ways of splitting words can agree on all these texts
    if tokenizer.is_fast and _steps(tokenizer.backend_tokenizer) == _steps(file) and agrees(tokenizer):
        return tokenizer
    plain = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    if not agrees(plain):
        raise ModelError(
            f"the library gives token ids that differ from {path}; set `tokenizer_class` to "
            '"PreTrainedTokenizerFast" in its tokenizer_config.json'
        )
    log.warning("%s: read directly; as a %s it would give other ids", path, type(tokenizer).__name__)
    return plain


def _steps(tokenizer: Tokenizer) -> tuple[Any, ...]:
    """The normaliser, pre-tokenizer and model of a tokenizer, which determine how it splits text."""
    steps = [
        part and _splitting(json.loads(part.__getstate__())) for part in (tokenizer.normalizer, tokenizer.pre_tokenizer)
    ]
    flags = ("unk_token", "byte_fallback", "fuse_unk", "ignore_merges", "continuing_subword_prefix", "dropout")
    return (*steps, type(tokenizer.model), *(getattr(tokenizer.model, flag, None) for flag in flags))


def _splitting(step: Any) -> Any:
    """``step`` without its setting ``trim_offsets``, which does not affect how text is split. Its value in Qwen's files
    differs from that of the library's class."""
    if isinstance(step, dict):
        return {key: _splitting(value) for key, value in step.items() if key != "trim_offsets"}
    return [_splitting(part) for part in step] if isinstance(step, list) else step


def _set_ends(tokenizer: PreTrainedTokenizerBase, begins_by_settings: bool) -> None:
    """Let the tokenizer add a beginning of sequence if its file or settings say so, and never an end of sequence."""
    plain, full = (list(tokenizer("x", add_special_tokens=special)["input_ids"]) for special in (False, True))
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    begins = bos is not None and full[:1] == [bos] and full[1 : len(plain) + 1] == plain
    ends = eos is not None and len(full) > len(plain) + begins and full[-1] == eos
    wanted = begins or (begins_by_settings and bos is not None)
    if (begins, ends) == (wanted, False) or not tokenizer.is_fast:
        return
    bos_token = tokenizer.bos_token
    single = [f"{bos_token}:0", "$A:0"] if wanted else ["$A:0"]
    template = processors.TemplateProcessing(
        single=single,
        pair=[*single, "$B:1"],
        special_tokens=[(bos_token, bos)] if wanted else [],
    )
    tokenizer.backend_tokenizer.post_processor = template


def _set_padding(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    size = vocabulary_size(folder)

    def has_embedding(token_id: int | None) -> bool:
        return token_id is not None and (size is None or token_id < size)

    if has_embedding(tokenizer.pad_token_id):
        return
    for token, token_id in (
        (tokenizer.eos_token, tokenizer.eos_token_id),
        (tokenizer.unk_token, tokenizer.unk_token_id),
    ):
        if has_embedding(token_id):
            tokenizer.pad_token = token
            return
    raise ModelError(
        f"the tokenizer in {folder} has no pad token, nor an end of sequence or unknown token to pad with, that has an "
        "embedding; set pad_token in its tokenizer_config.json"
    )
