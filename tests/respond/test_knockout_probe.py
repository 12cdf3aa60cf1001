"""Knock-outs of single heads, against attention that is computed by hand."""

import importlib

import pytest
import torch
from probed_models import random_model

from inversion.config.evaluation import Prompt
from inversion.config.probes import KnockoutProbe
from inversion.config.sets import WorldSet
from inversion.config.training import Training
from inversion.conflict.world_sets import world_items
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError
from inversion.records.frames import from_frame
from inversion.records.mechanism import KnockoutMargin
from inversion.respond.knockout_probe import knockout_margins, probe_knockouts
from inversion.respond.milestones import locate_items, margins
from inversion.respond.probing import ProbedRun


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=5), "conflict")


@pytest.fixture
def run(base_folder, tmp_path, items, template):
    """The base model, which is asked as every step."""
    steps = [CheckpointEntry(step=step, epoch=step / 10, folder="", digest=f"d{step}") for step in (0, 10, 20)]
    return ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 8, Training(), 0)


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_neox", "qwen3"])
def test_a_knocked_out_head_has_no_attention_to_the_context_keys(
    tiny_model, tokenizer, run, items, family, monkeypatch
):
    model = random_model(family, tiny_model, tokenizer)
    asked = locate_items(run, items, tokenizer, "knockouts")
    assert len({len(one.divergence.prefix) for one in asked}) > 1, "some are padded"
    found = knockout_margins(model, asked, tokenizer.pad_token_id, 4)
    assert found.margins.shape == (len(asked), 2, model.config.num_attention_heads)
    assert model.config._attn_implementation == "sdpa"
    torch.testing.assert_close(
        found.own, margins(model, [x.divergence for x in asked], tokenizer.pad_token_id, 4), atol=1e-4, rtol=1e-4
    )
    assert (found.margins - found.own[:, None, None]).abs().max() > 1e-2
    cut = {}

    def by_hand(module, query, key, value, mask, scaling, **_):
        """One prompt, head by head; the keys of the context are omitted and not masked."""
        groups = query.shape[1] // key.shape[1]
        out = torch.zeros_like(query)
        for head in range(query.shape[1]):
            keys, values = key[0, head // groups], value[0, head // groups]
            for place in range(query.shape[2]):
                seen = list(range(place + 1))
                if (module.layer_idx, head, place) == (cut["layer"], cut["head"], query.shape[2] - 1):
                    seen = [each for each in seen if each not in cut["context"]]
                weights = (keys[seen] @ query[0, head, place] * scaling).softmax(0)
                out[0, head, place] = weights @ values[seen]
        return out.transpose(1, 2), None

    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    monkeypatch.setattr(module, "eager_attention_forward", by_hand)
    model.set_attn_implementation("eager")
    for row, layer, head in ((0, 0, 1), (1, 1, 0), (2, 1, 1)):
        cut.update(layer=layer, head=head, context=asked[row].places["context"])
        expected = margins(model, [asked[row].divergence], tokenizer.pad_token_id, 1).item()
        assert found.margins[row, layer, head].item() == pytest.approx(expected, abs=2e-4)


def test_attention_without_a_mask_is_refused(tiny_model, tokenizer, run, items, monkeypatch):
    model = random_model("llama", tiny_model, tokenizer)
    asked = locate_items(run, items, tokenizer, "knockouts")
    # without a mask it also attends to what follows, which is noticed before
    monkeypatch.setattr("inversion.models.transformer_modules._short_logits", lambda _: torch.arange(4.0))
    model.model.layers[1].self_attn.register_forward_pre_hook(
        lambda module, arguments, named: (arguments, {**named, "attention_mask": None}), with_kwargs=True
    )
    with pytest.raises(ModelError, match=r"LlamaAttention is given no mask .* leave `probes.knockouts` out"):
        knockout_margins(model, asked, tokenizer.pad_token_id, 4)


def test_start_peak_and_end_are_knocked_out_once(run, base_folder):
    rows = from_frame(probe_knockouts(run, KnockoutProbe(items=3, peak=0)), KnockoutMargin)
    assert [(row.milestone, row.step) for row in rows[::12]] == [("start", 0), ("peak", 0), ("end", 20)]
    assert len(rows) == 3 * 3 * 2 * 2
    assert len({row.own for row in rows}) == 3, "the same weights at every step"
