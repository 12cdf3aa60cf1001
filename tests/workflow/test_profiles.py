"""The profile for a cluster, as far as it can be seen without one; tests/slurm runs it."""

import re

import pytest

pytestmark = pytest.mark.workflow


def asked(done):
    """Rules and the resources that each of their attempts asked for, in order."""
    return re.findall(r"^rule (\w+):.*?resources: (.*?)\n", done.stdout + done.stderr, flags=re.DOTALL | re.MULTILINE)


def test_the_literal_command_plans_every_job(checkout):
    jobs = dict(asked(checkout.run("--profile", "slurm", "--dry-run")))
    assert len(jobs) > 10
    assert "signal=USR1@300" in jobs["finetune"]
    assert not [rule for rule in jobs if rule != "finetune" and "USR1" in jobs[rule]]
    assert not [rule for rule in jobs if "runtime=" not in jobs[rule]]
