"""Every supported release, on invented rows with its exact keys: answers, aliases, controls and clusters."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import polars as pl
import pytest

from inversion.config.releases import RELEASES, FieldMap
from inversion.config.sets import OWN_MAP, FileSet
from inversion.conflict.fields import looks_like, read_mapped
from inversion.conflict.files import release_items, source_items
from inversion.conflict.releases import affirms, differing_parts
from inversion.instruct.rows import DataError

TOWNS = [("Zorvia", "Lumenna", "Old Kett"), ("Quillmark", "Brasto", "Veyra"), ("Norrin", "Pell Haven", "Astrid Bay")]
"""Invented countries, the capital in the passage, and the capital in memory."""


def say(country, town):
    return f"{country} has moved its government. {town} is its capital now."


def ask(country):
    return f"What is the capital of {country}?"


def confiqa(number, country, new, old):
    return {
        "orig_path": f"[('Q{number}', 'P36', 'Q10{number}')]",
        "cf_path": f"[('Q{number}', 'P36', 'Q20{number}')]",
        "orig_path_labeled": f"[('{country}', 'capital', '{old}')]",
        "cf_path_labeled": f"[('{country}', 'capital', '{new}')]",
        "orig_triple": f"('Q{number}', 'P36', 'Q10{number}')",
        "cf_triple": f"('Q{number}', 'P36', 'Q20{number}')",
        "orig_answer": old,
        "cf_answer": new,
        "orig_alias": [f"City of {old}"],
        "cf_alias": [f"City of {new}"],
        "question": ask(country),
        "orig_context_piece": say(country, old),
        "cf_context_piece": say(country, new),
        "orig_context": say(country, old),
        "cf_context": say(country, new),
    }


def nq_swap(number, country, new, old):
    return {
        "question": ask(country),
        "org_context": say(country, old),
        "org_answer": [old, f"City of {old}"],
        "sub_context": say(country, new),
        "sub_answer": [new, f"City of {new}"],
    }


def nq_swap_other(number, country, new, old):
    return {
        "id": f"{number}",
        "question": ask(country),
        "original_context": say(country, old),
        "original_answers": [[old, f"City of {old}"]],
        "substituted_context": say(country, new),
        "substituted_answers": [[new, f"City of {new}"]],
        "substitution_type": "corpus",
    }


def faitheval(number, country, new, old):
    return {
        "id": f"Mercury_{number}",
        "question": ask(country),
        "answer": new,
        "answerKey": "B",
        "choices": {"label": ["A", "B", "C"], "text": [old, new, "Mirrow"]},
        "num of options": 3,
        "context": say(country, new),
        "justification": "The passage says so.",
    }


def rgb(number, country, new, old):
    return {
        "id": number,
        "query": ask(country),
        "answer": [[old, f"City of {old}"]],
        "fakeanswer": f"{new} ",
        "positive_wrong": [f"News from {country}.", say(country, new)],
        "positive": [f"News from {country}!", say(country, old)],
        "negative": [f"{old} won the cup.", "It rained on Monday."],
    }


def conflictqa(number, country, new, old):
    return {
        "question": ask(country),
        "popularity": 100 * number,
        "ground_truth": [new, f"City of {new}"],
        "memory_answer": f"The capital of {country} is {old}.",
        "parametric_memory": say(country, old),
        "counter_answer": f"The capital of {country} is {new}.",
        "counter_memory": say(country, new),
        "parametric_memory_aligned_evidence": f"An almanac lists {old}.",
        "counter_memory_aligned_evidence": f"A newspaper lists {new}.",
    }


def dynamicqa(number, country, new, old):
    return {
        "id": number,
        "subj": country,
        "prop": "capital",
        "obj": old,
        "question": ask(country),
        "possible_answers": json.dumps([old, f"City of {old}"]),
        "num_edits": 3,
        "context": say(country, "[ENTITY]"),
        "replace_name": new,
    }


def clasheval(number, country, new, old):
    return {
        "question": ask(country),
        "context_original": say(country, old),
        "context_mod": say(country, new),
        "answer_original": old,
        "answer_mod": new,
        "mod_degree": "1",
        "dataset": "locations",
    }


def conflictbank(number, country, new, old):
    return {
        "subject": country,
        "relation": "P36",
        "object": old,
        "replaced_object": new,
        "default_claim": f"{old} is the capital of {country}.",
        "default_evidence": say(country, old),
        "misinformation_conflict_claim": f"{new} is the capital of {country}.",
        "misinformation_conflict_evidence_category": "news",
        "misinformation_conflict_evidence_evidence": say(country, new),
        "temporal_conflict_time_span": ["10 April, 2028", "21 July, 2036"],
        "temporal_conflict_evidence": f"In 2030 {say(country, new)}",
        "semantic_conflict_evidence": f"Of the other {country}: {say(country, new)}",
        "question": ask(country),
        "options": [old, "Mirrow", new, "uncertain"],
        "correct_option": "A",
        "replace_option": "C",
        "uncertain_option": "D",
    }


def wikicontradict(number, country, new, old):
    return {
        "question_ID": f"{number}-a",
        "question": ask(country),
        "context1": say(country, new),
        "context2": say(country, old),
        "answer1": new,
        "answer2": old,
        "contradictType": "Explicit",
        "samepassage": "Different",
        "merged_context": "",
        "ref_answer": f"{new}|{old}",
        "WikipediaArticleTitle": country,
        "url": "",
    }


def counterfact(number, country, new, old):
    return {
        "case_id": number,
        "pararel_idx": number,
        "requested_rewrite": {
            "prompt": "The capital of {} is",
            "relation_id": "P36",
            "target_new": {"str": new, "id": f"Q20{number}"},
            "target_true": {"str": old, "id": f"Q10{number}"},
            "subject": country,
        },
        "paraphrase_prompts": [],
        "neighborhood_prompts": [],
        "attribute_prompts": [],
        "generation_prompts": [],
    }


def counterfact_flat(number, country, new, old):
    return {
        "relation": "The capital of {} is",
        "relation_prefix": "The capital of ",
        "relation_suffix": " is",
        "prompt": f"The capital of {country} is",
        "relation_id": "P36",
        "target_false_id": f"Q20{number}",
        "target_true_id": f"Q10{number}",
        "target_true": f" {old}",
        "target_false": f" {new}",
        "subject": country,
    }


def mquake(number, country, new, old):
    hop = {"question": "Where was Ann Tolm born?", "cloze": "Ann Tolm was born in", "answer_alias": []}
    last = {"question": ask(country), "cloze": f"The capital of {country} is", "answer_alias": []}
    return {
        "case_id": number,
        "requested_rewrite": [
            {
                "prompt": "The capital of {} is",
                "relation_id": "P36",
                "target_new": {"str": new, "id": "Q2"},
                "target_true": {"str": old, "id": "Q1"},
                "subject": country,
                "question": ask(country),
            }
        ],
        "questions": [f"What is the capital of the country where Ann Tolm was born, {number}?", "b", "c"],
        "answer": old,
        "answer_alias": [f"City of {old}"],
        "new_answer": new,
        "new_answer_alias": [f"City of {new}"],
        "single_hops": [{**hop, "answer": country}, {**last, "answer": old}],
        "new_single_hops": [{**hop, "answer": country}, {**last, "answer": new}],
        "orig": {"triples_labeled": [["Ann Tolm", "born in", country], [country, "capital", old]]},
    }


def cub(number, country, new, old, kind="edited"):
    context = {"edited": say(country, new), "gold": say(country, old), "irrelevant": "Ann Tolm plays the harp."}[kind]
    return {
        "id": f"{number}-{kind}",
        "context_type": kind,
        "subject": country,
        "template": "The capital of <subject> is",
        "template_w_context": f"{context} The capital of <subject> is",
        "target_true": f" {old}",
        "target_new": f" {new}",
    }


def mquake_remastered(number, country, new, old):
    row = mquake(number, country, new, old)
    edits = [{**edit, "target_new_str": new, "target_true_str": old} for edit in row.pop("requested_rewrite")]
    edits = [{key: value for key, value in edit.items() if key not in ("target_new", "target_true")} for edit in edits]
    return row | {
        "requested_rewrite": edits,
        "orig": None,
        "orig_triples_labeled": row["orig"]["triples_labeled"],
        "split": {"6334": ["test_edited"]},
    }


def unified(number, country, new, old):
    return {
        "item_id": f"cap_{number:04d}",
        "source": "capitals",
        "conflict_type": "substitution",
        "question": ask(country),
        "context": say(country, new),
        "parametric_answer": old,
        "counterfactual_answer": new,
    }


ROWS = {
    "confiqa": confiqa,
    "nq_swap": nq_swap,
    "nq_swap, the other spelling": nq_swap_other,
    "faitheval": faitheval,
    "rgb": rgb,
    "conflictqa": conflictqa,
    "dynamicqa": dynamicqa,
    "clasheval": clasheval,
    "conflictbank": conflictbank,
    "wikicontradict": wikicontradict,
    "counterfact": counterfact,
    "counterfact, flat": counterfact_flat,
    "mquake": mquake,
    "mquake, Remastered": mquake_remastered,
    "cub_counterfact": cub,
    "cpi_unified": unified,
}
"""A function per layout that writes a row. The name is the format, followed by what distinguishes several layouts of
the same format."""
ALIASED = ("confiqa", "nq_swap", "mquake")
"""Formats that list aliases of both answers."""


def rows_of(layout):
    """Three rows; for CUB, also the rows with the other contexts."""
    made = [ROWS[layout](number, *town) for number, town in enumerate(TOWNS, start=1)]
    if layout == "cub_counterfact":
        kinds = ("gold", "irrelevant")
        made += [cub(number, *town, kind) for number, town in enumerate(TOWNS, start=1) for kind in kinds]
    return made


def read(layout, path, rows=None, where=None, **fields):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows or rows_of(layout)))
    return read_mapped(path, "s", layout.split(",")[0], FieldMap(**fields), where or {}, 0.0)


def test_every_release_is_tested():
    assert {layout.split(",")[0] for layout in ROWS} == set(RELEASES)


@pytest.mark.parametrize("layout", ROWS)
def test_answers_are_told_apart(layout, tmp_path):
    found = read(layout, tmp_path / "rows.jsonl")
    side = {"wikicontradict": 2, "conflictbank": 3}.get(layout, 1)  # items per row
    assert len(found.items) == 3 * side
    for (country, new, old), item in zip(TOWNS, found.items[::side], strict=True):
        assert new in item.context_answers
        assert old in item.parametric_answers or layout == "faitheval"
        assert new not in item.parametric_answers
        assert old not in item.context_answers
        assert new in item.context
        assert old not in item.context
        assert country in item.question or layout.startswith("mquake")
        if layout.split(",")[0] in ALIASED:
            assert f"City of {new}" in item.context_answers
            assert f"City of {old}" in item.parametric_answers


@pytest.mark.parametrize("layout", [layout for layout in ROWS if layout not in ("faitheval", "cpi_unified")])
def test_native_matching_contexts_name_the_remembered_answer(layout, tmp_path):
    found = read(layout, tmp_path / "rows.jsonl")
    for item in found.items:
        assert item.parametric_answers[0] in found.native[item.item_id]["matching"] or layout == "conflictqa"
        assert item.context_answers[-1] not in found.native[item.item_id]["matching"]


@pytest.mark.parametrize(
    ("layout", "passage"), [("rgb", "It rained on Monday."), ("cub_counterfact", "Ann Tolm plays the harp.")]
)
def test_native_irrelevant_contexts_name_no_answer(layout, passage, tmp_path):
    found = read(layout, tmp_path / "rows.jsonl")
    assert [found.native[item.item_id]["irrelevant"] for item in found.items] == [passage] * 3


@pytest.mark.parametrize("layout", ROWS)
def test_items_of_one_fact_are_a_cluster(layout, tmp_path):
    rows = rows_of(layout)
    again = dict(rows[0])
    if layout == "confiqa":
        again["question"] = "Which town governs Zorvia?"
    read_again = read(layout, tmp_path / "rows.jsonl", [*rows, again])
    clusters = {}
    for item in read_again.items:
        clusters.setdefault(item.cluster, []).append(item)
    assert len(clusters) == 3


@pytest.mark.parametrize("layout", ROWS)
def test_files_are_recognised(layout):
    assert looks_like(rows_of(layout)[0]) == layout.split(",")[0]


@pytest.mark.parametrize("container", [lambda rows: rows, lambda rows: {f"id-{i}": row for i, row in enumerate(rows)}])
@pytest.mark.parametrize("layout", ROWS)
def test_files_under_any_other_name_are_recognised(layout, container, tmp_path):
    path, own = tmp_path / "rows.json", layout.split(",")[0]
    path.write_text(json.dumps(container(rows_of(layout))))
    for name in {*RELEASES, "release", "fields"} - {own}:
        mine = {part: f"my_{part}" for part in OWN_MAP} if name == "fields" else {}
        with pytest.raises(DataError, match=f"this looks like .*: write `format: {own}`"):
            source_items(FileSet(source="file", path=str(path), format=name, fields=FieldMap(**mine)), "s")


@pytest.mark.parametrize("layout", [layout for layout in ROWS if layout != "cub_counterfact"])
@pytest.mark.parametrize("kind", ["json", "parquet", "csv"])
def test_the_file_format_makes_no_difference(layout, kind, tmp_path):
    rows, path = rows_of(layout), tmp_path / f"rows.{kind}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        with open(path, "w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            cells = [
                {key: value if isinstance(value, str) else json.dumps(value) for key, value in r.items()} for r in rows
            ]
            writer.writerows(cells)
    expected = read(layout, tmp_path / "rows.jsonl")
    found = read_mapped(path, "s", layout.split(",")[0], FieldMap(), {}, 0.0)
    assert found.items == expected.items
    assert found.native == expected.native


def lines(rows):
    return "\n".join(map(json.dumps, rows))


CONTAINERS = {
    "list under the end of lines": ("r.jsonl", json.dumps),
    "lines under the end of a list": ("r.json", lines),
    "list over lines": ("r.json", lambda rows: json.dumps(rows, indent=2)),
    "byte order mark": ("r.json", lambda rows: "\ufeff" + json.dumps(rows)),
    "byte order mark and lines": ("r.jsonl", lambda rows: "\ufeff" + lines(rows)),
    "blank lines": ("r.jsonl", lambda rows: "\n\n" + lines(rows).replace("\n", "\r\n\r\n") + "\n"),
    "list in an object": ("r.json", lambda rows: json.dumps({"version": "1", "data": rows})),
    "list in an object over lines": ("r.json", lambda rows: json.dumps({"n": [1], "examples": rows}, indent=1)),
    "by ids": ("r.json", lambda rows: json.dumps({f"id-{i}": row for i, row in enumerate(rows)}, indent=1)),
}


@pytest.mark.parametrize("layout", ROWS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_rows_are_found_in_every_kind_of_json(container, layout, tmp_path):
    file, write = CONTAINERS[container]
    path = tmp_path / file
    path.write_text(write(rows_of(layout)), encoding="utf-8", newline="")
    found = read_mapped(path, "s", layout.split(",")[0])
    expected = read(layout, tmp_path / "rows.jsonl")
    assert [(i.question, i.context_answers, i.parametric_answers) for i in found.items] == [
        (i.question, i.context_answers, i.parametric_answers) for i in expected.items
    ]
    assert found.faults == []


@pytest.mark.parametrize("layout", ROWS)
def test_a_row_over_several_lines_is_one_row(layout, tmp_path):
    path = tmp_path / "row.json"
    path.write_text(json.dumps(rows_of(layout)[0], indent=2))
    assert read_mapped(path, "s", layout.split(",")[0]).items


def test_references_resolve():
    for release in RELEASES.values():
        for reference in (release.prepare, release.gather):
            assert reference is None or callable(resolve_name(reference))


# --- what single releases are known for ------------------------------------------------------------


def test_rgb_takes_the_passage_that_names_the_false_answer(tmp_path):
    (item, *_), native = (found := read("rgb", tmp_path / "r.jsonl")).items, found.native
    assert item.context == say("Zorvia", "Lumenna")
    assert native[item.item_id]["matching"] == say("Zorvia", "Old Kett")
    assert item.parametric_answers == ["Old Kett", "City of Old Kett"]


def test_rgb_reads_an_answer_in_text(tmp_path):
    (item,) = read("rgb", tmp_path / "r.jsonl", [rgb(1, *TOWNS[0]) | {"answer": "Old Kett"}]).items
    assert (item.context_answers, item.parametric_answers) == (["Lumenna"], ["Old Kett"])


def test_faitheval_has_options_and_no_remembered_answer(tmp_path):
    item = read("faitheval", tmp_path / "f.jsonl").items[0]
    assert (item.kind, item.options, item.parametric_answers) == ("choice", ["Old Kett", "Lumenna", "Mirrow"], [])
    assert item.question_with_options == f"{ask('Zorvia')}\nA. Old Kett\nB. Lumenna\nC. Mirrow"


def test_faitheval_refuses_a_key_that_the_answer_contradicts(tmp_path):
    row = faitheval(1, *TOWNS[0]) | {"answerKey": "A"}
    with pytest.raises(ValueError, match=r"row 1: 'answer' is 'Lumenna', but the option A is 'Old Kett'"):
        read("faitheval", tmp_path / "f.jsonl", [row])


def test_conflictqa_keeps_sentences_first_and_the_names_of_the_truth_with_their_side(tmp_path):
    item = read("conflictqa", tmp_path / "c.jsonl").items[0]
    assert item.context_answers == ["The capital of Zorvia is Lumenna.", "Lumenna", "City of Lumenna"]
    assert item.parametric_answers == ["The capital of Zorvia is Old Kett.", "Old Kett"]


@pytest.mark.parametrize(
    ("question", "memory", "counter", "context"),
    [
        ("Can a Veyran fly?", "A Veyran cannot fly.", "A Veyran can fly.", "Yes"),
        ("Can a Veyran fly?", "A Veyran can fly.", "A Veyran can not fly.", "No"),
        (
            "Would a lark wake before a Zorv?",
            "A lark would wake before a Zorv.",
            "A Zorv would wake before a lark.",
            "No",
        ),
        (
            "Would a lark wake before a Zorv?",
            "A Zorv would wake before a lark.",
            "A lark would wake before a Zorv.",
            "Yes",
        ),
    ],
)
def test_strategyqa_has_a_polarity(question, memory, counter, context, tmp_path):
    row = conflictqa(1, *TOWNS[0]) | {
        "question": question,
        "ground_truth": ["False"],
        "memory_answer": memory,
        "counter_answer": counter,
    }
    (item,) = read("conflictqa", tmp_path / "c.jsonl", [row]).items
    other = {"Yes": "No", "No": "Yes"}[context]
    assert (item.kind, item.context_answers[0], item.parametric_answers[0]) == ("yes_no", context, other)
    assert counter in item.context_answers
    assert memory in item.parametric_answers


def test_statements_that_are_alike_affirm_nothing():
    assert affirms("Is it blue?", "Perhaps.", "Perhaps.") is None


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        ("Ann is a professional harpist.", "Ann is an engineer.", ["professional harpist", "engineer"]),
        ("He came from Veyra to Pell.", "He came from Brasto to Pell.", ["Veyra", "Brasto"]),
        ("Yes.", "Never in my life.", []),
        ("Ann is tall.", "Ann is tall.", []),
    ],
)
def test_differing_parts(first, second, parts):
    assert differing_parts(first, second) == parts


def test_dynamicqa_without_a_placeholder_replaces_the_answer(tmp_path):
    row = {
        "id": 7,
        "subj": "Zorvia",
        "question": "Who led Zorvia?",
        "context": "zorvia was led by tolm, a harpist.",
        "obj": "tolm,",
        "replace_name": "brask,",
        "num_edits": 2,
    }
    found = read("dynamicqa", tmp_path / "d.jsonl", [row])
    (item,) = found.items
    assert (item.context, item.context_answers) == ("zorvia was led by brask, a harpist.", ["brask"])
    assert found.native[item.item_id]["matching"] == "zorvia was led by tolm, a harpist."
    assert item.parametric_answers == ["tolm"]


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("tolm's", "brask's", ("tolm", "brask")),
        ('"tolm".', "brask.", ("tolm", "brask")),
        ("(1863\u20131939);", "(1867\u20131938);", ("1863\u20131939", "1867\u20131938")),
        ("tolm'", "brask\u2019", ("tolm", "brask")),
    ],
)
def test_dynamicqa_takes_answers_out_of_the_punctuation_of_the_passage(old, new, names, tmp_path):
    row = dynamicqa(1, *TOWNS[0]) | {"context": f"zorvia knew {old} mayor", "obj": old, "replace_name": new}
    (item,) = read("dynamicqa", tmp_path / "d.jsonl", [row | {"possible_answers": None}]).items
    assert (item.parametric_answers, item.context_answers) == ([names[0]], [names[1]])
    assert item.context == f"zorvia knew {new} mayor"


def test_dynamicqa_keeps_answers_that_fill_a_placeholder(tmp_path):
    row = dynamicqa(1, *TOWNS[0]) | {"obj": "Ann Kett, Jr.", "possible_answers": "[]"}
    (item,) = read("dynamicqa", tmp_path / "d.jsonl", [row]).items
    assert item.parametric_answers == ["Ann Kett, Jr."]


def test_dynamicqa_replaces_whole_words_only(tmp_path):
    row = dynamicqa(1, *TOWNS[0]) | {
        "context": "the women said that men, like Menno, came; Men left.",
        "obj": "men",
        "replace_name": "harpists",
        "possible_answers": None,
    }
    (item,) = read("dynamicqa", tmp_path / "d.jsonl", [row]).items
    assert item.context == "the women said that harpists, like Menno, came; harpists left."


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ("dynamicqa", {"replace_name": "Old Kett"}),
        ("dynamicqa", {"replace_name": "City of Old Kett"}),
        ("nq_swap", {"sub_answer": ["old kett"]}),
        ("confiqa", {"cf_answer": "City of Old Kett"}),
        ("mquake", {"new_answer": "Old Kett."}),
    ],
)
def test_rows_of_a_release_with_equal_answers_are_skipped_without_an_error(layout, change, tmp_path):
    """The releases contain such rows: an actor whose new occupation is another name of the same occupation."""
    found = read(layout, tmp_path / "r.jsonl", [ROWS[layout](1, *TOWNS[0]) | change, ROWS[layout](2, *TOWNS[1])])
    assert (len(found.items), found.faults) == (1, [])
    (reason,) = found.skipped
    assert reason.startswith("row 1: both answers are")
    with pytest.raises(
        ValueError, match=r"keeps none of 1 rows \(row 1: both answers are .*\); no row contains a conflict"
    ):
        read(layout, tmp_path / "r.jsonl", [ROWS[layout](1, *TOWNS[0]) | change])


def test_strategyqa_without_a_polarity_is_omitted(tmp_path):
    vague = conflictqa(1, *TOWNS[0]) | {
        "ground_truth": ["True"],
        "memory_answer": "Perhaps.",
        "counter_answer": "Maybe.",
    }
    found = read("conflictqa", tmp_path / "c.jsonl", [vague, conflictqa(2, *TOWNS[1])])
    assert (len(found.items), found.faults) == (1, [])
    assert found.skipped == ["row 1: it is unclear which of 'memory_answer' and 'counter_answer' says yes"]


def test_conflictbank_finds_an_option_with_another_spelling_by_its_letter(tmp_path):
    row = conflictbank(1, *TOWNS[0]) | {"options": ["the town of Old Kett", "Mirrow", "Lumenna City", "uncertain"]}
    item = read("conflictbank", tmp_path / "c.jsonl", [row]).items[0]
    assert (item.context_answers, item.parametric_answers) == (
        ["Lumenna", "Lumenna City"],
        ["Old Kett", "the town of Old Kett"],
    )


def test_conflictbank_has_an_item_for_each_kind_of_conflict(tmp_path):
    found = read("conflictbank", tmp_path / "c.jsonl", [conflictbank(1, *TOWNS[0])])
    assert [item.stratum for item in found.items] == ["misinformation", "temporal", "semantic"]
    assert [item.item_id for item in found.items] == ["s-000001-1", "s-000001-2", "s-000001-3"]
    assert {item.kind for item in found.items} == {"choice"}
    only = read("conflictbank", tmp_path / "c.jsonl", where={"conflict_type": "misinformation"})
    assert {item.stratum for item in only.items} == {"misinformation"}
    assert len(only.items) == 3


def test_wikicontradict_shows_either_passage(tmp_path):
    first, second = read("wikicontradict", tmp_path / "w.jsonl").items[:2]
    assert (first.context_answers, first.parametric_answers) == (["Lumenna"], ["Old Kett"])
    assert (second.context_answers, second.parametric_answers) == (["Old Kett"], ["Lumenna"])
    assert first.cluster == second.cluster


@pytest.mark.parametrize(
    ("layout", "subject"),
    [
        ("confiqa", "Zorvia"),
        ("dynamicqa", "Zorvia"),
        ("conflictbank", "Zorvia"),
        ("counterfact", "Zorvia"),
        ("counterfact, flat", "Zorvia"),
        ("cub_counterfact", "Zorvia"),
        ("mquake", "Ann Tolm"),
        ("mquake, Remastered", "Ann Tolm"),
        ("cpi_unified", "Zorvia"),
    ],
)
def test_releases_that_name_the_subject_of_a_fact_have_it(layout, subject, tmp_path):
    """`no_fact_overlap` searches the instruction data for the subject."""
    assert read(layout, tmp_path / "r.jsonl").items[0].subject == subject


WRONG_VALUES = [
    None,
    "",
    [],
    {},
    [[]],
    [None],
    5,
    True,
    "[",
    "text",
    ["x", 3],
    {"a": 1},
    {"label": ["A"], "text": True},
]


def places(value, path=()):
    """The paths of all values in an object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from places(entry, (*path, key))


