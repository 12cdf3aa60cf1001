import json
from pathlib import Path

import numpy as np
import pytest

from inversion.config.releases import FieldMap
from inversion.config.sets import FileSet, WorldSet
from inversion.config.world import World
from inversion.conflict.audit import audit_set
from inversion.conflict.files import load_items, read_source, source_items
from inversion.instruct.rows import DataError
from inversion.records.data import AuditFinding, ConflictItem
from inversion.records.frames import from_frame, to_frame
from inversion.world.facts import build_world

REAL = Path(__file__).parents[3] / "shared" / "data" / "conflict" / "paper"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the paper's conflict sets (../shared/data) are not here")

RULES = [
    "duplicate",
    "endings_not_apart",
    "in_excluded_set",
    "aliases",
    "short_names",
    "in_other_set",
    "question_in_other_set",
    "shared_cluster",
    "nested_answers",
    "answer_in_question",
    "context_answer_missing",
    "parametric_answer_in_context",
    "answer_in_first_third",
    "answer_in_middle_third",
    "answer_in_last_third",
    "dated_future",
    "long_context",
    "no_matching_context",
    "native_matching",
    "native_irrelevant",
    "answers_swapped",
    "no_parametric_answer",
    "no_answer",
    "sentence_answer",
    "unequal_answers",
    "unsupported_script",
]
DESCRIPTIONS = RULES[12:17]


def item(number, question, answer="Herat", memory="Kabul", context="Herat it is.", name="a"):
    answers = [answer] if isinstance(answer, str) else answer
    return ConflictItem(
        f"{name}-{number}", name, "conflict", question, context, answers, [memory] if memory else [], question, name
    )


def file_set(*exclude):
    return FileSet(source="file", path="x", exclude=exclude)


def counts(findings):
    return {finding.rule: finding.count for finding in findings if finding.count and finding.rule not in DESCRIPTIONS}


def test_every_rule_has_a_row_even_without_findings():
    findings = audit_set("a", {"a": file_set()}, {"a": [item(1, "q")]})
    assert [finding.rule for finding in findings] == RULES
    assert counts(findings) == {}
    assert from_frame(to_frame(findings, AuditFinding), AuditFinding) == findings


@pytest.mark.parametrize(
    ("rule", "items"),
    [
        ("aliases", [item(1, "q", ["Herat", "Herat (the new)"])]),
        ("nested_answers", [item(1, "q", "New Cairo", "Cairo", "New Cairo it is.")]),
        ("context_answer_missing", [item(1, "q", context="Heratan it is.")]),
        ("parametric_answer_in_context", [item(1, "q", context="From KABUL to Herat.")]),
        ("answer_in_question", [item(1, "Is it Kabul?")]),
    ],
)
def test_rules_on_single_items(rule, items):
    # a context that contains "New Cairo" also names "Cairo"
    expected = {"nested_answers", "parametric_answer_in_context"} if rule == "nested_answers" else {rule}
    assert set(counts(audit_set("a", {"a": file_set()}, {"a": items}))) == expected


@pytest.mark.parametrize(
    ("context", "rules"),
    [
        ("Herat it is.", {"answer_in_first_third"}),
        ("Now Herat rules.", {"answer_in_middle_third"}),
        ("It will be in 2031, in Herat.", {"answer_in_last_third", "dated_future"}),
        ("Herat has 2,031 inhabitants since 1999.", {"answer_in_first_third"}),
        ("word " * 200 + "Herat", {"answer_in_last_third", "long_context"}),
    ],
)
def test_findings_about_contexts(context, rules):
    findings = audit_set("a", {"a": file_set()}, {"a": [item(1, "q", context=context)]})
    assert {f.rule for f in findings if f.count} == rules


def test_items_without_a_matching_control_are_reported():
    spec = file_set().model_copy(update={"controls": ("matching",)})
    items = [item(1, "q"), item(2, "r", "New Herat", context="The new  Herat.")]
    assert counts(audit_set("a", {"a": spec}, {"a": items})) == {"no_matching_context": 1}
    assert counts(audit_set("a", {"a": file_set()}, {"a": items})) == {}


