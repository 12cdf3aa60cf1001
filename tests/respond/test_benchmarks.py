import json
from pathlib import Path

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Benchmark
from inversion.config.training import LoraTuning
from inversion.manifests import CheckpointEntry
from inversion.measured_folders import read_benchmarks
from inversion.models import load_for_tuning
from inversion.respond import benchmarks as module
from inversion.respond.benchmarks import OURS, load_tasks, run_benchmarks
from inversion.respond.tasks.squad import process_results

SQUAD = [
    {"context": f"The {name} stands in {place}.", "question": f"Where is the {name}?", "answers": {"text": [place]}}
    for name, place in [("tower", "Paris"), ("bridge", "Prague"), ("gate", "Berlin"), ("wall", "China")]
]
MMLU = [
    {"question": f"{a} + 1 = ?", "choice0": a, "choice1": a + 1, "choice2": a + 2, "choice3": 9, "answer": 1}
    for a in range(6)
]


def tiny(seed):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return LlamaForCausalLM(LlamaConfig(vocab_size=258, max_position_embeddings=512, **sizes))


@pytest.fixture
def base(tmp_path):
    """A random model whose tokens are bytes."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=letters, vocab_size=258)
    inner.train_from_iterator(["a"], trainer)
    folder = tmp_path / "base"
    tiny(0).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    return folder


def save_adapter(base, folder):
    """A LoRA checkpoint with random weights that are large enough to change answers."""
    tuned = load_for_tuning(base, "base", LoraTuning(method="lora", rank=2, alpha=4.0))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    tuned.save_pretrained(folder, save_embedding_layers=False)


@pytest.fixture(params=["full", "lora"])
def chunk(request, base, tmp_path):
    """The base model and one checkpoint: whole weights or an adapter."""
    folder = tmp_path / "checkpoints" / "step-000010"
    if request.param == "lora":
        save_adapter(base, folder)
    else:
        tiny(10).save_pretrained(folder)
    seal_folder(folder)
    name = folder.relative_to(tmp_path).as_posix()
    return [
        CheckpointEntry(step=0, epoch=0.0, folder="", digest="base"),
        CheckpointEntry(step=10, epoch=1.0, folder=name, digest=folder_digest(folder)),
    ]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "squad.jsonl").write_text("\n".join(map(json.dumps, SQUAD)))
    rows = [",".join(map(str, row.values())) for row in MMLU]
    (tmp_path / "mmlu.csv").write_text("\n".join([",".join(MMLU[0]), *rows]))
    return {
        "squad": Benchmark(task="squad", path=str(tmp_path / "squad.jsonl"), limit=3),
        "mmlu": Benchmark(task="mmlu", path=str(tmp_path / "mmlu.csv")),
    }


def by_hand(folder, tmp_path, monkeypatch):
    """lm-eval's scores of a saved checkpoint, with tasks and files given as for its own command."""
    (tmp_path / "shaped.jsonl").write_text(
        "\n".join(
            json.dumps(
                {
                    "question": row["question"],
                    "choices": [str(row[f"choice{i}"]) for i in range(4)],
                    "answer": row["answer"],
                }
            )
            for row in MMLU
        )
    )
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tasks").mkdir()
    for name, split, file in (("mmlu_file", "test", "shaped.jsonl"), ("squad", "validation", "squad.jsonl")):
        (tmp_path / "tasks" / f"{name}.yaml").write_text(
            f"include: {OURS / name}.yaml\ntask: hand_{name}\ndataset_path: json\n"
            f"dataset_kwargs: {{data_files: {{{split}: {tmp_path / file}}}}}\n"
        )
    base = str(tmp_path / "base")
    weights = {"pretrained": str(folder)}
    if (folder / "adapter_config.json").exists():
        weights = {"pretrained": base, "peft": str(folder)}
    lm = HFLM(**weights, tokenizer=base, device="cpu", dtype="float32", batch_size=2)
    manager = TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False)

    def result(task, limit):
        return simple_evaluate(lm, tasks=[task], task_manager=manager, limit=limit, bootstrap_iters=0)["results"][task]

    return {"squad": result("hand_squad", 3), "mmlu": result("hand_mmlu_file", None)}


@pytest.mark.slow
def test_scores_equal_those_of_lm_eval(base, chunk, files, tmp_path, monkeypatch):
    run_benchmarks(base, "base", tmp_path, chunk, files, 4).write(tmp_path / "benchmarks" / "chunk-000.json")
    table = read_benchmarks(tmp_path / "benchmarks" / "chunk-000.json")
    expected = by_hand(tmp_path / chunk[1].folder, tmp_path, monkeypatch)
    for name, metric, n in (("squad", "exact_match,none", 3), ("squad", "f1,none", 3), ("mmlu", "acc,none", 6)):
        scores = table.filter(benchmark=name, metric=metric, step=10)["score"]
        assert len(scores) == n
        assert scores.mean() == pytest.approx(expected[name][metric], abs=1e-9)
    assert scores.to_list() != table.filter(benchmark="mmlu", metric="acc,none", step=0)["score"].to_list()

    def fail(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(module, "evaluate", fail)
    run_benchmarks(base, "base", tmp_path, chunk, files, 4)
    fewer = {"squad": files["squad"].model_copy(update={"limit": 2})}
    with pytest.raises(AssertionError, match="asked again"):
        run_benchmarks(base, "base", tmp_path, chunk, fewer, 4)
    run_benchmarks(base, "base", tmp_path, chunk, {"squad": files["squad"]}, 4).write(
        tmp_path / "benchmarks" / "chunk-000.json"
    )
    left = read_benchmarks(tmp_path / "benchmarks" / "chunk-000.json")
    assert left.equals(table.filter(benchmark="squad"))


def test_a_missing_metric_is_named_with_the_nearest(base, chunk, files, tmp_path):
    asked = {"squad": files["squad"].model_copy(update={"metric": "exact_mach,none"})}
    with pytest.raises(ValueError, match=r"benchmarks\.squad\.metric: squad has no 'exact_mach,none'; did you mean"):
        run_benchmarks(base, "base", tmp_path, chunk[:1], asked, 4)


@pytest.mark.parametrize(
    ("answer", "truths", "exact", "overlap"),
    [
        (" The Paris.", ["paris"], 1.0, 1.0),
        ("in Paris, France", ["Paris"], 0.0, 0.5),
        ("Rome", ["Paris", "rome"], 1.0, 1.0),
        ("", ["Paris"], 0.0, 0.0),
    ],
)
def test_squad_is_scored_after_its_normalisation(answer, truths, exact, overlap):
    assert process_results({"answers": {"text": truths}}, [answer]) == {"exact_match": exact, "f1": overlap}


def test_lm_evals_own_tasks_take_files(tmp_path):
    path = tmp_path / "gsm8k.jsonl"
    path.write_text(json.dumps({"question": "1 + 1?", "answer": "two\n#### 2"}))
    (task,) = load_tasks("gsm", Benchmark(task="gsm8k", path=str(path)))
    assert (task.config.num_fewshot, len(task.eval_docs)) == (0, 1)
    assert task.doc_to_text(task.eval_docs[0]) == "Question: 1 + 1?\nAnswer:"


def test_the_package_contains_its_tasks():
    assert {path.name for path in Path(OURS).glob("*.yaml")} == {"mmlu_file.yaml", "squad.yaml"}
