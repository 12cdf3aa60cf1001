"""Audits a conflict set rule by rule: which items were dropped or rewritten, and which kept items have a known issue.

The counts are those of the set's whole source, regardless of ``limit``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from inversion.config.sets import ConflictSet
from inversion.conflict.controls import answer_in_question, matching_item
from inversion.conflict.fields import SetContent
from inversion.conflict.files import distinct_items, excluded_items, fact_key, keep_items
from inversion.conflict.memo_trap import endings_not_apart
from inversion.conflict.short_names import short_name
from inversion.conflict.swaps import decisive_items
from inversion.conflict.values import NO_SPACES, are_sentences, occurs_in
from inversion.names import normalise
from inversion.records.data import AuditFinding, ConflictItem

_EXAMPLES_SHOWN = 3
_LONG = 200
"""A context with more words than this is long."""
_PLACEHOLDERS = {
    "n a",
    "na",
    "none",
    "null",
    "nan",
    "unknown",
    "unanswerable",
    "uncertain",
    "no answer",
    "not available",
}
_FUTURE = re.compile(r"(?<![\d.,])(?:202[7-9]|20[3-9]\d|21\d\d)(?![\d,]*\d)")


def audit_set(
    name: str,
    sets: Mapping[str, ConflictSet],
    sources: Mapping[str, Sequence[ConflictItem]],
    source: SetContent | None = None,
) -> list[AuditFinding]:
    """The findings on the set ``name``: one per rule, in a fixed order, including rules that found nothing.

    ``sets`` has the sets of the study and ``sources`` their :func:`~inversion.conflict.files.source_items`, both by
    name. ``source`` is the result of :func:`~inversion.conflict.files.read_source`, for the rules about rows of the
    file. The rules are, in order:

    - ``malformed_row`` (dropped): a row of the file cannot be read; the examples say why.
    - ``no_conflict_row`` (dropped): a row has no conflict, or ``where`` does not keep it.
    - ``duplicate`` (dropped): an item equals an earlier one of the set.
    - ``endings_not_apart`` (dropped): a response to a proverb cannot show which ending it gives.
    - ``in_excluded_set`` (dropped): an item is in a set under ``exclude``.
    - ``aliases`` (rewritten): an answer lists several names, contains a remark, or has a short form.
    - ``short_names`` (rewritten): the passage refers to the person of the context answer by the last word of the name.
      The last words of both answers became aliases.
    - ``in_other_set`` (kept): another set keeps the same question and answers; averages over
      both count it twice.
    - ``question_in_other_set`` (kept): another set keeps the same question with other answers.
    - ``shared_cluster`` (kept): items that are not independent, because their cluster has several.
    - ``nested_answers`` (kept): one answer contains the other ("New Cairo", "Cairo").
    - ``answer_in_question`` (kept): the question names an answer ("the capital of Luxembourg"), in sets with contexts.
      The scorer ``first_mention`` does not count words repeated from the question as an answer.
    - ``context_answer_missing`` (kept): no form of the context answer is in the context.
    - ``parametric_answer_in_context`` (kept): the context names the parametric answer too.
    - ``answer_in_first_third``, ``answer_in_middle_third``, ``answer_in_last_third`` (kept): where the context answer
      begins, by words, when it is named first.
    - ``dated_future`` (kept): the context names a year from 2027 to 2199.
    - ``long_context`` (kept): the context has more than 200 words.
    - ``no_matching_context`` (kept): the item has no matching control although the set has such controls. The release
      has none for it, and the answers cannot be swapped in the context, for example because it does not contain the
      context answer in its spelling.
    - ``native_matching``, ``native_irrelevant`` (kept): the release has a passage for such a control, which is used
      instead of a generated one.
    - ``answers_swapped`` (kept): the context names the parametric answer and not the context answer, or the release's
      matching context names the context answer and not the parametric one. Only items with a passage that names an
      answer are checked. A set with most of them found is refused.
    - ``no_parametric_answer`` (kept): the release does not say what a model remembers. Such an item has no controls and
      no margin between two answers, and is not in the stratum of known facts.
    - ``no_answer`` (kept): an answer is a placeholder, such as "N/A", "unknown" or "[ENTITY]".
    - ``sentence_answer`` (kept): an answer has no form of at most eight words. Scorers that look for an answer in a
      text rarely find a whole sentence word by word.
    - ``unequal_answers`` (kept): only one of the answers has a form of at most eight words, so scorers find it more
      easily than the other.
    - ``unsupported_script`` (kept): the question or an answer is written in a script without spaces between words
      (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan). Text scorers compare it letter by letter, so a short
      answer is also found inside a longer word.

    Controls have one answer or two equal answers by design, and share their questions with conflict sets. Overlap,
    nesting and the last rule are therefore only checked for conflict items.
    """
    distinct = distinct_items(sources[name])
    apart = [item for item in distinct if not endings_not_apart(item)]
    kept = _kept(name, sets, sources)
    conflicts = [item for item in kept if item.role == "conflict"]
    others = [
        item
        for other in sorted(sources)
        if other != name
        for item in _kept(other, sets, sources)
        if item.role == "conflict"
    ]
    keys, questions = {fact_key(item) for item in others}, {normalise(item.question) for item in others}
    same = [item for item in conflicts if fact_key(item) in keys]
    read = [item for item in kept if item.context]
    placed = [item for item in read if _third(item) is not None]
    matched = conflicts if "matching" in sets[name].controls else []
    clusters = Counter(item.cluster for item in kept)
    native = source.native if source else {}
    decisive, swapped = decisive_items(conflicts, native)
    lost = [("malformed_row", source.faults), ("no_conflict_row", source.skipped)] if source else []
    findings = (
        ("duplicate", "dropped", sources[name], _without(sources[name], distinct)),
        ("endings_not_apart", "dropped", distinct, _without(distinct, apart)),
        ("in_excluded_set", "dropped", apart, _without(apart, kept)),
        ("aliases", "rewritten", kept, [item for item in kept if _has_aliases(item)]),
        ("short_names", "rewritten", conflicts, [item for item in conflicts if short_name(item.context_answers)]),
        ("in_other_set", "kept", conflicts, same),
        (
            "question_in_other_set",
            "kept",
            conflicts,
            [item for item in _without(conflicts, same) if normalise(item.question) in questions],
        ),
        ("shared_cluster", "kept", kept, [item for item in kept if clusters[item.cluster] > 1]),
        ("nested_answers", "kept", conflicts, [item for item in conflicts if _nested(item)]),
        (
            "answer_in_question",
            "kept",
            conflicts,
            [item for item in conflicts if item.context and answer_in_question(item)],
        ),
        ("context_answer_missing", "kept", kept, [item for item in kept if _context_answer_missing(item)]),
        (
            "parametric_answer_in_context",
            "kept",
            conflicts,
            [item for item in conflicts if occurs_in(item.parametric_answers, item.context or "")],
        ),
        *(
            (f"answer_in_{third}_third", "kept", placed, [item for item in placed if _third(item) == number])
            for number, third in enumerate(("first", "middle", "last"))
        ),
        ("dated_future", "kept", read, [item for item in read if _FUTURE.search(item.context or "")]),
        ("long_context", "kept", read, [item for item in read if len((item.context or "").split()) > _LONG]),
        (
            "no_matching_context",
            "kept",
            matched,
            [item for item in matched if not _has_native(native, item, "matching") and matching_item(item) is None],
        ),
        *(
            (f"native_{kind}", "kept", conflicts, [item for item in conflicts if _has_native(native, item, kind)])
            for kind in ("matching", "irrelevant")
        ),
        ("answers_swapped", "kept", decisive, swapped),
        ("no_parametric_answer", "kept", conflicts, [item for item in conflicts if not item.parametric_answers]),
        ("no_answer", "kept", conflicts, [item for item in conflicts if _no_answer(item)]),
        ("sentence_answer", "kept", conflicts, [item for item in conflicts if any(_sentences(item))]),
        ("unequal_answers", "kept", conflicts, [item for item in conflicts if len(set(_sentences(item))) > 1]),
        ("unsupported_script", "kept", conflicts, [item for item in conflicts if _unsupported(item)]),
    )
    rows = [
        AuditFinding(name, rule, "dropped", len(lines), source.rows if source else 0, lines[:_EXAMPLES_SHOWN])
        for rule, lines in lost
    ]
    return rows + [
        AuditFinding(name, rule, action, len(hits), len(checked), [_shown(item) for item in hits[:_EXAMPLES_SHOWN]])
        for rule, action, checked, hits in findings
    ]


def _kept(
    name: str, sets: Mapping[str, ConflictSet], sources: Mapping[str, Sequence[ConflictItem]]
) -> list[ConflictItem]:
    """The items of a set that its rules keep."""
    return keep_items(sources[name], excluded_items(sets[name], sources))


def _without(items: Sequence[ConflictItem], others: Iterable[ConflictItem]) -> list[ConflictItem]:
    gone = {item.item_id for item in others}
    return [item for item in items if item.item_id not in gone]


def _has_aliases(item: ConflictItem) -> bool:
    return len(item.context_answers) > 1 or len(item.parametric_answers) > 1


def _nested(item: ConflictItem) -> bool:
    return any(
        occurs_in([inner], outer) or occurs_in([outer], inner)
        for inner in item.context_answers
        for outer in item.parametric_answers
    )


def _context_answer_missing(item: ConflictItem) -> bool:
    return bool(item.context and item.context_answers) and not occurs_in(item.context_answers, item.context or "")


def _has_native(native: Mapping[str, Mapping[str, str]], item: ConflictItem, kind: str) -> bool:
    return kind in native.get(item.item_id, {})


def _no_answer(item: ConflictItem) -> bool:
    answers = (*item.context_answers, *item.parametric_answers)
    return any(normalise(answer) in _PLACEHOLDERS or "[entity]" in answer.casefold() for answer in answers)


def _sentences(item: ConflictItem) -> list[bool]:
    """For each existing answer, whether all its forms are longer than a name."""
    sides = (item.context_answers, item.parametric_answers)
    return [are_sentences(answers) for answers in sides if answers]


def _unsupported(item: ConflictItem) -> bool:
    return any(NO_SPACES.search(text) for text in (item.question, *item.context_answers, *item.parametric_answers))


def _third(item: ConflictItem) -> int | None:
    """The third of the context (0, 1, 2) in which the context answer first begins; None if the context does not name
    it."""
    words = f" {normalise(item.context or '')} "
    starts = [place for answer in item.context_answers if (place := words.find(f" {normalise(answer)} ")) >= 0]
    return 3 * words[: min(starts)].count(" ") // len(words.split()) if starts else None


def _shown(item: ConflictItem) -> str:
    """An item in one line: id, question and both answers."""
    answers = " | ".join(" / ".join(forms) for forms in (item.context_answers, item.parametric_answers))
    return f"{item.item_id}: {item.question} {answers}"