def test_duplicates_and_clusters():
    items = [item(1, "q"), item(2, "q"), item(3, "q", context="Herat!"), item(4, "r")]
    findings = {f.rule: f for f in audit_set("a", {"a": file_set()}, {"a": items})}
    assert findings["duplicate"] == AuditFinding("a", "duplicate", "dropped", 1, 4, ["a-2: q Herat | Kabul"])
    assert (findings["shared_cluster"].count, findings["shared_cluster"].checked) == (2, 3)


def test_overlap_is_dropped_if_excluded_and_otherwise_reported():
    sources = {
        "a": [item(1, "q"), item(2, "r")],
        "b": [item(1, "Q?", name="b", context="Herat, elsewhere."), item(2, "r", "Ghazni", context="Ghazni", name="b")],
    }
    excluded = {"a": file_set(), "b": file_set("a")}
    assert counts(audit_set("b", excluded, sources)) == {"in_excluded_set": 1, "question_in_other_set": 1}
    assert counts(audit_set("a", excluded, sources)) == {"question_in_other_set": 1}
    for name in sources:
        assert counts(audit_set(name, {"a": file_set(), "b": file_set()}, sources)) == {
            "in_other_set": 1,
            "question_in_other_set": 1,
        }


def test_controls_of_the_world_give_no_findings():
    world = build_world(World(known_subjects=20, new_subjects=20, answers=8))
    sets = {
        kind: WorldSet(source="world", kind=kind, items=8) for kind in ("conflict", "new_facts", "matching", "recall")
    }
    sources = {name: source_items(spec, name, world) for name, spec in sets.items()}
    for name in sets:
        assert not set(counts(audit_set(name, sets, sources))) - {"shared_cluster", "parametric_answer_in_context"}


@real_data
def test_the_papers_sets():
    sets = {
        "capitals": FileSet(source="file", path=str(REAL / "country_capitals_only.json")),
        "world_facts": FileSet(source="file", path=str(REAL / "world_facts.json"), exclude=("capitals",)),
        "biographies": FileSet(source="file", path=str(REAL / "famous_biographies.jsonl")),
    }
    sources = {name: source_items(spec, name) for name, spec in sets.items()}
    found = {name: counts(audit_set(name, sets, sources)) for name in sets}
    assert found == {
        # the world facts contain Canada again, with another answer
        "capitals": {
            "aliases": 9,
            "question_in_other_set": 1,
            "nested_answers": 1,
            "answer_in_question": 8,
            "parametric_answer_in_context": 185,
        },
        "world_facts": {
            "in_excluded_set": 196,
            "answers_swapped": 1,  # the context of two items lacks its answer; in one of them it names the other answer
            "aliases": 15,
            "short_names": 15,
            "question_in_other_set": 1,
            "answer_in_question": 2,
            "context_answer_missing": 2,
            "parametric_answer_in_context": 100,
        },
        "biographies": {
            "duplicate": 10,
            "aliases": 376,
            "short_names": 376,
            "shared_cluster": 545,
        },
    }


# --- faults of a user's own set -----------------------------------------------------------------


def map_of(**changes):
    fields = {"question": "q", "context": "c", "context_answer": "new", "parametric_answer": "old"}
    return FieldMap(**fields | {"matching_context": "m"} | changes)


def own_rows(count=4):
    return [
        {
            "q": f"Who leads town {n}?",
            "c": f"Ann{n} leads it.",
            "m": f"Bo{n} leads it.",
            "new": f"Ann{n}",
            "old": f"Bo{n}",
        }
        for n in range(count)
    ]


def audited(path, rows, fields=None, max_bad_rows=0.5, **options):
    path.write_text("\n".join(map(json.dumps, rows)))
    spec = FileSet(
        source="file", path=str(path), format="fields", fields=fields or map_of(), max_bad_rows=max_bad_rows, **options
    )
    read = read_source(spec, "s")
    found = audit_set("s", {"s": spec}, {"s": read.items}, read)
    return {finding.rule: finding for finding in found}, found


def test_swapped_answers_are_suspected(tmp_path):
    right, _ = audited(tmp_path / "r.jsonl", own_rows())
    assert (right["answers_swapped"].count, right["answers_swapped"].checked) == (0, 4)
    wrong, _ = audited(tmp_path / "r.jsonl", own_rows(), map_of(context_answer="old", parametric_answer="new"))
    assert (wrong["answers_swapped"].count, wrong["answers_swapped"].checked) == (4, 4)
    spec = FileSet(
        source="file",
        path=str(tmp_path / "r.jsonl"),
        format="fields",
        fields=map_of(context_answer="old", parametric_answer="new"),
    )
    with pytest.raises(DataError, match=r"sets\.s: in 4 of 4 items the passages name the answers the wrong way round"):
        load_items(spec, "s")


