"""A page per training set that shows examples of what was kept, dropped and added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from inversion.config.recipes import ContextCriticalSelection, Indicator
from inversion.config.run import Run
from inversion.instruct.indicator import Marking
from inversion.instruct.selections import (
    Evidence,
    NameKind,
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
"""Examples of each sort on the page."""
_NAMES_SHOWN = 30
_BATCH = 1000
_LONGEST = 300
"""Characters of a field that are shown."""


def selection_page(
    run: Run,
    examples: Sequence[Example],
    steps: Sequence[SelectionStep],
    added: Sequence[Example],
    tokens: Mapping[str, int],
    context_need: Mapping[str, ContextNeed],
    note: str = "",
) -> str:
    """The page as Markdown; the same for the same arguments.

    ``tokens`` has the number of tokens of every example, including added ones, by id; ``context_need`` the scores that
    the steps went by; ``note`` says how the added examples came about. Of kept, dropped and added examples
    :data:`SHOWN` each are drawn with the run's seed.
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


def indicator_chapter(indicator: Indicator, marking: Marking, seed: int) -> str:
    """The last section of the page, if a recipe marks examples: how many, and :data:`SHOWN` of both sorts."""
    count, score = len(marking.marked), indicator.score.replace("_", " ")
    parts = [
        f"## Indicator: {indicator.text}",
        f"Before the question of {count} examples, those with the highest score ({score}) of the "
        f"{count + len(marking.unmarked)} with a context.",
        *_listed("Marked", marking.marked, marking.reasons, seed),
        *_listed("Unmarked, with a context", marking.unmarked, marking.reasons, seed),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def token_counts(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> list[int]:
    """The tokens of each example's context and turns, without the template."""
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
    """The selection as its configuration says it, on one line."""
    settings = step.selection.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{key} = {_word(value)}" for key, value in settings.items())


def _word(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _findings(step: SelectionStep, context_need: Mapping[str, ContextNeed]) -> list[str]:
    """The summary of a step: the names found most often, how far the two scores agree."""
    if step.selection.by == "no_fact_overlap":
        return _names_found(step)
    if isinstance(step.selection, ContextCriticalSelection) and len(step.kept) + len(step.dropped) > 1:
        return [_agreement(step, step.selection, context_need)]
    return []


def _names_found(step: SelectionStep) -> list[str]:
    """How many examples contain each kind of name, and the names found most often."""
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
    """Spearman's correlation of both scores over the examples that reached the step, and what both would drop."""
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
    (opposite,) = select(reached, [other], 0, Evidence(context_need))
    both = {example.example_id for example in step.dropped} & {example.example_id for example in opposite.dropped}
    return (
        f"Rank correlation of this score with `{other.score}`: {rank}. "
        f"Of the {len(step.dropped)} examples dropped, the other score would also drop {len(both)}."
    )


def _listed(title: str, examples: Sequence[Example], reasons: Mapping[str, str], seed: int) -> list[str]:
    """A heading, and :data:`SHOWN` of the examples, drawn at random, in order."""
    drawn = np.random.default_rng(seed).permutation(len(examples))[:SHOWN]
    shown = [_entry(examples[place], reasons) for place in np.sort(drawn)]
    return [f"### {title}: {len(shown)} of {len(examples)}", "\n".join(shown)] if shown else [f"### {title}: none"]


def _entry(example: Example, reasons: Mapping[str, str]) -> str:
    """An example as an item of a list."""
    head = " · ".join(filter(None, [example.example_id, example.kind, reasons.get(example.example_id)]))
    context = [f"  - context: {_short(example.context)}"] if example.context else []
    turns = [f"  - {message.role}: {_short(message.content)}" for message in example.messages]
    return "\n".join([f"- **{head}**", *context, *turns])


def _short(text: str) -> str:
    """``text`` on one line, cut, and without what Markdown would take for markup."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()} ..."
    return "".join(f"\\{character}" if character in "\\`*<[" else character for character in line)
