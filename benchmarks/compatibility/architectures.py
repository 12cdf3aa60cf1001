"""The architectures of docs/compatibility.md: tiny random models from the configurations of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
GPT2_SIZES: dict[str, Any] = {"n_embd": 32, "n_inner": 48, "n_layer": 2, "n_head": 4, "n_positions": 128}
BLOOM_SIZES: dict[str, Any] = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
WINDOW = 8
"""Tokens of sliding windows: shorter than every prompt."""
EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
SLIDING = ["sliding_attention", "full_attention"]


@dataclass(frozen=True)
class Architecture:
    """One line of the page."""

    name: str
    config: str
    """The class of its configuration in transformers."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings other than :data:`SIZES`."""
    sizes: Mapping[str, Any] = field(default_factory=lambda: SIZES)
    unused: tuple[str, ...] = ()
    """Sizes that the configuration does not take."""
    fused: int | None = None
    """The size of a head in a fused projection with GPT-NeoX's layout."""
    attention: str = "eager"
    """The implementation of attention that it is compared with."""
    within: str | None = None
    """The part of the configuration that takes the sizes and the vocabulary, where other parts are not of text."""
    adapted: str = "all-linear"
    """Which modules have adapters, in peft's words."""
    random: bool = False
    """Whether it draws at random in training, so that packed rows and rows alone are trained differently."""
    deviation: float | None = 0.3
    """The standard deviation of its weights; None for the library's own."""

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Save a random model of this architecture, with ``tokenizer``, to ``folder``."""
        words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        sizes = {name: value for name, value in self.sizes.items() if name not in self.unused}
        torch.manual_seed(0)
        text = {**sizes, **words}
        if self.within:
            config = getattr(transformers, self.config)(**{self.within: {**text, **ends}, **self.settings})
        else:
            config = getattr(transformers, self.config)(**{**text, **ends, **self.settings})
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if self.deviation is not None and parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=self.deviation)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def query_key(self, name: str, parameter: torch.nn.Parameter) -> torch.Tensor | None:
        """Which entries of a parameter belong to queries and keys."""
        if self.fused is not None and ".query_key_value." in name:
            row = torch.arange(len(parameter)) % (3 * self.fused)
            return (row < 2 * self.fused).float().view(-1, *[1] * (parameter.dim() - 1))
        return torch.ones(()) if ".q_proj." in name or ".k_proj." in name else None


NO_DROPOUT = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
"""Dropout draws other numbers for joined rows than for rows by themselves."""
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.5, 2.0, 3.0],
    "long_factor": [2.0, 4.0, 6.0, 9.0],
    "original_max_position_embeddings": 64,
}
MLA = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "n_shared_experts": 1,
    "moe_intermediate_size": 24,
    "first_k_dense_replace": 1,
}
MAMBA = {"mamba_d_state": 8, "mamba_expand": 2, "mamba_d_conv": 4}
MAMBA2 = {**MAMBA, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_chunk_size": 8}
SHARED = {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 24}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
WHOLE = ("num_key_value_heads", "head_dim")
"""Sizes of families in which each head has its own keys, as long as its share of the hidden size."""

ARCHITECTURES = (
    Architecture("Llama", "LlamaConfig"),
    Architecture("Llama, tied embeddings", "LlamaConfig", {"tie_word_embeddings": True}),
    Architecture("Llama 3.1 (scaled positions)", "LlamaConfig", {"rope_parameters": LLAMA3}),
    Architecture("Llama, YaRN positions", "LlamaConfig", {"rope_parameters": YARN}),
    Architecture("Llama, dynamic positions", "LlamaConfig", {"rope_parameters": DYNAMIC}),
    Architecture("Mistral, sliding window", "MistralConfig", {"sliding_window": WINDOW}),
    Architecture("Qwen2", "Qwen2Config", unused=("head_dim",)),
    Architecture(
        "Qwen2, sliding window",
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
        unused=("head_dim",),
    ),
    Architecture("Qwen3", "Qwen3Config"),
    Architecture("Gemma", "GemmaConfig"),
    Architecture("Gemma 2", "Gemma2Config", {"sliding_window": WINDOW, "layer_types": SLIDING}),
    Architecture("Gemma 3", "Gemma3TextConfig", {"sliding_window": WINDOW, "layer_types": SLIDING}),
    Architecture(
        "Gemma 3 with its vision tower",
        "Gemma3Config",
        {"vision_config": VISION, "mm_tokens_per_image": 4},
        within="text_config",
        adapted=r".*language_model\..*_proj",
    ),
    Architecture("VaultGemma", "VaultGemmaConfig", {"sliding_window": WINDOW, "layer_types": SLIDING}),
    Architecture("Phi", "PhiConfig", unused=("head_dim",)),
    Architecture("Phi-3, sliding window", "Phi3Config", {"sliding_window": WINDOW}, unused=("head_dim",)),
    Architecture(
        "Phi-3, LongRoPE positions",
        "Phi3Config",
        {"rope_parameters": LONGROPE, "original_max_position_embeddings": 64},
        unused=("head_dim",),
    ),
    Architecture("GPT-2", "GPT2Config", NO_DROPOUT, sizes=GPT2_SIZES),
    Architecture("GPT-NeoX", "GPTNeoXConfig", unused=WHOLE, fused=8),
    Architecture("GPT-J", "GPTJConfig", {**NO_DROPOUT, "rotary_dim": 8}, sizes=GPT2_SIZES),
    Architecture(
        "GPT-Neo",
        "GPTNeoConfig",
        {
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
        },
        sizes={"hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 128},
    ),
    Architecture("GPT-BigCode", "GPTBigCodeConfig", NO_DROPOUT, sizes=GPT2_SIZES),
    Architecture("CodeGen", "CodeGenConfig", {**NO_DROPOUT, "rotary_dim": 8}, sizes=GPT2_SIZES),
    Architecture("StarCoder 2", "Starcoder2Config", {"sliding_window": WINDOW}, unused=("head_dim",)),
    Architecture("OLMo", "OlmoConfig", unused=("head_dim",)),
    Architecture("OLMo 2", "Olmo2Config", unused=("head_dim",)),
    Architecture("OLMo 3", "Olmo3Config", {"sliding_window": WINDOW, "layer_types": SLIDING}, unused=("head_dim",)),
    Architecture("StableLM", "StableLmConfig", unused=("head_dim",)),
    Architecture("Nemotron", "NemotronConfig", {"head_dim": 8}),
    Architecture("Falcon", "FalconConfig", unused=WHOLE),
    Architecture("Falcon, ALiBi", "FalconConfig", {"alibi": True}, unused=WHOLE, attention="sdpa"),
    Architecture("Bloom", "BloomConfig", sizes=BLOOM_SIZES),
    Architecture(
        "MPT",
        "MptConfig",
        {"expansion_ratio": 2},
        sizes={"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 128},
    ),
    Architecture(
        "OPT",
        "OPTConfig",
        {"ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.0},
        unused=("intermediate_size", "initializer_range", *WHOLE),
    ),
    Architecture("SmolLM3", "SmolLM3Config", {"no_rope_layers": [1, 0]}, unused=("head_dim",)),
    Architecture("Granite", "GraniteConfig", {"residual_multiplier": 0.5, "logits_scaling": 3.0}, unused=("head_dim",)),
    Architecture("Cohere", "CohereConfig", unused=("head_dim",)),
    Architecture("Cohere 2", "Cohere2Config", {"sliding_window": WINDOW, "layer_types": SLIDING}),
    Architecture("GLM-4", "Glm4Config"),
    Architecture("EXAONE 4", "Exaone4Config", {"sliding_window": WINDOW, "layer_types": SLIDING}, unused=("head_dim",)),
    Architecture("Mixtral", "MixtralConfig", {"num_local_experts": 4}),
    Architecture(
        "Qwen2-MoE",
        "Qwen2MoeConfig",
        {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 24},
        unused=("head_dim",),
    ),
    Architecture("Qwen3-MoE", "Qwen3MoeConfig", {**EXPERTS, "num_experts": 4}),
    Architecture("OLMoE", "OlmoeConfig", {"num_experts": 4, "num_experts_per_tok": 2}, unused=("head_dim",)),
    Architecture(
        "Granite-MoE", "GraniteMoeConfig", {"num_local_experts": 4, "num_experts_per_tok": 2}, unused=("head_dim",)
    ),
    Architecture("Phi-MoE", "PhimoeConfig", {"num_local_experts": 4}, unused=("head_dim",), random=True),
    Architecture(
        "gpt-oss",
        "GptOssConfig",
        {
            "num_local_experts": 4,
            "sliding_window": WINDOW,
            "layer_types": SLIDING,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    Architecture("DeepSeek-V3", "DeepseekV3Config", MLA, unused=("head_dim",)),
    Architecture(
        "Llama 4",
        "Llama4TextConfig",
        {
            "num_local_experts": 4,
            "intermediate_size_mlp": 48,
            "attention_chunk_size": 64,
            "layer_types": ["chunked_attention", "full_attention"],
        },
    ),
    Architecture(
        "Jamba",
        "JambaConfig",
        {
            **MAMBA,
            "use_mamba_kernels": False,
            "num_experts": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_dt_rank": 4,
        },
        unused=("head_dim",),
    ),
    Architecture(
        "LFM2",
        "Lfm2Config",
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
        unused=("head_dim",),
    ),
    Architecture(
        "Granite 4",
        "GraniteMoeHybridConfig",
        {
            **MAMBA2,
            "layer_types": ["mamba", "attention"],
            "num_local_experts": 0,
            "shared_intermediate_size": 48,
        },
        unused=("head_dim",),
    ),
    Architecture("Qwen3-Next", "Qwen3NextConfig", {**SHARED, **LINEAR}),
    Architecture("Qwen3.5", "Qwen3_5TextConfig", LINEAR),
    Architecture(
        "Falcon-H1",
        "FalconH1Config",
        {
            **MAMBA,
            "mamba_n_heads": 4,
            "mamba_d_head": 16,
            "mamba_n_groups": 1,
            "mamba_chunk_size": 8,
            "mamba_d_ssm": 64,
        },
    ),
    Architecture("Mamba", "MambaConfig", {"state_size": 8}, sizes={"hidden_size": 32, "num_hidden_layers": 2}),
)
"""The architectures in the order of the page."""
