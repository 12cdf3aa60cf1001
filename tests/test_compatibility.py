"""A part of docs/compatibility.md, measured by the same functions. `make compatibility` measures all of it."""

import math
import re
import shutil
from dataclasses import replace

import pytest
import torch
from compatibility.__main__ import PAGE
from compatibility.architectures import ARCHITECTURES
from compatibility.checks import CHECKS, LORA, QLORA, QUERY_KEY, Case, Data
from compatibility.page import EXACT, Cell, measured, page, read_page, table
from safetensors.torch import load_file, save_file
from transformers.models.mistral import modeling_mistral

from inversion.config.training import FullTuning
from inversion.models import ModelError, load_for_tuning, load_model, trained_weights
from inversion.models.base_model import exact_window
from inversion.models.transformer_modules import eager
from inversion.models.weight_parts import _KINDS
from inversion.respond.answer_check import check_answers
from inversion.respond.contrast import check_contrast
from inversion.train import packed_attention

BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A function that returns the case of an architecture; each is made once."""
    data, made = Data(), {}

    def get(name):
        if name not in made:
            made[name] = Case(BY_NAME[name], data, tmp_path_factory.mktemp("case"))
        return made[name]

    return get


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("Mistral, sliding window", "packing"),
        ("GPT-2", "query-key"),
        ("StableLM", "packing"),
        ("GPT-Neo", "answers"),
        ("MPT", "answers"),
        ("Mixtral", "LoRA"),
        ("Mixtral", "QLoRA"),
        ("LFM2", "answers"),
        ("Phi-3, LongRoPE positions", "packing"),
        ("GPT-NeoX", "weights"),
    ],
)
def test_a_cell_of_the_page_is_exact_or_refused(case, name, check):
    cell = measured(CHECKS[check], case(name))
    assert cell.fault is None
    assert cell.sound, cell.difference
    if check == "query-key":
        assert "GPT2LMHeadModel has neither q_proj and k_proj" in cell.refusal
    else:
        assert cell.difference is not None


@pytest.mark.parametrize(("name", "said"), [("Falcon", "read what precedes"), ("LFM2", "read what precedes")])
def test_models_that_read_across_packed_rows_are_refused_before_training(case, name, said):
    cell = measured(CHECKS["full"], case(name))
    assert cell.short() == "refused"
    assert said in cell.refusal
    assert "docs/compatibility.md lists those that can be trained" in cell.refusal


def test_a_window_that_packing_ignores_is_refused(case, monkeypatch):
    monkeypatch.setattr(packed_attention, "_band", lambda *_: None)
    assert (
        "compute packed rows differently from single ones"
        in measured(CHECKS["packing"], case("Mistral, sliding window")).refusal
    )


def test_a_wide_window_that_packing_ignores_is_refused(tmp_path, monkeypatch):
    """It is narrowed for the check, in which no sequence is as long as the window."""
    plain = BY_NAME["Mistral, sliding window"]
    wide = replace(plain, settings={**plain.settings, "sliding_window": 4096})
    wide.save(tmp_path, Data().tokenizer)
    model = load_model(tmp_path)
    packed_attention.use_packed_attention(model)
    packed_attention.require_sequences_apart(model)
    assert model.config.sliding_window == 4096
    monkeypatch.setattr(packed_attention, "_band", lambda *_: None)
    with pytest.raises(ModelError, match="mistral compute packed rows differently from single ones"):
        packed_attention.require_sequences_apart(model)
    assert model.config.sliding_window == 4096


def test_answers_that_depend_on_the_batch_are_refused(case, monkeypatch):
    """GPT-Neo counts the padding between a shared prefix and the rest of a prompt as part of its local windows."""
    folder = case("GPT-Neo").base
    check_answers(folder)
    monkeypatch.setattr("transformers.PreTrainedModel._supports_attention_backend", True)
    with pytest.raises(ModelError, match=r"gpt_neo answer differently in a batch than alone .+ docs/compatibility.md"):
        check_answers(folder)


def test_an_eager_attention_that_differs_is_not_probed(case, monkeypatch):
    attend = modeling_mistral.eager_attention_forward
    model = load_model(case("Mistral, sliding window").base)
    with eager(model):
        assert model.config._attn_implementation == "eager"
    monkeypatch.setattr(
        modeling_mistral, "eager_attention_forward", lambda *args, scaling, **named: attend(*args, scaling=1.0, **named)
    )
    with pytest.raises(ModelError, match="computes other logits with its eager attention"), eager(model):
        pass
    assert model.config._attn_implementation == "sdpa"


def test_models_whose_attention_cannot_be_switched_are_not_probed(case):
    model = load_model(case("Falcon").base)
    with pytest.raises(ModelError, match="FalconForCausalLM cannot switch to its eager attention"), eager(model):
        pass


def test_what_is_trained_of_a_mixture_of_experts_is_listed(case):
    tuned = load_for_tuning(case("Mixtral").base, "digest", QLORA)
    weights = trained_weights(tuned)
    experts = "model.layers.*.mlp.experts.gate_up_proj"
    assert experts in weights.trained
    assert experts not in weights.four_bit
    assert "model.layers.*.self_attn.q_proj.weight" in weights.four_bit
    assert weights.untrained == ["lm_head.weight", "model.embed_tokens.weight"]


def test_only_what_reads_text_is_trained(case):
    folder = case("Gemma 3 with its vision tower").base
    for tuning in (LORA, QUERY_KEY, FullTuning()):
        weights = trained_weights(load_for_tuning(folder, "digest", tuning))
        assert weights.trained
        assert not any("vision_tower" in name or "projector" in name for name in weights.trained)
        assert any("vision_tower" in name and "q_proj" in name for name in weights.untrained)


def test_contrastive_decoding_of_a_model_with_another_memory_is_refused(case):
    check_contrast(load_model(case("Mixtral").base))
    with pytest.raises(ModelError, match=r"models of type lfm2 have layers with a memory of their own .* `decoding`"):
        check_contrast(load_model(case("LFM2").base))


def test_an_output_embedding_of_its_own_is_not_tied_again(case, tmp_path):
    """The configuration says that the embeddings are tied, but the file has two weights. The library loads both, with a
    warning."""
    folder = shutil.copytree(case("Llama, tied embeddings").base, tmp_path / "base")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"] * 2
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load_model(folder)
    ids = torch.arange(5)[None]
    with torch.no_grad():
        before = model(ids).logits
        model.tie_weights()  # as in lm-eval
        assert torch.equal(model(ids).logits, before)
        model.save_pretrained(tmp_path / "again")
        assert torch.equal(load_model(tmp_path / "again")(ids).logits, before)


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("Llama", 128),
        ("Llama, YaRN positions", 128),
        ("Phi-3, LongRoPE positions", 64),
        ("Llama 4", 64),
        ("MPT", None),
    ],
)
def test_rows_are_no_longer_than_what_every_row_is_computed_alike_in(case, name, window):
    assert exact_window(load_model(case(name).base).config) == window


def test_logits_within_the_window_do_not_depend_on_longer_rows(case):
    """LongRoPE changes all frequencies of a batch if one of its rows is longer than the window."""
    model = load_model(case("Phi-3, LongRoPE positions").base)
    window = exact_window(model.config)
    row = torch.arange(window) % 50

    def beside(longest):
        batch = torch.nn.functional.pad(row, (0, longest - window))[None].repeat(2, 1)
        with torch.no_grad():
            return model(batch).logits[0, :window]

    torch.testing.assert_close(beside(window), model(row[None]).logits[0].detach(), atol=1e-4, rtol=1e-4)
    assert (beside(window + 1) - beside(window)).abs().max() > 0.1


def test_a_module_of_the_wrong_kind_shows_in_the_cell(tmp_path, monkeypatch):
    monkeypatch.setitem(_KINDS, "dense", "query")
    cell = measured(CHECKS["weights"], Case(BY_NAME["GPT-NeoX"], Data(), tmp_path))
    assert cell.difference is not None
    assert not cell.sound


def test_a_part_of_the_page_can_be_measured_again(monkeypatch):
    """The page is what its own cells and text give, so that `--checks` changes nothing else on it."""
    text = PAGE.read_text(encoding="utf-8")
    measured_with = re.search(r"Measured with (.*)\.\n", text)[1]
    monkeypatch.setattr("compatibility.page.versions", lambda: measured_with.replace("+cpu", "+cu130"))
    kept = read_page(text)
    monkeypatch.setattr("compatibility.page.versions", lambda: measured_with)
    assert page(kept.architectures, list(CHECKS), kept.minutes, kept.prompts) == text
    monkeypatch.setattr("compatibility.page.versions", lambda: "transformers 6.0.0")
    with pytest.raises(ValueError, match=r"was not measured with transformers 6\.0\.0; measure all of it again"):
        read_page(text)


def test_cells_that_are_neither_exact_nor_refused_stand_out():
    def fail(_):
        raise KeyError("x")

    def refuse(_):
        raise ModelError("no; choose another")

    cells = {
        "a": measured(lambda _: EXACT / 5, None),
        "b": measured(lambda _: math.inf, None),
        "c": measured(fail, None),
        "d": measured(refuse, None),
    }
    assert [cell.sound for cell in cells.values()] == [True, False, False, True]
    lines = table({"one": cells, "two": {**cells, "a": Cell(0.0)}}, list(cells), "model")
    assert lines[2:4] == [
        "| one | 1e-04 | **inf** | **fails** [1] | refused [2] |",
        "| two | 0 | **inf** | **fails** [1] | refused [2] |",
    ]
    assert lines[5:7] == ["1. `KeyError: 'x'`", "2. `no; choose another`"]
