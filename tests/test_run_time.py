"""The benchmark of a study's CPU seconds: the measurements that each process writes, and their table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import run_time
from run_time import RECORDER, Used, by_rule, table


def test_a_process_records_its_rule_its_imports_and_its_total(tmp_path: Path) -> None:
    (tmp_path / "recorder").mkdir()
    (tmp_path / "recorder/sitecustomize.py").write_text(RECORDER)
    (tmp_path / ".snakemake/scripts").mkdir(parents=True)
    script = tmp_path / ".snakemake/scripts/tmpabc.finetune.py"
    script.write_text("sum(range(10**5)); open('results/logs/job.log', 'w').close(); sum(range(10**7))")
    (tmp_path / "results/logs").mkdir(parents=True)
    times = tmp_path / "times.jsonl"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "recorder"), "RUN_TIME_FILE": str(times)}
    for program in ([str(script)], [str(script)], ["-m", "timeit", "-n1", "pass"]):
        subprocess.run([sys.executable, *program], cwd=tmp_path, env=environment, check=True, capture_output=True)
    used = by_rule(times.read_text())
    assert used.keys() == {"finetune", "snakemake"}
    assert used["finetune"].jobs == 2
    assert 0 < used["finetune"].starting < used["finetune"].total
    assert used["snakemake"].starting == 0


def test_the_table_compares_rule_by_rule_and_in_all() -> None:
    before = {"draw": Used(1, 1.0, 2.0), "train": Used(3, 6.0, 8.0)}
    text = table(before, {"train": Used(3, 3.0, 4.0)}, ("old", "new"))
    assert [line.split(" | ")[0] for line in text.splitlines()[2:5]] == ["| train", "| draw", "| all"]
    assert "| draw | 1 | 2.0 | 1.0 | 0 | 0.0 | 0.0 |" in text
    assert "| all | 4 | 10.0 | 7.0 | 3 | 4.0 | 3.0 |" in text
    assert text.endswith("All CPU seconds: 0.40 of those at old.")


def test_a_commit_is_checked_out_with_the_study(tmp_path: Path) -> None:
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=run_time.ROOT, capture_output=True, check=False).returncode:
        pytest.skip("no git checkout")
    study = run_time.ROOT / "tests/workflow/tiny.yaml"
    run_time.check_out("HEAD", study, tmp_path)
    assert (tmp_path / "config/config.yaml").read_bytes() == study.read_bytes()
    assert (tmp_path / "workflow/Snakefile").is_file()
    run_time.check_out("HEAD", None, tmp_path / "own")
    own = subprocess.check_output(["git", "show", "HEAD:config/config.yaml"], cwd=run_time.ROOT)
    assert (tmp_path / "own/config/config.yaml").read_bytes() == own
