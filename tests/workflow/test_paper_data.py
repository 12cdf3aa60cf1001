"""The paper's conflict files and real Alpaca rows through the whole DAG, with a tiny untrained Llama."""

from pathlib import Path

import polars as pl
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

DATA = Path(__file__).parents[3] / "shared" / "data"
PAPER = DATA / "conflict" / "paper"

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not PAPER.is_dir(), reason=f"the paper's files are not at {PAPER}"),
]

CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<|user|>\n{{ m.content }}\n{% else %}<|assistant|>\n"
    "{% generation %}{{ m.content }}</s>{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
ITEMS = 12


def save_tiny_llama(folder):
    """Save an untrained Llama with a byte-level tokenizer, as the local model of a user."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "</s>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    text = (PAPER / "country_capitals_only.json").read_text(encoding="utf-8").splitlines()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(fast),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=2048,
            pad_token_id=0,
            eos_token_id=1,
        )
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def study(new_checkout, tmp_path_factory):
    checkout = new_checkout(tmp_path_factory.mktemp("paper"))
    save_tiny_llama(checkout.folder / "tiny-llama")

    def change(s):
        del s["world"]
        s["models"] = {"tiny": {"source": "folder", "path": "tiny-llama"}}
        s["datasets"] = {
            "alpaca": {"source": "file", "path": str(DATA / "sft" / "alpaca_en_demo.json"), "format": "alpaca"}
        }
        lora = {"method": "lora", "rank": 2, "alpha": 4.0}
        s["training"].update(max_steps=2, batch_size=2, max_length=512, tuning=lora, checkpoints=[{"every": 2}])
        s["recipes"] = {"standard": {}}
        s["sets"] = {
            "capitals": {"source": "file", "path": str(PAPER / "country_capitals_only.json"), "limit": ITEMS},
            "world-facts": {
                "source": "file",
                "path": str(PAPER / "world_facts.json"),
                "exclude": ["capitals"],
                "limit": ITEMS,
            },
            "biographies": {"source": "file", "path": str(PAPER / "famous_biographies.jsonl"), "limit": ITEMS},
        }
        s["experiments"] = {
            "paper": {
                "models": ["tiny"],
                "datasets": ["alpaca"],
                "recipes": ["standard"],
                "seeds": [0],
                "figures": ["accuracy"],
            }
        }

    checkout.study(change)
    checkout.run()
    return checkout


def test_every_item_is_answered_and_labelled_at_every_step(study):
    items = pl.read_parquet(study.result("tables/items.parquet"))
    counts = items.group_by("set", "step").len().sort("set", "step")
    assert counts.rows() == [
        (name, step, ITEMS) for name in ("biographies", "capitals", "world-facts") for step in (0, 2)
    ]
    assert (items["context_logprob"] < 0).all()
    assert (items["parametric_logprob"] < 0).all()
    assert set(items["logprob"]) <= {"context", "parametric", "other"}
    tuned = items.filter(step=2)["context_logprob"]
    assert not tuned.equals(items.filter(step=0)["context_logprob"]), "the adapter is on"


def test_faults_of_the_release_are_reported(study):
    audit = pl.read_parquet(study.result("data/audit.parquet"))
    found = {(row["set"], row["rule"]): row["count"] for row in audit.iter_rows(named=True)}
    assert found["biographies", "duplicate"] == 10
    assert found["world-facts", "in_excluded_set"] == 196
    assert found["world-facts", "context_answer_missing"] == 2
    assert found["capitals", "parametric_answer_in_context"] > 150
    page = study.result("report.html").read_text()
    assert "in excluded set" in page


def test_answers_of_one_question_share_a_cluster(study):
    frame = pl.read_parquet(study.result("data/sets/biographies.parquet"))
    assert frame.group_by("question").agg(pl.col("cluster").n_unique())["cluster"].max() == 1


def test_alpacas_inputs_are_contexts(study):
    examples = pl.read_parquet(study.result("data/examples/alpaca.parquet"))
    assert examples.height == 999
    # 8 of the 412 inputs only say that there is no input (`<noinput>`, `N/A` and similar)
    assert examples["context"].is_not_null().sum() == 404


def test_recipes_of_the_paper_on_real_rows(study, tmp_path):
    """Training sets by fact overlap and its control, and by passages in the format of SQuAD with substituted
    answers."""
    checkout = study.copy(tmp_path)

    def change(s):
        xquad = {"source": "file", "path": str(DATA / "sft" / "squad_format_xquad_en.json"), "format": "squad"}
        s["datasets"]["xquad"] = xquad
        del s["sets"]["capitals"]["limit"]
        s["sets"]["swapped"] = {"source": "substitution", "dataset": "xquad", "items": ITEMS}
        s["recipes"] = {
            "no-overlap": {"select": [{"by": "no_fact_overlap", "sets": ["capitals"]}]},
            "control": {
                "select": [{"by": "random", "like": "no-overlap"}],
                "augment": {"share": 0.1, "dataset": "xquad"},
            },
        }
        s["experiments"]["paper"]["recipes"] = list(s["recipes"])

    checkout.study(change)
    runs = {name: f"runs/tiny/alpaca/{name}/seed0" for name in ("no-overlap", "control")}
    targets = [f"results/{run}/train_set.parquet" for run in runs.values()]
    checkout.run(*targets, "results/data/audit.parquet")
    bare, control = (pl.read_parquet(checkout.result(f"{run}/train_set.parquet")) for run in runs.values())
    added = control.filter(kind="counterfactual")
    assert bare.height == control.height - added.height < 999
    assert added.height == round(bare.height / 9)
    texts = " ".join(message["content"] for turns in bare["messages"] for message in turns)
    assert "France" not in texts
    page = checkout.result(f"{runs['no-overlap']}/selection.md").read_text()
    assert "### Dropped: 20 of " in page
    assert "Names found, by the number of examples that contain them: " in page
    swapped = pl.read_parquet(checkout.result("data/sets/swapped.parquet"))
    names = {name for row in swapped["parametric_answers"] for name in row}
    assert swapped.height == ITEMS
    assert not names & {turns[-1]["content"] for turns in added["messages"]}
