"""Whether a base model knows the facts that conflict items contradict."""

from __future__ import annotations

from collections.abc import Sequence

from inversion.matching.answers import find_answer
from inversion.matching.words import read_words
from inversion.records.answers import Knowledge, KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.score.mentions import first_mention


def judge_probes(model: str, items: Sequence[ConflictItem], probes: Sequence[KnowledgeProbe]) -> list[Knowledge]:
    """:func:`judge_knowledge` of every probe, in order; raises :class:`ValueError` for one without its item."""
    by_id = {(item.set, item.item_id): item for item in items}
    for probe in probes:
        if (probe.set, probe.item_id) not in by_id:
            raise ValueError(
                f"{model}: the probe of item {probe.item_id!r} of set {probe.set!r} belongs to no item; delete "
                "the model's folder knowledge and rerun"
            )
    return [judge_knowledge(model, by_id[probe.set, probe.item_id], probe) for probe in probes]


def judge_knowledge(model: str, item: ConflictItem, probe: KnowledgeProbe) -> Knowledge:
    """Whether the base model ``model`` knows the parametric answer of ``item``, from what it said without the context.

    It does where that answer is likelier per token than the context answer and every distractor, and its greedy
    answer commits to it (:func:`first_mention`). This is settled once by the base model, so the items that count as
    known are the same at every checkpoint. The reason names the likeliest rival that is not outranked.
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
    """Raises :class:`ValueError` if a base model's answers show with certainty that a set's answers are swapped.

    That is where it gives, without a context, the context answer to at least :data:`_ENOUGH` items and to at least
    :data:`_CERTAIN` of those to which it gives one of both, and where no more than half of the contexts name the
    context answer alone, which would say that the answers are right and the model has learned what the contexts say.
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
        shown = sum(_names_its_own_answer(by_id[row.set, row.item_id]) for row in rows)
        if 2 * shown <= len(rows):
            raise ValueError(
                f"sets.{name}: without a context, {model} gives the context answer to {len(swapped)} of the "
                f"{len(rows)} items to which it gives either answer (first: {swapped[0].item_id}), and {shown} "
                "contexts name only that answer; swap fields.context_answer and fields.parametric_answer, with aliases"
            )


_ENOUGH = 20
"""Items."""
_CERTAIN = 0.9


def _names_its_own_answer(item: ConflictItem) -> bool:
    """Whether the context of an item names the context answer and not the parametric one."""
    words = read_words(item.context or "")
    named, other = (
        any(find_answer(words, answer) for answer in answers)
        for answers in (item.context_answers, item.parametric_answers)
    )
    return named and not other
