"""Series through the whole workflow: a folder of adapters, sharded models, and a repository of the Hub."""

import json
import os
import re
import shutil
import subprocess
import sys

import polars as pl
import pytest
import torch
import yaml
from checkout import ROOT
from elsewhere import STEPS, ask_plain, conflict_rows, load_plain, make_base, write_items

from inversion.artifacts import write_json
from inversion.first_study import NEW_TOKENS, write_first_study
from inversion.series import SeriesError

pytestmark = pytest.mark.workflow
COMMITS = {"step_20": "a" * 40, "step_60": "b" * 40}


def save_adapter(base, folder, seed):
    """A random adapter as the Trainer saves it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules="all-linear"))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    step = int(folder.name.removeprefix("checkpoint-"))
    write_json(folder / "trainer_state.json", {"global_step": step, "epoch": step / 20})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A base model, with adapters and whole models that derive from it. The latter are in a folder and on the Hub."""
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("elsewhere")
    write_items(root / "items.json")
    base = make_base(root / "tiny-llama")
    for step in (10, 100):
        save_adapter(base, root / "lora" / f"checkpoint-{step}", seed=step)
    for branch, commit in COMMITS.items():
        folder = root / "sharded" / f"global_{branch.replace('_', '')}"
        make_base(folder, seed=int(branch.removeprefix("step_")))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="20KB")
        repository = root / "hf" / "hub" / "models--me--tiny"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / branch).write_text(commit)
    return root