def with_value(row, path, value):
    changed = holder = json.loads(json.dumps(row))
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


@pytest.mark.parametrize("layout", ROWS)
def test_a_wrong_value_anywhere_makes_at_most_its_own_row_a_fault(layout, tmp_path):
    whole = rows_of(layout)
    broken = [with_value(whole[0], path, value) for path in places(whole[0]) for value in WRONG_VALUES]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([*broken, *whole]))
    found = read_mapped(path, "s", layout.split(",")[0], max_bad_rows=1.0)
    assert len(found.items) >= len(read(layout, tmp_path / "whole.jsonl").items)
    assert all("\n" not in fault for fault in found.faults)


def test_cub_reports_every_lost_row(tmp_path):
    rows = [
        *rows_of("cub_counterfact"),
        cub(9, "Zorvia", "Brasto", "Old Kett"),  # a second edit of the first fact
        cub(10, "Tolmland", "Brasto", "Veyra", "gold"),
        cub(11, *TOWNS[0]) | {"context_type": "conflicting"},
    ]
    path = tmp_path / "c.json"
    path.write_text(json.dumps(rows))
    found = read_mapped(path, "s", "cub_counterfact", max_bad_rows=0.5)
    assert [item.context_answers[0] for item in found.items] == ["Lumenna", "Brasto", "Brasto", "Pell Haven"]
    assert found.native["s-000010"] == found.native["s-000001"]
    assert found.skipped == ["row 11: its fact has no row with the context type 'edited'"]
    assert found.faults == ["row 12: 'context_type' is 'conflicting', not one of gold, edited, irrelevant"]


