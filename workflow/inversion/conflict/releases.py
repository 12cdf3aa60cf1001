"""Prepares rows of public releases for the mappings in :data:`inversion.config.releases.RELEASES`.

Every function takes one row of its release and returns the rows that the mapping reads: the same keys, and keys that
the release only implies. It raises :class:`ValueError` for a malformed row and :class:`NoConflict` for a valid row
without a conflict. The layouts are those of the files and loaders named by each release's ``source``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from inversion.conflict.values import alias_names, answer_list, as_object, is_code, is_text, occurs_in
from inversion.instruct.rows import Row
from inversion.names import listed_names, normalise

Prepared = list[dict[str, Any]]


class NoConflict(ValueError):
    """A valid row has no conflict. The message says why. Such rows are skipped and counted, but are not malformed."""


def nq_swap_rows(row: Mapping[str, Any]) -> Prepared:
    """The row unchanged. Alias substitutions, which replace one name of an answer by another, are not conflicts."""
    if row.get("substitution_type") == "alias":
        raise NoConflict("the substitution is another name of the same answer")
    return [dict(row)]


def faitheval_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with ``answer`` as the text of the option that ``answerKey`` names.

    Layout: ``choices`` is ``{"label": [...], "text": [...]}`` (on the Hub), or the same as JSON text.
    """
    choices = as_object(row.get("choices"))
    if not isinstance(choices, Mapping) or not {"label", "text"} <= set(choices):
        raise ValueError("'choices' has no lists 'label' and 'text'")
    labels, texts = list(map(str, _listed(choices, "label"))), _listed(choices, "text")
    key = str(row.get("answerKey"))
    if key not in labels or len(labels) != len(texts):
        raise ValueError(f"'answerKey' is {key!r}, which is not among the labels {', '.join(labels)}")
    text = texts[labels.index(key)]
    stated = row.get("answer")
    # the release repeats either the letter or the text of the option
    if is_text(stated) and normalise(stated) not in {normalise(str(text)), normalise(key)}:
        raise ValueError(f"'answer' is {stated!r}, but the option {key} is {text!r}")
    return [{**row, "choices": choices, "answer": text}]


def rgb_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with the passage that names the false answer, and the true passage from which it was made.

    Layout (data/en_fact.json): ``positive_wrong`` has the passages of ``positive`` in which ``answer``, the true
    answer, is replaced by ``fakeanswer``; not all of them name it. ``answer`` is a text, or a list of spellings within
    a list.
    """
    wrong, positive, negative = (_listed(row, key) for key in ("positive_wrong", "positive", "negative"))
    if not wrong:
        raise ValueError("'positive_wrong' lists no passage")
    fakes = answer_list(row.get("fakeanswer"), "'fakeanswer'")
    place = next((i for i, passage in enumerate(wrong) if is_text(passage) and occurs_in(fakes, passage)), 0)
    true = positive[place] if place < len(positive) and len(positive) == len(wrong) else None
    if true is None:
        answers = answer_list(row.get("answer"), "'answer'")
        true = next((passage for passage in positive if is_text(passage) and occurs_in(answers, passage)), None)
    return [{**row, "positive_wrong": wrong[place], "positive": true, "negative": negative}]


def conflictqa_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with ``context_answers`` and ``parametric_answers``, the preferred form first.

    Layout: ``memory_answer`` and ``counter_answer`` are sentences that answer the question. ``ground_truth`` lists the
    names of the true answer (PopQA) or is ``["True"]`` or ``["False"]`` (StrategyQA), and belongs to the sentence that
    contains it. For yes/no questions the preferred forms are ``Yes`` and ``No``. For others, the sentences come first,
    then the parts in which they differ, then the names in ``ground_truth``.
    """
    memory, counter = (_text(row, key).strip() for key in ("memory_answer", "counter_answer"))
    truth = list(alias_names(row.get("ground_truth") or [memory], "'ground_truth'").values())
    if set(map(normalise, truth)) <= {"true", "false", "yes", "no"}:
        affirmed = affirms(str(row.get("question")), counter, memory)
        if affirmed is None:
            raise NoConflict("it is unclear which of 'memory_answer' and 'counter_answer' says yes")
        yes, no = ["Yes", "True"], ["No", "False"]
        context, parametric = (yes, no) if affirmed else (no, yes)
        return [{**row, "context_answers": [*context, counter], "parametric_answers": [*parametric, memory]}]
    short = differing_parts(counter, memory)
    context, parametric = [counter, *short[:1]], [memory, *short[1:]]
    names = [name for name in truth if name != memory and not is_code(name)]
    if occurs_in(names, counter) and not occurs_in(names, memory):
        context += names
    elif occurs_in(names, memory) and not occurs_in(names, counter):
        parametric += names
    return [{**row, "context_answers": context, "parametric_answers": parametric}]


