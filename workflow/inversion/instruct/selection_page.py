"""Writes a page per training set that shows which examples were kept, dropped and added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from inversion.config.recipes import ContextCriticalSelection, Indicator
from inversion.config.run import Run
from inversion.instruct.fact_finder import NameKind
from inversion.instruct.indicator import MarkedExamples
from inversion.instruct.selections import (
    SelectionInputs,
    SelectionStep,
    example_text,
    kept_examples,
    need_score,
    select,
)
from inversion.records.data import ContextNeed, Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 20
"""The number of examples of each group on the page."""
_NAMES_SHOWN = 30
_BATCH = 1000
_LONGEST = 300
"""The number of characters of a field that are shown."""


def selection_page(
    run: Run,
    examples: Sequence[Example],
    steps: Sequence[SelectionStep],
    added: Sequence[Example],
    tokens: Mapping[str, int],
    context_need: Mapping[str, ContextNeed],
    note: str = "",
) -> str:
    """The page as Markdown. It is deterministic.

    ``tokens`` has the number of tokens of every example by id, including added examples. ``context_need`` has the
    scores on which the steps are based. ``note`` says how the added examples were made. The page shows :data:`SHOWN`
    kept, dropped and added examples each, drawn with the run's seed.
    """
    title = f"# {run.model} · {run.dataset} · {run.recipe} · seed {run.seed}"
    if not steps and not added:
        return f"{title}\n\nAll {len(examples)} examples of the dataset, unchanged.\n"
    table = [
        "| | examples | tokens | tokens per example |",
        "| - | -: | -: | -: |",
        _total("dataset", examples, tokens),
        *(
            _total(f"dropped by {step.selection.by} (selection {number})", step.dropped, tokens)
            for number, step in enumerate(steps, 1)
        ),
        _total("kept", kept_examples(examples, steps), tokens),
        *([_total("added", added, tokens)] if added else []),
    ]
    parts = [title, "\n".join(table)]
    for number, step in enumerate(steps, 1):
        parts += [f"## Selection {number}: {_settings(step)}", *_findings(step, context_need)]
        parts += _listed("Dropped", step.dropped, step.reasons, run.seed)
        parts += _listed("Kept", step.kept, step.reasons, run.seed)
    if added:
        parts += ["## Counterfactual examples", *([note] if note else []), *_listed("Added", added, {}, run.seed)]
    return "\n\n".join(parts) + "\n"


def indicator_section(indicator: Indicator, marked_examples: MarkedExamples, seed: int) -> str:
    """The last section of the page if the recipe marks examples: how many are marked, with :data:`SHOWN` marked and
    unmarked examples."""
    count, score = len(marked_examples.marked), indicator.score.replace("_", " ")
    parts = [
        f"## Indicator: {indicator.text}",
        f"Before the question of {count} examples, those with the highest score ({score}) of the "
        f"{count + len(marked_examples.unmarked)} with a context.",
        *_listed("Marked", marked_examples.marked, marked_examples.reasons, seed),
        *_listed("Unmarked, with a context", marked_examples.unmarked, marked_examples.reasons, seed),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def token_counts(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> list[int]:
    """The number of tokens in each example's context and turns, without the template."""
    counts: list[int] = []
    for start in range(0, len(examples), _BATCH):
        texts = [example_text(example) for example in examples[start : start + _BATCH]]
        counts += map(len, tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"])
    return counts


def _total(name: str, examples: Sequence[Example], tokens: Mapping[str, int]) -> str:
    """A row of the table of totals."""
    total = sum(tokens[example.example_id] for example in examples)
    return f"| {name} | {len(examples)} | {total} | {total / len(examples) if examples else 0:.1f} |"


def _settings(step: SelectionStep) -> str:
    """The settings of a selection on one line."""
    settings = step.selection.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{key} = {_word(value)}" for key, value in settings.items())


def _word(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _findings(step: SelectionStep, context_need: Mapping[str, ContextNeed]) -> list[str]:
    """The summary of a step: the names that were found most often, or how far the two scores agree."""
    if step.selection.by == "no_fact_overlap":
        return _names_found(step)
    if isinstance(step.selection, ContextCriticalSelection) and len(step.kept) + len(step.dropped) > 1:
        return [_agreement(step, step.selection, context_need)]
    return []


def _names_found(step: SelectionStep) -> list[str]:
    """How many examples contain each kind of name, and which names were found most often."""
    if not step.names:
        return []
    hits = Counter(str(name) for names in step.names.values() for name in names)
    kinds = [{name.kind for name in names} for names in step.names.values()]
    rows = [
        f"| {kind} | {sum(kind in of_one for of_one in kinds)} | {sum(of_one == {kind} for of_one in kinds)} |"
        for kind in get_args(NameKind)
    ]
    table = "\n".join(["| kind of name | examples with it | with no other kind |", "| - | -: | -: |", *rows])
    often = ", ".join(f"{name} ({count})" for name, count in hits.most_common(_NAMES_SHOWN))
    return [table, f"Names found, by the number of examples that contain them: {often}."]


def _agreement(
    step: SelectionStep, selection: ContextCriticalSelection, context_need: Mapping[str, ContextNeed]
) -> str:
    """Spearman's correlation of the two scores over the examples of the step, and how many examples both would drop."""
    from scipy import stats  # imported here because it is slow to import, and few pages need it

    reached = [*step.kept, *step.dropped]
    other = selection.model_copy(
        update={"score": "without_context" if selection.score == "difference" else "difference"}
    )
    own, others = (
        [need_score(context_need[example.example_id], by.score) for example in reached] for by in (selection, other)
    )
    varied = np.ptp(own) > 0 and np.ptp(others) > 0
    rank = f"{stats.spearmanr(own, others).statistic:.2f}" if varied else "undefined, because one of them is constant"
    (opposite,) = select(reached, [other], 0, SelectionInputs(context_need))
    both = {example.example_id for example in step.dropped} & {example.example_id for example in opposite.dropped}
    return (
        f"Rank correlation of this score with `{other.score}`: {rank}. "
        f"Of the {len(step.dropped)} examples dropped, the other score would also drop {len(both)}."
    )


def _listed(title: str, examples: Sequence[Example], reasons: Mapping[str, str], seed: int) -> list[str]:
    """A heading, and :data:`SHOWN` random examples in their original order."""
    drawn = np.random.default_rng(seed).permutation(len(examples))[:SHOWN]
    shown = [_entry(examples[place], reasons) for place in np.sort(drawn)]
    return [f"### {title}: {len(shown)} of {len(examples)}", "\n".join(shown)] if shown else [f"### {title}: none"]


def _entry(example: Example, reasons: Mapping[str, str]) -> str:
    """An example as a list item."""
    head = " · ".join(filter(None, [example.example_id, example.kind, reasons.get(example.example_id)]))
    context = [f"  - context: {_short(example.context)}"] if example.context else []
    turns = [f"  - {message.role}: {_short(message.content)}" for message in example.messages]
    return "\n".join([f"- **{head}**", *context, *turns])


def _short(text: str) -> str:
    """``text`` on one line, truncated, with Markdown markup escaped."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()} ..."
    return "".join(f"\\{character}" if character in "\\`*<[" else character for character in line)