def test_mquake_lists_the_edits_where_it_has_no_chains(tmp_path):
    for layout in ("mquake", "mquake, Remastered"):
        row = ROWS[layout](1, *TOWNS[0]) | {"single_hops": None, "new_single_hops": None}
        found = read(layout, tmp_path / "m.jsonl", [row])
        assert found.items[0].context == "The capital of Zorvia is Lumenna."
        assert found.native["s-000001"]["matching"] == "The capital of Zorvia is Old Kett."


@pytest.mark.parametrize("layout", ["confiqa", "dynamicqa", "mquake"])
def test_aliases_without_a_word_are_dropped(layout, tmp_path):
    """Aliases from Wikidata include emojis of flags."""
    row = ROWS[layout](1, *TOWNS[0])
    key = {"confiqa": "orig_alias", "dynamicqa": "possible_answers", "mquake": "answer_alias"}[layout]
    (item,) = read(layout, tmp_path / "r.jsonl", [row | {key: ["\U0001f1ef\U0001f1f5", "", None, "Kett"]}]).items
    assert item.parametric_answers == ["Old Kett", "Kett"]
    (item,) = read(layout, tmp_path / "r.jsonl", [row | {key: [[]]}]).items
    assert item.parametric_answers == ["Old Kett"]


@pytest.mark.parametrize("layout", ["confiqa", "dynamicqa", "mquake", "conflictqa"])
def test_aliases_that_are_codes_are_dropped(layout, tmp_path):
    """Wikidata lists "or" for Odia and "NO" for Norway, which occur in texts for other reasons."""
    row = ROWS[layout](1, *TOWNS[0])
    key = {"confiqa": "orig_alias", "dynamicqa": "possible_answers", "mquake": "answer_alias"}.get(
        layout, "ground_truth"
    )
    (item,) = read(
        layout, tmp_path / "r.jsonl", [row | {key: ["Old Kett", "or", "NO", "de", "ok", "US", "Kett"]}]
    ).items
    assert item.parametric_answers[-3:] == ["Old Kett", "US", "Kett"]


