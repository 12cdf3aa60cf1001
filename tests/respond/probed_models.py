"""Tiny random models of many families, for probes of the inside of models."""

import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GraniteConfig, Qwen3Config

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
}
OTHERS = {
    "gemma3": (
        Gemma3TextConfig,
        {
            "sliding_window": 6,
            "layer_types": ["sliding_attention", "full_attention"],
            "final_logit_softcapping": 2.0,
        },
    ),
    "granite": (GraniteConfig, {"logits_scaling": 3.0, "residual_multiplier": 0.5}),
    "qwen3": (Qwen3Config, {}),
}
FAMILIES = ("llama", "mistral", "gpt_neox", *OTHERS)


def random_model(name, tiny_model, tokenizer, seed=1):
    """A tiny model of a family in float32: one of the project's families, or one with soft caps, scales and windows."""
    torch.manual_seed(seed)
    if name not in OTHERS:
        model = tiny_model(name, seed)
        for parameter in model.parameters():  # with the library's own scale, layers would hardly differ
            torch.nn.init.normal_(parameter, std=0.3)
        return model.eval()
    kind, changed = OTHERS[name]
    config = kind(**SIZES, **changed, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa").eval()