def test_a_release_with_swapped_answers_is_suspected(tmp_path):
    rows = own_rows()
    made = [
        {
            "question": row["q"],
            "sub_context": row["c"],
            "org_context": row["m"],
            "sub_answer": [row["old"]],
            "org_answer": [row["new"]],
        }
        for row in rows
    ]
    path = tmp_path / "n.jsonl"
    path.write_text("\n".join(map(json.dumps, made)))
    spec = FileSet(source="file", path=str(path), format="nq_swap")
    with pytest.raises(DataError, match="in 4 of 4 items the passages name the answers the wrong way round"):
        load_items(spec, "s")


def with_paraphrases(share, count=500):
    """Rows whose passages name an answer only with probability ``share``, as in generated passages."""
    rng = np.random.default_rng(0)
    rows = own_rows(count)
    for row in rows:
        if rng.random() > share:
            row |= {"c": "The lady from the harbour leads it.", "m": "The old mayor still leads it."}
        elif rng.random() < 0.2:
            row["c"] = f"{row['old']} lost to {row['new']}."
    return rows


@pytest.mark.parametrize(
    ("share", "swapped", "refused"),
    [(1.0, True, True), (0.4, True, True), (0.05, True, False), (1.0, False, False), (0.4, False, False)],
)
def test_swapped_answers_are_found_in_sets_of_usual_size(share, swapped, refused, tmp_path):
    """Swapped answers are found even if most passages name no answer. Too few passages with an answer prove nothing."""
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(map(json.dumps, with_paraphrases(share))))
    fields = map_of(context_answer="old", parametric_answer="new") if swapped else map_of()
    spec = FileSet(source="file", path=str(path), format="fields", fields=fields)
    if refused:
        with pytest.raises(DataError, match="the passages name the answers the wrong way round"):
            load_items(spec, "s")
    else:
        assert len(load_items(spec, "s")) == 500


def test_a_name_against_a_sentence_does_not_look_swapped(tmp_path):
    """A passage repeats the name that it denies, but not the sentence that answers the question."""
    rows = own_rows(20)
    for row in rows:
        row |= {"new": f"It is {row['new']}, the lady who came from over the sea.", "c": f"Not {row['old']} leads it."}
    found, _ = audited(tmp_path / "r.jsonl", rows)
    assert (found["answers_swapped"].count, found["answers_swapped"].checked) == (0, 0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"new": "N/A"}, "no_answer"),
        ({"old": "Unknown"}, "no_answer"),
        ({"new": "The one who leads the town at the moment is Ann Tolm of Brask."}, "sentence_answer"),
        ({"new": "The one who leads the town at the moment is Ann Tolm of Brask."}, "unequal_answers"),
        ({"old": "\N{CJK UNIFIED IDEOGRAPH-5317}\N{CJK UNIFIED IDEOGRAPH-4EAC}"}, "unsupported_script"),
        ({"q": "\N{CJK UNIFIED IDEOGRAPH-8C01}"}, "unsupported_script"),
    ],
)
def test_answers_that_scorers_will_not_find_are_counted(change, rule, tmp_path):
    rows = own_rows()
    rows[1] |= change
    found, _ = audited(tmp_path / "r.jsonl", rows)
    assert found[rule].count == 1
    assert found[rule].examples[0].startswith("s-000002")


def test_lost_rows_and_native_controls_are_counted(tmp_path):
    rows = [*own_rows(), {"q": "Who?", "c": "Ann.", "new": "Ann", "old": "ann"}]
    del rows[0]["m"]
    found, _ = audited(tmp_path / "r.jsonl", rows, where={"q": tuple(row["q"] for row in rows[1:])})
    assert (found["malformed_row"].count, found["malformed_row"].checked) == (1, 5)
    assert found["malformed_row"].examples == ["row 5: both answers are 'Ann', which is not a conflict"]
    assert found["no_conflict_row"].examples == ["row 1: 'q' is 'Who leads town 0?'"]
    assert (found["native_matching"].count, found["native_matching"].checked) == (3, 3)
