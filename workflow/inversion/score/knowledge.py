"""Whether a base model knows the facts that conflict items contradict."""

from __future__ import annotations

from collections.abc import Sequence

from inversion.records.answers import Knowledge, KnowledgeProbe
from inversion.records.data import ConflictItem
from inversion.score.mentions import first_mention


def judge_probes(model: str, items: Sequence[ConflictItem], probes: Sequence[KnowledgeProbe]) -> list[Knowledge]:
    """:func:`judge_knowledge` of every probe, in their order; raises :class:`ValueError` for one without its item."""
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
    if first_mention(probe.text, item.context_answers, item.parametric_answers, item.question) != "parametric":
        failed.append("not generated")
    return Knowledge(model, item.set, item.item_id, not failed, "; ".join(failed) or "known", probe.text)
