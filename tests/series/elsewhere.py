"""Checkpoints as other people make them: TRL's SFTTrainer on a tiny model with a real tokenizer and chat template."""

import json
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

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