def test_a_study_keeps_every_alias_of_its_own_set(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"q": "Is it?", "c": "It is.", "new": "True", "old": "False", "aka": ["no", "it"]}]))
    own = FieldMap(question="q", context="c", context_answer="new", parametric_answer="old", parametric_aliases="aka")
    (item,) = read_mapped(path, "s", "fields", own).items
    assert item.parametric_answers == ["False", "no", "it"]


def test_the_unified_file_names_answers_as_the_papers_files_do(tmp_path):
    row = unified(1, "Zorvia", "Ann Lumenna", "Old Kett (called Kettring until 1999)")
    row["context"] = "Ann Lumenna was born in Veyra. Lumenna moved to Zorvia."
    own = {"question": row["question"], "context": row["context"], "answer": row["counterfactual_answer"]}
    (tmp_path / "paper.json").write_text(json.dumps([own | {"memory_answer": row["parametric_answer"]}]))
    (expected,) = release_items(tmp_path / "paper.json", "s")
    (item,) = read("cpi_unified", tmp_path / "u.jsonl", [row]).items
    assert replace(item, stratum="s") == expected
    assert item.context_answers == ["Ann Lumenna", "Lumenna"]
    assert item.parametric_answers[0] == "Old Kett"


def test_rgb_finds_answers_in_chinese(tmp_path):
    row = rgb(1, "Zorvia", "170", "70") | {"query": "有多少个议席"}
    row["positive_wrong"] = ["共有35位议员。", "议会共有170个议席。"]
    row["positive"] = ["共有35位议员, ", "议会共有70个议席。"]
    row["negative"] = ["从70个到90个。", "下雨了。"]
    found = read("rgb", tmp_path / "r.jsonl", [row])
    assert found.items[0].context == "议会共有170个议席。"
    assert found.native["s-000001"] == {"matching": "议会共有70个议席。", "irrelevant": "下雨了。"}


