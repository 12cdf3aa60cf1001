"""Knock-outs of single heads, against attention that is computed by hand."""

import importlib

import pytest
import torch
from probed_models import random_model

from inversion.config.evaluation import Prompt
from inversion.config.probes import RANDOM_SETS, KnockoutProbe
from inversion.config.sets import WorldSet
from inversion.config.training import Training
from inversion.conflict.world_sets import world_items
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError, load_model
from inversion.records.frames import from_frame
from inversion.records.mechanism import HEADS, KnockoutMargin
from inversion.respond import knockout_probe
from inversion.respond.knockout_probe import every_head, knockout_margins, probe_knockouts, random_sets, top_heads
from inversion.respond.milestones import locate_items, margins
from inversion.respond.probing import ProbedRun


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=5), "conflict")


@pytest.fixture
def run(base_folder, tmp_path, items, template):
    """A run in which every step is the base model."""
    steps = [CheckpointEntry(step=step, epoch=step / 10, folder="", digest=f"d{step}") for step in (0, 10, 20)]
    return ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 8, Training(), 0)


@pytest.mark.parametrize("scale", [0.0, 0.25, 3.0])
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_neox", "qwen3", "gemma3"])
def test_the_attention_of_a_head_to_the_context_is_cut_or_scaled(
    tiny_model, tokenizer, run, items, family, scale, monkeypatch
):
    model = random_model(family, tiny_model, tokenizer)
    asked = locate_items(run, items, tokenizer, "knockouts")
    assert len({len(one.divergence.prefix) for one in asked}) > 1, "some are padded"
    cuts = [[head] for head in every_head(model)] + [[(0, 0), (1, 0), (1, 1)]]
    found = knockout_margins(model, asked, cuts, tokenizer.pad_token_id, 4, scale)
    assert found.margins.shape == (len(asked), 2 * model.config.num_attention_heads + 1)
    assert model.config._attn_implementation == "sdpa"
    torch.testing.assert_close(
        found.own, margins(model, [x.divergence for x in asked], tokenizer.pad_token_id, 4), atol=1e-4, rtol=1e-4
    )
    assert (found.margins - found.own[:, None]).abs().max() > 1e-2
    cut = {}

    def by_hand(module, query, key, value, mask, scaling=None, sliding_window=None, **_):
        """One prompt, head by head; the weights of the context are multiplied and all are normalised again."""
        scaling = module.scaling if scaling is None else scaling
        groups = query.shape[1] // key.shape[1]
        out = torch.zeros_like(query)
        for head in range(query.shape[1]):
            keys, values = key[0, head // groups], value[0, head // groups]
            for place in range(query.shape[2]):
                seen = list(range(0 if sliding_window is None else max(0, place + 1 - sliding_window), place + 1))
                weights = (keys[seen] @ query[0, head, place] * scaling).softmax(0)
                if (module.layer_idx, head) in cut["heads"] and place == query.shape[2] - 1:
                    weights = torch.stack(
                        [
                            weight * (scale if each in cut["context"] else 1)
                            for each, weight in zip(seen, weights, strict=True)
                        ]
                    )
                    weights = weights / weights.sum()
                out[0, head, place] = weights @ values[seen]
        return out.transpose(1, 2), None

    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    monkeypatch.setattr(module, "eager_attention_forward", by_hand)
    model.set_attn_implementation("eager")
    for row, place in ((0, 1), (1, -3), (2, -2), (3, -1)):
        cut.update(heads=cuts[place], context=asked[row].places["context"])
        expected = margins(model, [asked[row].divergence], tokenizer.pad_token_id, 1).item()
        assert found.margins[row, place].item() == pytest.approx(expected, abs=2e-4)


def test_attention_that_is_multiplied_by_one_is_unchanged(tiny_model, tokenizer, run, items):
    model = random_model("llama", tiny_model, tokenizer)
    asked = locate_items(run, items, tokenizer, "knockouts")
    found = knockout_margins(model, asked, [every_head(model)], tokenizer.pad_token_id, 4, 1.0)
    torch.testing.assert_close(found.margins[:, 0], found.own, atol=1e-6, rtol=0)
    nearly, cut = (
        knockout_margins(model, asked, [[(1, 0)]], tokenizer.pad_token_id, 4, scale).margins for scale in (1e-9, 0.0)
    )
    torch.testing.assert_close(nearly, cut, atol=1e-5, rtol=0)


def test_heads_are_chosen_on_items_of_other_clusters(tiny_model, tokenizer, run, items):
    asked = locate_items(run, items, tokenizer, "knockouts")
    halves = knockout_probe._halves(asked)
    for own, others in halves:
        assert own
        assert not {asked[i].divergence.item.cluster for i in own} & {asked[i].divergence.item.cluster for i in others}
    assert sorted(index for own, _ in halves for index in own) == list(range(len(asked)))
    heads = [(0, 0), (0, 1), (1, 0)]
    assert top_heads(heads, torch.tensor([0.1, -2.0, -0.5]), 0.0) == [(0, 1), (1, 0), (0, 0)]
    assert top_heads(heads, torch.tensor([0.1, -2.0, -0.5]), 2.0) == [(0, 0), (1, 0), (0, 1)]


def test_heads_are_knocked_out_together_and_compared_with_random_ones(run, tiny_model, tokenizer, items):
    probe = KnockoutProbe(items=4, peak=0, scales=(0, 0.5), together=2)
    rows = from_frame(probe_knockouts(run, probe), KnockoutMargin)
    end = [row for row in rows if row.milestone == "end"]
    for scale in (0, 0.5):
        kinds = {kind: [row for row in end if (row.heads, row.scale) == (kind, scale)] for kind in HEADS}
        assert [len(kinds[kind]) for kind in HEADS] == [4 * 4, 4, 4 * RANDOM_SETS]
        assert all(row.layer is row.head is None for kind in HEADS[1:] for row in kinds[kind])
        assert {row.draw for row in kinds["random"]} == set(range(RANDOM_SETS))
    asked = locate_items(run, [item for item in items if item.item_id in {row.item_id for row in rows}], tokenizer, "x")
    model = load_model(run.base)
    sets = random_sets(every_head(model), 2, probe.seed)
    assert all(len(set(heads)) == 2 for heads in sets)
    expected = knockout_margins(model, asked, sets[3:4], tokenizer.pad_token_id, 4, 0.5)
    found = {row.item_id: row.margin for row in end if (row.draw, row.scale) == (3, 0.5)}
    for one, margin in zip(asked, expected.margins[:, 0].tolist(), strict=True):
        assert found[one.divergence.item.item_id] == pytest.approx(margin, abs=1e-4)
    with pytest.raises(ValueError, match=r"`probes.knockouts.together` is 5, but the model has 4 heads in all"):
        probe_knockouts(run, KnockoutProbe(items=4, peak=0, together=5))


def test_attention_without_a_mask_is_refused(tiny_model, tokenizer, run, items, monkeypatch):
    model = random_model("llama", tiny_model, tokenizer)
    asked = locate_items(run, items, tokenizer, "knockouts")
    # without a mask it also attends to what follows, which is noticed before
    monkeypatch.setattr("inversion.models.transformer_modules._short_logits", lambda _: torch.arange(4.0))
    model.model.layers[1].self_attn.register_forward_pre_hook(
        lambda module, arguments, named: (arguments, {**named, "attention_mask": None}), with_kwargs=True
    )
    with pytest.raises(ModelError, match=r"LlamaAttention is given no mask .* leave `probes.knockouts` out"):
        knockout_margins(model, asked, [[(1, 0)]], tokenizer.pad_token_id, 4)


def test_start_peak_and_end_are_knocked_out_once(run, base_folder):
    rows = from_frame(probe_knockouts(run, KnockoutProbe(items=3, peak=0)), KnockoutMargin)
    assert [(row.milestone, row.step) for row in rows[::12]] == [("start", 0), ("peak", 0), ("end", 20)]
    assert len(rows) == 3 * 3 * 2 * 2
    assert len({row.own for row in rows}) == 3, "the same weights at every step"
