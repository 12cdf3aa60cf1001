"""The example files have the keys of five public releases, and are read in the formats that the example study names."""

from pathlib import Path

import pytest

from inversion.config.load import read_config
from inversion.conflict.audit import audit_set
from inversion.conflict.files import load_items, read_source

ROOT = Path(__file__).parents[2]
SETS = {
    name: spec.model_copy(update={"path": str(ROOT / spec.path)})
    for name, spec in read_config(ROOT / "config" / "public-sets.yaml").sets.items()
}


@pytest.mark.parametrize("name", SETS)
def test_the_example_rows_are_valid(name):
    read = read_source(SETS[name], name)
    assert len(load_items(SETS[name], name)) == len(read.items) == read.rows == 16
    assert len(read.native) == 16
    found = {finding.rule: finding.count for finding in audit_set(name, {name: SETS[name]}, {name: read.items}, read)}
    clean = ("malformed_row", "duplicate", "answers_swapped", "context_answer_missing", "parametric_answer_in_context")
    assert {rule: found[rule] for rule in clean} == dict.fromkeys(clean, 0)


def test_the_example_sets_are_of_five_releases():
    assert {spec.format for spec in SETS.values()} == {"confiqa", "nq_swap", "rgb", "conflictqa", "counterfact"}