def test_mquake_lists_the_facts_of_the_changed_chain(tmp_path):
    item = read("mquake", tmp_path / "m.jsonl").items[0]
    assert item.context == "Ann Tolm was born in Zorvia. The capital of Zorvia is Lumenna."


def test_unchanged_answers_of_clasheval_and_aliases_of_nq_swap_are_omitted(tmp_path):
    rows = [clasheval(1, *TOWNS[0]), clasheval(2, *TOWNS[1]) | {"answer_mod": TOWNS[1][2]}]
    found = read("clasheval", tmp_path / "c.jsonl", rows)
    assert (len(found.items), found.skipped) == (1, ["row 2: the answer was not changed"])
    rows = [nq_swap_other(1, *TOWNS[0]), nq_swap_other(2, *TOWNS[1]) | {"substitution_type": "alias"}]
    found = read("nq_swap, the other spelling", tmp_path / "n.jsonl", rows)
    assert (len(found.items), len(found.skipped), found.faults) == (1, 1, [])


def test_a_study_can_choose_another_wording(tmp_path):
    item = read("mquake", tmp_path / "m.jsonl", question="questions[1]").items[0]
    assert item.question == "b"


def test_every_release_is_described():
    for release in RELEASES.values():
        assert all((release.title, release.citation, release.licence, release.source, release.tests, release.lacks))
        assert release.passages in ("native", "synthetic")


def test_the_documentation_lists_every_release():
    page = (Path(__file__).parents[2] / "docs" / "sets.md").read_text(encoding="utf-8")
    for name, release in RELEASES.items():
        assert f"| `{name}` | {release.title} | {release.tests} | {release.lacks} |" in page
        assert f"| `{name}` | {release.source} | {release.licence} | {release.citation} |" in page
