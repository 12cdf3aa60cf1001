"""Whether a base model knows the facts that conflict items contradict."""

from __future__ import annotations

from collections.abc import Sequence

from inversion.matching.answers import find_answer
from inversion.matching.words import read_words
from inversion.records.answers import Knowledge, KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.score.mentions import first_mention


def judge_probes(model: str, items: Sequence[ConflictItem], probes: Sequence[KnowledgeProbe]) -> list[Knowledge]:
    """:func:`judge_knowledge` for every probe, in order. Raises :class:`ValueError` if the item of a probe is
    missing."""
    by_id = {(item.set, item.item_id): item for item in items}
    for probe in probes:
        if (probe.set, probe.item_id) not in by_id:
            raise ValueError(
                f"{model}: the probe of item {probe.item_id!r} of set {probe.set!r} belongs to no item; delete "
                "the model's folder knowledge and rerun"
            )
    return [judge_knowledge(model, by_id[probe.set, probe.item_id], probe) for probe in probes]


def judge_knowledge(model: str, item: ConflictItem, probe: KnowledgeProbe) -> Knowledge:
    """Whether the base model ``model`` knows the parametric answer of ``item``, judged from its answer without context.

    It knows the answer if two conditions hold: per token, the parametric answer is likelier than the context answer and
    every distractor; and the greedy response gives it (:func:`first_mention`). Only the base model is probed, so the
    same items count as known at every checkpoint. If the first condition fails, the reason names the likeliest rival.
    """
    rivals = [
        (probe.context_logprob, item.context_answers[0]),
        *zip(probe.distractor_logprobs, probe.distractors, strict=True),
    ]
    strongest, name = max(rivals, key=lambda rival: rival[0])
    failed = []
    if not probe.parametric_logprob > strongest:
        failed.append(f"outranked by {name}")
    said = first_mention(probe.text, item.context_answers, item.parametric_answers, item.question)
    if said != "parametric":
        failed.append("not generated")
    says = said if said in ("context", "parametric") else ""
    return Knowledge(model, item.set, item.item_id, not failed, "; ".join(failed) or "known", probe.text, says)


def refuse_swapped_by_memory(items: Sequence[ConflictItem], knowledge: Sequence[Knowledge]) -> None:
    """Raises :class:`ValueError` if a base model's answers show that a set's context and parametric answers are
    swapped.

    They are if the model, without a context, gives the context answer to at least :data:`_ENOUGH` items, and to at
    least :data:`_CERTAIN` of the items to which it gives either answer. Nothing is raised if more than half of the
    contexts name only the context answer: then the answers are in the right columns, and the model has learned the
    contexts.
    """
    by_id = {(item.set, item.item_id): item for item in items}
    said: dict[tuple[str, str], list[Knowledge]] = {}
    for row in knowledge:
        if row.says:
            said.setdefault((row.model, row.set), []).append(row)
    for (model, name), rows in said.items():
        swapped = [row for row in rows if row.says == "context"]
        if len(swapped) < max(_ENOUGH, _CERTAIN * len(rows)):
            continue
        shown = sum(_names_only_context_answer(by_id[row.set, row.item_id]) for row in rows)
        if 2 * shown <= len(rows):
            raise ValueError(
                f"sets.{name}: without a context, {model} gives the context answer to {len(swapped)} of the "
                f"{len(rows)} items to which it gives either answer (first: {swapped[0].item_id}), and {shown} "
                "contexts name only that answer; swap fields.context_answer and fields.parametric_answer, with aliases"
            )


_ENOUGH = 20
"""The least number of items that show a swap."""
_CERTAIN = 0.9
"""The least share of items that show a swap."""


def _names_only_context_answer(item: ConflictItem) -> bool:
    """Whether the context of an item names the context answer but not the parametric one."""
    words = read_words(item.context or "")
    named, other = (
        any(find_answer(words, answer) for answer in answers)
        for answers in (item.context_answers, item.parametric_answers)
    )
    return named and not other
