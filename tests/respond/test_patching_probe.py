"""Patching between checkpoints, compared with plain hooks, and properties that hold for any weights."""

import dataclasses

import pytest
import torch
from probed_models import random_model

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import PatchingProbe
from inversion.config.sets import WorldSet
from inversion.config.training import LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.manifests import CheckpointEntry
from inversion.models import prepare_tuning
from inversion.records.frames import from_frame
from inversion.records.mechanism import COMPONENTS, DONORS, POSITIONS, PatchedMargin
from inversion.respond import patching_probe
from inversion.respond.milestones import locate_items, margins, milestones
from inversion.respond.patching_probe import others, patched_margins, probe_patching
from inversion.respond.probing import ProbedRun

RESIDUAL, ATTENTION, MLP = range(3)
ALL = POSITIONS.index("all")


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=6), "conflict")


@pytest.fixture
def run(base_folder, tmp_path, tiny_model, items, template):
    """Three checkpoints, each a whole model."""
    steps = [CheckpointEntry(step=0, epoch=0.0, folder="", digest="base")]
    for step in (10, 20):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        tiny_model(seed=step).save_pretrained(folder)
        seal_folder(folder)
        relative = folder.relative_to(tmp_path).as_posix()
        steps.append(CheckpointEntry(step=step, epoch=step / 10, folder=relative, digest=folder_digest(folder)))
    return ProbedRun(base_folder, "base", tmp_path, steps, items, template, Prompt(), 4, Training(), 0)


@pytest.fixture
def asked(run, items, tokenizer):
    return locate_items(run, items, tokenizer, "patching")


def by_plain_hooks(receiver, donor, item, module, places):
    """The margin of one item if ``module(model)``'s output at ``places`` comes from the donor, without padding."""
    ids = torch.tensor([item.divergence.prefix])
    given = []

    def first(output):
        return output[0] if isinstance(output, tuple) else output

    def replace(_, __, output):
        changed = first(output).clone()
        changed[:, places] = given[0][:, places]
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    with torch.no_grad():
        hook = module(donor).register_forward_hook(lambda _, __, output: given.append(first(output)))
        donor(ids)
        hook.remove()
        hook = module(receiver).register_forward_hook(replace)
        logits = receiver(ids).logits[0, -1]
        hook.remove()
    return (logits[item.divergence.context_token] - logits[item.divergence.parametric_token]).item()


MODULES = {
    "llama": (lambda m: m.model.layers, "self_attn", "mlp"),
    "gpt_neox": (lambda m: m.gpt_neox.layers, "attention", "mlp"),
    # Gemma adds the outputs of attention and MLP after a norm
    "gemma3": (lambda m: m.model.layers, "post_attention_layernorm", "post_feedforward_layernorm"),
}


@pytest.mark.parametrize("name", MODULES)
def test_patches_are_those_of_plain_hooks(tiny_model, tokenizer, asked, name):
    receiver, donor = (random_model(name, tiny_model, tokenizer, seed) for seed in (1, 2))
    found = patched_margins(receiver, donor, asked, asked, tokenizer.pad_token_id, batch_size=4)
    assert found.margins.shape == (len(asked), len(COMPONENTS), 2, len(POSITIONS))
    layers, *named = MODULES[name]
    for row in (0, 3):
        for layer in range(2):
            for part, own in enumerate((None, *named)):
                for group, positions in enumerate(POSITIONS):

                    def module(model, own=own, layer=layer):
                        block = layers(model)[layer]
                        return getattr(block, own) if own else block

                    expected = by_plain_hooks(receiver, donor, asked[row], module, asked[row].places[positions])
                    assert found.margins[row, part, layer, group].item() == pytest.approx(expected, abs=2e-4)
    assert (found.margins - found.own[:, None, None, None]).abs().max() > 0.1