def require_plain(items, folders, base):
    """Fail unless the rows of `items` contain the answers of the models in `folders`, by step, to one prompt at a time.
    Returns these answers."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    found = {}
    for step, folder in folders.items():
        model = load_plain(folder, base if (folder / "adapter_config.json").exists() else None)
        found[step] = [ask_plain(model, tokenizer, row, NEW_TOKENS) for row in conflict_rows()]
        ours = {row["context_answers"][0]: row for row in items.filter(step=step).iter_rows(named=True)}
        assert len(ours) == len(found[step])
        for row, plain in zip(conflict_rows(), found[step], strict=True):
            answered = ours[row["answer"]]
            assert answered["text"] == plain.text
            assert answered["context_logprob"] == pytest.approx(plain.context, abs=1e-5)
            assert answered["parametric_logprob"] == pytest.approx(plain.parametric, abs=1e-5)
    return found


def require_curves(curves, found):
    """Fail unless the rates are those of the plain answers, by their words and by log-probability per token."""
    rows = conflict_rows()
    for step, plain in found.items():
        expected = {("logprob", "context_rate"): [p.context / p.tokens[0] > p.parametric / p.tokens[1] for p in plain]}
        for metric, key in (("context_rate", "answer"), ("parametric_rate", "memory_answer")):
            said = [re.search(rf"\b{row[key]}\b", one.text) for row, one in zip(rows, plain, strict=True)]
            expected["containment", metric] = [one is not None for one in said]
        for (scorer, metric), followed in expected.items():
            (value,) = curves.filter(step=step, scorer=scorer, metric=metric, stratum="all")["value"]
            assert value == pytest.approx(sum(followed) / len(followed))


def test_a_study_of_ten_checkpoints_of_trl_runs_unchanged_and_equals_plain_loading(series_of_trl, checkout):
    base, lora = series_of_trl / "tiny-llama", series_of_trl / "lora"
    environment = checkout.environment | {"PYTHONPATH": str(ROOT / "workflow")}

    def inversion(*arguments):
        command = [sys.executable, "-m", "inversion.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=checkout.folder, env=environment, check=True)

    done = inversion("init", "--checkpoints", lora, "--set", series_of_trl / "items.json")
    assert "checkpoints: 10 named checkpoint-{step} (adapter), steps 10 to 100" in done.stderr
    (checkout.folder / "config" / "config.yaml").write_text(done.stdout)
    assert "series lora: 10 checkpoints\n" in inversion("plan").stdout
    checkout.run("results/tables/curves.parquet", "results/tables/items.parquet")
    items = pl.read_parquet(checkout.result("tables/items.parquet"))
    # an epoch has 12 steps: 48 rows in batches of 4
    assert dict(items.select("step", "epoch").unique().iter_rows())[100] == pytest.approx(100 / 12)
    found = require_plain(items, {0: base} | {step: lora / f"checkpoint-{step}" for step in STEPS}, base)
    assert len({plain[0].context for plain in found.values()}) == 11, "every checkpoint is another model"
    require_curves(pl.read_parquet(checkout.result("tables/curves.parquet")), found)


def test_series_from_one_command_to_the_report(place, checkout, monkeypatch):
    # one command writes a study that runs
    done = subprocess.run(
        [sys.executable, "-m", "inversion.cli", "init", "--checkpoints", "lora", "--set", "items.json"],
        capture_output=True,
        text=True,
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        check=True,
    )
    assert "checkpoints: 2 named checkpoint-{step} (adapter), steps 10 to 100" in done.stderr
    assert f"base: {place / 'tiny-llama'}, from adapter_config.json" in done.stderr
    assert "template: chat" in done.stderr
    values = yaml.safe_load(done.stdout)
    values["series"]["lora"]["path"] = str(place / "lora")
    values["sets"]["items"]["path"] = str(place / "items.json")
    # two more series, of whole models
    values["series"]["stages"] = {
        "source": "folder",
        "path": str(place / "sharded"),
        "checkpoints": "global_step{step}",
        "labels": {"20": "SFT", "60": "DPO"},
    }
    values["series"]["hub"] = {"model": "tiny-llama", "source": "hub", "id": "me/tiny", "revisions": "step_{step}"}
    values["experiments"]["lora"]["series"] = ["lora", "stages", "hub"]
    (checkout.folder / "config" / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(place / "hf"))
    checkout.run()

    items = pl.read_parquet(checkout.result("tables/items.parquet"))
    keys = items.select("model", "dataset", "recipe", "seed", "step").unique().sort("dataset", "step").rows()
    assert keys == [
        *(("tiny-llama", "hub", "external", 0, step) for step in (0, 20, 60)),
        *(("tiny-llama", "lora", "external", 0, step) for step in (0, 10, 100)),
        *(("stages", "stages", "external", 0, step) for step in (20, 60)),
    ]
    assert items.filter(dataset="lora", step=100)["epoch"].unique().to_list() == [5.0]
    assert items.filter(dataset="hub")["epoch"].is_nan().all()
    said = ["step", "item_id", "text", "context_logprob"]
    same = [items.filter(pl.col("step") > 0, dataset=name).select(said).sort(said[:2]) for name in ("hub", "stages")]
    assert same[0].equals(same[1])
    commits = json.loads(checkout.result("series/hub/commits.json").read_text())
    assert commits == {"me/tiny": COMMITS}
    page = checkout.result("report.html").read_text()
    assert "Checkpoints trained elsewhere" in page
    assert "20 (SFT), 60 (DPO)" in page
    assert "SFT" in checkout.result("figures/accuracy-lora.svg").read_text()
    assert not checkout.plan()

    # training continues: the next run evaluates a complete checkpoint, and names an incomplete one
    save_adapter(place / "tiny-llama", place / "lora" / "checkpoint-110", seed=110)
    shutil.copytree(place / "lora" / "checkpoint-110", place / "lora" / "checkpoint-120")
    (place / "lora" / "checkpoint-120" / "trainer_state.json").unlink()
    checkout.run("results/runs/tiny-llama/lora/external/seed0/responses/chunk-000.json")
    log = checkout.result("logs/generate_responses/tiny-llama/lora/external/seed0/chunk-000.log").read_text()
    assert "1 of 4 checkpoints left" in log
    listed = json.loads(checkout.result("runs/tiny-llama/lora/external/seed0/series.json").read_text())
    assert [(one["step"], one["notes"][0][:27]) for one in listed["skipped"]] == [(120, "it lacks trainer_state.json")]


@pytest.mark.parametrize(
    "source",
    [{"source": "folder", "path": "out"}, {"source": "hub", "id": "me/tiny", "revisions": "step_{step}"}],
    ids=["folder", "hub"],
)
def test_a_series_that_starts_from_its_first_checkpoint_needs_no_base_model(source, checkout):
    for step in (1, 2):
        (checkout.folder / f"out/checkpoint-{step}").mkdir(parents=True)

    def add_series(study):
        study["series"] = {"elsewhere": source | {"template": {"style": "chat"}}}
        study["experiments"] = {"found": {"series": ["elsewhere"], "figures": ["accuracy"]}}

    checkout.study(add_series)
    jobs = checkout.plan()
    assert ("prepare_start", "model=elsewhere") in jobs
    assert "prepare_base" not in {job.rule for job in jobs}


def test_a_study_needs_checkpoints_to_start_from(tmp_path):
    with pytest.raises(SeriesError, match="contains no checkpoint folders with step numbers in their names"):
        write_first_study(str(tmp_path))
    with pytest.raises(SeriesError, match="is neither a folder nor a repository of the Hub"):
        write_first_study(str(tmp_path / "nowhere"))