def dynamicqa_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with both passages.

    Layout (Data/*_final.csv): the passage has ``[ENTITY]`` in place of the answer (static, temporal), or ``obj`` itself
    as whole words (disputable, where answers include the punctuation around them in the passage, and possessive
    endings). ``possible_answers`` is a JSON list of the names of ``obj``.
    """
    passage, old, new = (_text(row, key).strip() for key in ("context", "obj", "replace_name"))
    has_slot = "[ENTITY]" in passage
    place = re.compile(re.escape("[ENTITY]") if has_slot else rf"(?<!\w){re.escape(old)}(?!\w)", re.IGNORECASE)
    if not place.search(passage):
        raise ValueError(f"'context' has neither [ENTITY] nor the answer {old!r}")
    conflict, matching = (place.sub(answer.replace("\\", r"\\"), passage) for answer in (new, old))
    if not has_slot:
        old, new = (_POSSESSIVE.sub("", answer.strip(_AROUND)) for answer in (old, new))
    return [
        {**row, "conflict_context": conflict, "matching_context": matching, "obj": old, "replace_name": new},
    ]


_AROUND = " ,.;:!?()[]'\"\u2018\u2019\u201c\u201d"
_POSSESSIVE = re.compile(r"['\u2019]s$", re.IGNORECASE)


def clasheval_rows(row: Mapping[str, Any]) -> Prepared:
    """The row unchanged. If the answer was not changed, there is no conflict."""
    original, changed = row.get("answer_original"), row.get("answer_mod")
    if original is not None and changed is not None and normalise(str(original)) == normalise(str(changed)):
        raise NoConflict("the answer was not changed")
    return [dict(row)]


CONFLICT_TYPES = ("misinformation", "temporal", "semantic")
"""ConflictBank's kinds of conflict, in the order of its items."""


def conflictbank_rows(row: Mapping[str, Any]) -> Prepared:
    """One row per kind of conflict that has evidence, with ``conflict_type`` and ``conflict_evidence``.

    Layout (CB_qa): ``object`` is true, ``replaced_object`` is false. ``options`` has both, another object and
    "uncertain"; ``correct_option`` and ``replace_option`` are the letters of the former two, so an option with another
    spelling is a name of the answer. The key of the evidence for misinformation is
    ``misinformation_conflict_evidence_evidence``.
    """
    options = as_object(row.get("options"))
    answers = {
        key: [answer, *_lettered(options, row.get(letter))] if is_text(answer := row.get(key)) else answer
        for key, letter in (("object", "correct_option"), ("replaced_object", "replace_option"))
    }
    evidence = {
        kind: next((row[key] for key in (f"{name}_evidence", name) if is_text(row.get(key))), None)
        for kind in CONFLICT_TYPES
        for name in (f"{kind}_conflict_evidence",)
    }
    if not any(evidence.values()):
        raise ValueError("it has no conflict evidence of any kind")
    return [
        {**row, **answers, "conflict_type": kind, "conflict_evidence": text}
        for kind, text in evidence.items()
        if text is not None
    ]


def _lettered(options: Any, letter: Any) -> list[str]:
    """The option with ``letter`` (A is the first) in a list; an empty list if there is none."""
    place = "ABCDEFGH".find(letter.strip().upper()) if is_text(letter) else -1
    fits = isinstance(options, Sequence) and not isinstance(options, str) and 0 <= place < len(options)
    return [options[place]] if fits and is_text(options[place]) else []


def wikicontradict_rows(row: Mapping[str, Any]) -> Prepared:
    """Two rows, one for each passage with its answer; the other passage's answer is the rival. ``side`` says which
    passage is shown."""
    first, second = ((row.get(f"context{side}"), row.get(f"answer{side}")) for side in (1, 2))
    return [
        {
            **row,
            "side": side,
            "context": shown[0],
            "context_answer": shown[1],
            "other_context": other[0],
            "other_answer": other[1],
        }
        for side, shown, other in ((1, first, second), (2, second, first))
    ]


def counterfact_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with a sentence for each object, and their common beginning as the question.

    Layouts: ``requested_rewrite`` with ``prompt`` (``{}`` for the subject), ``subject``, ``target_new.str`` and
    ``target_true.str``; or flat with ``prompt`` (the subject filled in), ``target_false`` and ``target_true``, which
    begin with a space.
    """
    rewrite = as_object(row.get("requested_rewrite"))
    if isinstance(rewrite, Mapping):
        subject, relation = rewrite.get("subject"), rewrite.get("relation_id")
        new, true = (_target(rewrite, key) for key in ("target_new", "target_true"))
        start = _text(rewrite, "prompt").replace("{}", _text(rewrite, "subject"))
    else:
        subject, relation = row.get("subject"), row.get("relation_id") or row.get("relation")
        new, true = (_target(row, key) for key in ("target_false", "target_true"))
        start = _text(row, "prompt")
    start = start.strip()
    return [
        {
            **row,
            "question": start,
            "target_new": new,
            "target_true": true,
            "conflict_context": f"{start} {new}.",
            "matching_context": f"{start} {true}.",
            "subject": subject,
            "relation_id": relation,
            "cluster": f"{subject} {relation}" if subject and relation else start,
        }
    ]


def mquake_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with both chains of facts as sentences, and the original chain as ``orig_chain``.

    Layout: ``single_hops`` and ``new_single_hops`` are lists of ``cloze`` and ``answer`` (with ``question`` and
    ``answer_alias``); ``requested_rewrite`` lists the edits, with the prompts of CounterFact. In MQuAKE-Remastered the
    chains are ``orig_triples_labeled`` instead of ``orig.triples_labeled``, and targets ``target_new_str``.
    """
    old, new = ([_hop(hop) for hop in _listed(row, key)] for key in ("single_hops", "new_single_hops"))
    if not new:
        edits = _listed(row, "requested_rewrite")
        if not edits:
            raise ValueError("it has neither 'new_single_hops' nor 'requested_rewrite'")
        new, old = (
            [_edit(edit, target) for edit in edits if isinstance(edit, Mapping)]
            for target in ("target_new", "target_true")
        )
    original = as_object(row.get("orig"))
    chain = as_object(row.get("orig_triples_labeled")) or (
        original.get("triples_labeled") if isinstance(original, Mapping) else None
    )
    return [
        {
            **row,
            "conflict_context": " ".join(new),
            "matching_context": " ".join(old) or None,
            "orig_chain": json.dumps(chain, ensure_ascii=False) if chain else " ".join(old) or None,
        }
    ]


def cub_facts(rows: Iterable[Row]) -> Iterator[Row]:
    """One row per fact of CUB's CounterFact part: its edited row, with the contexts of its gold and irrelevant rows.

    Layout: three rows for a fact, distinguished by ``context_type`` (``gold``, ``edited``, ``irrelevant``);
    ``template`` and ``template_w_context`` have ``<subject>`` and ``<target>`` to be filled in. Rows of another layout
    come first and unchanged; of a fact without an edited row, its first row comes last.
    """
    facts: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.fault or row.value.get("context_type") not in _CUB_CONTEXTS:
            yield row
        else:
            facts.setdefault(tuple(str(row.value.get(key)) for key in _CUB_FACT), []).append(row)
    for fact in facts.values():
        passages = {row.value["context_type"]: row.value for row in reversed(fact)}
        controls = {
            key: _cub_context(passages[kind]) if kind in passages else None
            for key, kind in (("matching_context", "gold"), ("irrelevant_context", "irrelevant"))
        }
        for row in [row for row in fact if row.value["context_type"] == "edited"] or fact[:1]:
            yield row._replace(value={**row.value, **controls})


_CUB_CONTEXTS = ("gold", "edited", "irrelevant")
_CUB_FACT = ("subject", "template", "target_true")


def cub_rows(row: Mapping[str, Any]) -> Prepared:
    """An edited row of CUB with filled-in templates."""
    kind = row.get("context_type")
    if kind not in _CUB_CONTEXTS:
        raise ValueError(f"'context_type' is {kind!r}, not one of {', '.join(_CUB_CONTEXTS)}")
    if kind != "edited":
        raise NoConflict("its fact has no row with the context type 'edited'")
    return [
        {
            **row,
            "question": _cub_filled(row, "template"),
            "conflict_context": _cub_context(row),
            "target_new": _stripped(row.get("target_new")),
            "target_true": _stripped(row.get("target_true")),
        }
    ]


def cpi_unified_rows(row: Mapping[str, Any]) -> Prepared:
    """The row with the names that each answer lists ("Gitega (changed from Bujumbura)"), and the country in the
    question.

    Layout: the rows of the paper's files under other keys.
    """
    answers = {key: listed_names(_text(row, key)) for key in ("counterfactual_answer", "parametric_answer")}
    return [{**row, **answers, "subject": subject_of(_text(row, "question").strip())}]


def subject_of(question: str) -> str | None:
    """The country in "What is the capital (city) of X?"; None for other questions."""
    match = re.fullmatch(r"what is the capital(?: city)? of (?:the )?(.+?)\s*\?*", question, re.IGNORECASE)
    return match[1] if match else None


# --- yes or no -------------------------------------------------------------------------------------

_NEGATION = re.compile(
    r"\b(?:not|never|no|none|neither|nor|cannot|nobody|nothing|unable|unlikely|impossible)\b|n't\b", re.IGNORECASE
)


def affirms(question: str, statement: str, rival: str) -> bool | None:
    """Whether ``statement`` answers a yes/no question with yes, and its opposite ``rival`` with no.

    If exactly one of the two is negated, the negation decides. Otherwise ("Would a dog respond before a seal?") the one
    that has more of the question's words in the same order affirms it. None if both have equally many.
    """
    negated, rival_negated, question_negated = (bool(_NEGATION.search(text)) for text in (statement, rival, question))
    if negated != rival_negated:
        return negated == question_negated
    words = normalise(question).split()
    shared, rival_shared = (_common_length(words, normalise(text).split()) for text in (statement, rival))
    return None if shared == rival_shared else shared > rival_shared


def _common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        previous = 0
        for place, other in enumerate(second, start=1):
            previous, row[place] = row[place], previous + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]


_LONGEST_PART = 8
"""The maximum number of words in which two versions of the same sentence can differ."""


def differing_parts(first: str, second: str) -> list[str]:
    """The parts in which two sentences of the same form differ: "professional photographer" and "politician".

    Empty if the sentences have neither a common beginning nor a common end, or if a part would be empty or longer than
    a name.
    """
    one, other = first.split(), second.split()
    start = 0
    while start < min(len(one), len(other)) and normalise(one[start]) == normalise(other[start]):
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and normalise(one[-1 - end]) == normalise(other[-1 - end]):
        end += 1
    if start + end == 0:
        return []
    parts = [
        re.sub(r"^(?:an?|the) ", "", " ".join(words[start : len(words) - end]).strip(" .,;:!?\"'"))
        for words in (one, other)
    ]
    return parts if all(part and len(part.split()) <= _LONGEST_PART for part in parts) else []


def _listed(row: Mapping[str, Any], key: str) -> list[Any]:
    """The list under ``key``; empty if there is none."""
    value = as_object(row.get(key))
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError(f"{key!r} is not a list")
    return list(value)


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not is_text(value):
        raise ValueError(f"{key!r} is missing, blank or not text")
    return value


def _target(holder: Mapping[str, Any], key: str) -> str:
    """The text of a target (``target_new``, ``target_new.str`` or ``target_new_str``), without spaces around it."""
    value = as_object(holder.get(key))
    text = value.get("str") if isinstance(value, Mapping) else holder.get(f"{key}_str") if value is None else value
    if not is_text(text):
        raise ValueError(f"{key!r} holds no text")
    return text.strip()


def _hop(hop: Any) -> str:
    if not isinstance(hop, Mapping) or not is_text(hop.get("cloze")) or not is_text(hop.get("answer")):
        raise ValueError("a hop lacks 'cloze' or 'answer'")
    return f"{hop['cloze'].strip()} {hop['answer'].strip()}."


def _edit(edit: Mapping[str, Any], target: str) -> str:
    start = _text(edit, "prompt").replace("{}", _text(edit, "subject")).strip()
    return f"{start} {_target(edit, target)}."


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _cub_filled(row: Mapping[str, Any], key: str, target: str = "") -> str:
    """The template under ``key`` with subject and target filled in."""
    template, subject = _text(row, key), _text(row, "subject")
    text = template.replace("<subject-w-space>", f"{subject.strip()} ").replace("<subject>", subject)
    return " ".join(text.replace("<target>", target).split())


def _cub_context(row: Mapping[str, Any]) -> str:
    """The context of a row, without the question at the end of some templates with context."""
    if is_text(row.get("context")):
        return str(row["context"]).strip()
    target = row.get("target_true") if row.get("context_type") == "gold" else row.get("target_new")
    text = _cub_filled(row, "template_w_context", str(target or "").strip())
    return text.removesuffix(_cub_filled(row, "template")).strip()
