"""The cost of the workflow itself: the main process sleeps while jobs run. The stubs of benchmarks/scale.py are
accepted as results."""

from types import SimpleNamespace
from typing import NamedTuple

import pytest
import scale
import yaml
from checkout import Checkout
from snakemake.cli import get_argument_parser
from snakemake.settings.types import MaxJobsPerTimespan

from main_process import drop_default_limit

pytestmark = pytest.mark.workflow

RUNS = 10


def test_stub_checkpoints_are_planned_like_real_ones(tmp_path):
    scale.make_checkout(tmp_path, scale.study(RUNS))
    scale.fill(tmp_path, "--until", "enumerate_checkpoints")
    checkout = Checkout(tmp_path)
    planned = [job.rule for job in checkout.plan()]
    assert planned.count("generate_responses") == RUNS * 9, "steps 0 to 100, twelve a job"
    assert planned.count("label_responses") == planned.count("thin_checkpoints") == RUNS
    assert not {"prepare_base", "build_train_set", "finetune", "enumerate_checkpoints"} & set(planned)

    scale.fill(tmp_path)
    assert checkout.plan() == set()
    checkout.study(lambda s: s["evaluation"].update(bootstrap=60))
    assert "tabulate_inversions" in {job.rule for job in checkout.plan()}, "stubs are remembered with their parameters"


def test_the_study_has_the_requested_number_of_runs():
    (experiment,) = yaml.safe_load(yaml.safe_dump(scale.study(200)))["experiments"].values()
    lengths = [len(experiment[key]) for key in ("models", "datasets", "recipes", "seeds")]
    assert lengths == [5, 1, 2, 20]
    with pytest.raises(ValueError, match="15 runs are no multiple of 10"):
        scale.study(15)


def test_the_scheduler_wakes_for_jobs_and_not_by_a_timer(finished):
    said = (finished.folder / "verbose.log").read_text()
    ended, wakes = said.count("Finished jobid"), said.count("Ready jobs:")
    assert ended > 20
    assert wakes <= ended + 5


class Limiter(NamedTuple):
    """The state of Snakemake's job limiter."""

    max_jobs: int
    timespan: float


@pytest.mark.parametrize(
    ("limiter", "kept"),
    [(Limiter(100, 1), False), (Limiter(1, 3), True), (Limiter(100, 2), True), (None, False)],
    ids=["Snakemake's default", "the user's own", "as many, over a longer time", "none"],
)
def test_a_limit_of_the_users_own_is_kept(limiter, kept):
    scheduler = SimpleNamespace(job_rate_limiter=limiter)
    drop_default_limit(scheduler)
    assert scheduler.job_rate_limiter is (limiter if kept else None)


def test_the_default_limit_is_snakemakes():
    """The default limit is recognised by its value. The test of the scheduler above checks this in a real run."""
    (option,) = [action for action in get_argument_parser()._actions if action.dest == "max_jobs_per_timespan"]
    limit = MaxJobsPerTimespan.parse_choice(option.default)
    assert (limit.max_jobs, limit.timespan) == (100, 1)