def test_a_patch_from_the_same_checkpoint_changes_nothing(tiny_model, tokenizer, asked):
    model = random_model("llama", tiny_model, tokenizer)
    found = patched_margins(model, model, asked, asked, tokenizer.pad_token_id, 4)
    torch.testing.assert_close(
        found.margins, found.own[:, None, None, None].expand_as(found.margins), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(found.own, margins(model, [x.divergence for x in asked], tokenizer.pad_token_id, 4))


def test_patching_the_last_layer_gives_the_donors_output(tiny_model, tokenizer, asked):
    receiver = random_model("llama", tiny_model, tokenizer)
    donor = prepare_tuning(random_model("llama", tiny_model, tokenizer), "digest", LoraTuning(method="lora", rank=2))
    for name, parameter in donor.eval().named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    found = patched_margins(receiver, donor, asked, asked, tokenizer.pad_token_id, 4)
    theirs = margins(donor, [x.divergence for x in asked], tokenizer.pad_token_id, 4)
    torch.testing.assert_close(found.margins[:, RESIDUAL, -1, ALL], theirs, atol=1e-4, rtol=1e-4)
    last = POSITIONS.index("last")
    torch.testing.assert_close(found.margins[:, RESIDUAL, -1, last], theirs, atol=1e-4, rtol=1e-4)
    before = [POSITIONS.index(name) for name in ("context", "question")]
    nothing = found.margins[:, RESIDUAL, -1][:, before] - found.own[:, None]
    assert nothing.abs().max() < 1e-6, "no layer reads these tokens any more"


def test_an_unrelated_item_is_lined_up_from_the_end(asked):
    partners = others(asked)
    for one, other in zip(asked, partners, strict=True):
        assert other.divergence.item.cluster != one.divergence.item.cluster
        chosen, taken = patching_probe._lined_up([one], [other], "context")
        places = chosen[0].nonzero().flatten().tolist()
        assert places == one.places["context"]
        assert taken[0, places[-1]] == other.places["context"][-1]
        assert set(taken[0, places].tolist()) <= set(other.places["context"])
    alone = [
        x._replace(divergence=x.divergence._replace(item=dataclasses.replace(x.divergence.item, cluster="c")))
        for x in asked
    ]
    with pytest.raises(ValueError, match=r"sets.conflict: .* of one cluster"):
        others(alone)


def test_peak_and_end_are_patched_once_and_resumed_by_donor(run, tokenizer, asked, monkeypatch):
    probe = PatchingProbe(items=4)
    rows = from_frame(probe_patching(run, probe), PatchedMargin)
    assert len(rows) == 2 * len(DONORS) * 4 * len(COMPONENTS) * 2 * len(POSITIONS)
    steps = {(row.receiver, row.step) for row in rows}
    peak = next(step for role, step in steps if role == "peak")
    assert steps == {("peak", peak), ("end", 20)}
    assert {(r.receiver, r.donor, r.donor_step) for r in rows} == {
        *(("end", donor, step) for donor, step in zip(DONORS, (peak, 0, peak, 20), strict=True)),
        *(("peak", donor, step) for donor, step in zip(DONORS, (20, 0, 20, peak), strict=True)),
    }
    assert all(row.margin == pytest.approx(row.own, abs=1e-6) for row in rows if row.donor == "self")
    own = {(row.receiver, row.item_id): row.own for row in rows}
    for row in rows:
        other = "end" if row.receiver == "peak" else "peak"
        assert row.rival == pytest.approx(own[other, row.item_id], abs=1e-5)
    monkeypatch.setattr(patching_probe, "patched_margins", pytest.fail)
    assert from_frame(probe_patching(run, probe), PatchedMargin) == rows


def test_the_peak_is_where_most_items_prefer_the_context(run, items, monkeypatch):
    from inversion.respond import milestones as module

    heights = iter([torch.tensor([-1.0, 9.0]), torch.tensor([0.1, 0.2])])
    monkeypatch.setattr(module, "margins", lambda *_: next(heights))
    found = milestones(run, items[:2], PatchingProbe(), "patching")
    assert [entry.step for entry in found] == [0, 10, 20], "the last step is the end, whatever it prefers"


@pytest.mark.parametrize(
    ("steps", "settings", "said"),
    [
        (1, {}, r"`probes.patching` compares checkpoints, and this run has one only \(step 0\)"),
        (3, {"peak": 7}, r"`probes.patching.peak` is step 7, which the run does not have; choose one of 0, 10, 20"),
        (3, {"start": 10, "peak": 0}, r"start 10, peak 0 and end 20 are not in this order"),
        (3, {"end": 0}, r"`probes.patching.end` is step 0, before which the run has none"),
    ],
)
def test_steps_that_cannot_be_compared_are_named(run, items, steps, settings, said):
    with pytest.raises(ValueError, match=said):
        milestones(dataclasses.replace(run, steps=run.steps[:steps]), items, PatchingProbe(**settings), "patching")
