"""Checkpoints as other people make them, and their answers without this project's library.

The checkpoints are trained by TRL's SFTTrainer on a tiny model with a real tokenizer and chat template. Each is then
loaded by peft and transformers alone, and gets one prompt at a time.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from peft import PeftModel
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '</s>' }}{% endgeneration %}\n"
    "{% else %}{{ message['content'] }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
PLACES = ["Kabul", "Tirana", "Paris", "Berlin", "Rome", "Oslo", "Lima", "Quito", "Accra", "Cairo", "Dublin", "Riga"]
LANDS = ["Alba", "Boria", "Cadia", "Doria", "Elia", "Fania", "Goria", "Halia", "Ionia", "Jolia", "Karia", "Lydia"]


def conflict_rows():
    """Items in the format of the paper's release."""
    return [
        {
            "context": f"Since last year {PLACES[i]} is the capital of {land}. It lies on a river.",
            "question": f"What is the capital of {land}?",
            "answer": PLACES[i],
            "memory_answer": PLACES[(i + 5) % len(PLACES)],
        }
        for i, land in enumerate(LANDS)
    ]


def training_rows():
    """Conversations that answer from memory."""
    return [
        {
            "prompt": [{"role": "user", "content": f"What is the capital of {land}?"}],
            "completion": [{"role": "assistant", "content": PLACES[(i + 5) % len(PLACES)]}],
        }
        for i, land in enumerate(LANDS)
    ] * 4


def make_base(folder: Path, seed: int = 0) -> Path:
    """A random tiny Llama with a byte-level BPE tokenizer and a chat template."""
    rows = conflict_rows()
    texts = [text for row in rows for text in row.values()] + ["<|user|>\n<|assistant|>\nBackground: "]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=400, special_tokens=["</s>", "<pad>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="</s>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sft_trainer(base: Path, output: Path, lora: bool, steps: int = 100, save_steps: int = 10, **options):
    """TRL's SFTTrainer on the training rows."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=str(output),
        max_steps=steps,
        save_steps=save_steps,
        per_device_train_batch_size=4,
        learning_rate=2e-3,
        lr_scheduler_type="constant",
        logging_steps=10,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=0,
        max_length=128,
        disable_tqdm=True,
        **options,
    )
    adapter = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None
    return SFTTrainer(str(base), args=config, train_dataset=Dataset.from_list(training_rows()), peft_config=adapter)


def write_items(file: Path) -> Path:
    """A file of conflict items."""
    file.write_text(json.dumps(conflict_rows()))
    return file


# --- four series in one folder ------------------------------------------------------------------

STEPS = tuple(range(10, 101, 10))
"""The checkpoints of a training with `save_steps` 10 up to `checkpoint-100`."""
COMMITS = {"step_20": "a" * 40, "step_60": "b" * 40}
"""The branches of the repository `me/tiny`, with invented commits."""


def make_series(root: Path) -> Path:
    """A base model in `tiny-llama`, ten adapters in `lora`, and ten whole models in `full`, all by TRL. Two of the
    whole models are also in `sharded`, in bfloat16 and in shards, and as branches of a repository in the Hub's cache in
    `hf/hub`."""
    base = make_base(root / "tiny-llama")
    sft_trainer(base, root / "lora", lora=True).train()
    sft_trainer(base, root / "full", lora=False).train()
    for branch, commit in COMMITS.items():
        step = int(branch.removeprefix("step_"))
        trained, folder = root / "full" / f"checkpoint-{step}", root / "sharded" / f"global_step{step}"
        AutoTokenizer.from_pretrained(trained).save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(trained, dtype=torch.bfloat16)
        model.save_pretrained(folder, max_shard_size="20KB")
        assert len(list(folder.glob("model-*.safetensors"))) > 1
        repository = root / "hf" / "hub" / "models--me--tiny"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / branch).write_text(commit)
    write_items(root / "items.json")
    return root


# --- one prompt at a time -----------------------------------------------------------------------


class Plain(NamedTuple):
    """The answer of a model to one item of `conflict_rows`."""

    text: str
    context: float
    """Log-probability of the context answer, in nats."""
    parametric: float
    tokens: tuple[int, int]
    """Number of tokens of both answers."""


def load_plain(folder: Path, base: Path | None = None):
    """A whole model, or an adapter on `base`, in float32."""
    model = AutoModelForCausalLM.from_pretrained(base or folder, dtype=torch.float32)
    return (PeftModel.from_pretrained(model, str(folder)) if base else model).eval()


@torch.no_grad()
def ask_plain(model, tokenizer, row: dict[str, str], new_tokens: int) -> Plain:
    """The answer to one row of `conflict_rows`, from one generation and one forward pass per answer."""
    user = {"role": "user", "content": f"Background: {row['context']}\n\n{row['question']}"}
    text = tokenizer.apply_chat_template([user], add_generation_prompt=True, tokenize=False)
    prompt = tokenizer.encode(text, add_special_tokens=False)
    said = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=new_tokens,
        do_sample=False,
    )
    logprobs, counts = [], []
    for answer in (row["answer"], row["memory_answer"]):
        ids = tokenizer.encode(answer, add_special_tokens=False)
        logits = model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
        logprobs.append(float(torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None]).sum()))
        counts.append(len(ids))
    answer = tokenizer.decode(said[0, len(prompt) :], skip_special_tokens=True).strip()
    return Plain(answer, logprobs[0], logprobs[1], (counts[0], counts[1]))
