"""Patching between checkpoints, compared with plain hooks, and properties that hold for any weights."""

import dataclasses
import json
from contextlib import contextmanager

import pytest
import torch
from probed_models import random_model
from pydantic import ValidationError

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import PatchingProbe
from inversion.config.sets import WorldSet
from inversion.config.training import LoraTuning, Training
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import end_token_ids
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError, prepare_tuning, stop_token_ids
from inversion.models.transformer_modules import head_projections
from inversion.records.data import ConflictItem
from inversion.records.frames import from_frame
from inversion.records.mechanism import COMPONENTS, DONORS, GROUPS, POSITIONS, PatchedMargin
from inversion.respond import patching_probe
from inversion.respond.answers import answer_questions, encode_questions
from inversion.respond.milestones import Milestones, before_the_answer, locate_items, margins, milestones
from inversion.respond.patching_probe import (
    Patch,
    as_far_before,
    every_patch,
    others,
    patched_answers,
    patched_margins,
    probe_patching,
)
from inversion.respond.probing import ProbedRun

EVERY = (*COMPONENTS, "head")


def every(model, components=COMPONENTS, groups=POSITIONS):
    return every_patch(model, PatchingProbe(components=components, positions=groups))


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


def first(output):
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def plain_hooks(receiver, donor, ids, module, part, places):
    """Within the block, ``module(receiver)``'s output at ``places`` of the prompt ``ids`` comes from the donor. A
    ``part`` is a slice of the module's input."""
    given = []

    def replace(states):
        changed = states.clone()
        changed[:, places, part] = given[0][:, places, part]
        return changed

    if part == slice(None):
        reading = module(donor).register_forward_hook(lambda _, __, output: given.append(first(output)))
    else:
        reading = module(donor).register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    donor(torch.tensor([ids]))
    reading.remove()
    if part == slice(None):
        hook = module(receiver).register_forward_hook(
            lambda _, __, output: (replace(output[0]), *output[1:]) if isinstance(output, tuple) else replace(output)
        )
    else:
        hook = module(receiver).register_forward_pre_hook(lambda _, arguments: (replace(arguments[0]),))
    yield
    hook.remove()


LLAMA = (lambda m: m.model.layers, "self_attn", "mlp", "self_attn.o_proj")
MODULES = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen3": LLAMA,
    "gpt_neox": (lambda m: m.gpt_neox.layers, "attention", "mlp", "attention.dense"),
    # Gemma adds the outputs of attention and MLP after a norm
    "gemma3": (
        lambda m: m.model.layers,
        "post_attention_layernorm",
        "post_feedforward_layernorm",
        "self_attn.o_proj",
    ),
}


def by_name(name, patch, receiver):
    """The module of a patch in a family, and the part of its input or output."""
    layers, *named = MODULES[name]
    own = dict(zip(EVERY, ("", *named), strict=True))[patch.component]
    if patch.head is None:
        return lambda model: layers(model)[patch.layer].get_submodule(own), slice(None)
    width = layers(receiver)[patch.layer].get_submodule(own).in_features // receiver.config.num_attention_heads
    part = slice(patch.head * width, (patch.head + 1) * width)
    return lambda model: layers(model)[patch.layer].get_submodule(own), part


@pytest.mark.parametrize("name", MODULES)
def test_patches_are_those_of_plain_hooks(tiny_model, tokenizer, asked, name):
    receiver, donor = (random_model(name, tiny_model, tokenizer, seed).double() for seed in (1, 2))
    patches = every(receiver, EVERY, GROUPS)
    heads = receiver.config.num_attention_heads
    assert len(patches) == (3 + heads) * 2 * len(GROUPS)
    found = patched_margins(receiver, donor, asked, asked, patches, tokenizer.pad_token_id, batch_size=4)
    assert found.margins.shape == (len(asked), len(patches))
    for row in (0, 3):
        ids, places = asked[row].divergence.prefix, asked[row].places
        for place, patch in enumerate(patches):
            module, part = by_name(name, patch, receiver)
            with torch.no_grad(), plain_hooks(receiver, donor, ids, module, part, places[patch.positions]):
                logits = receiver(torch.tensor([ids])).logits[0, -1]
            expected = logits[asked[row].divergence.context_token] - logits[asked[row].divergence.parametric_token]
            assert found.margins[row, place].item() == pytest.approx(expected.item(), abs=1e-5), patch
    for component in EVERY:
        of_component = [place for place, patch in enumerate(patches) if patch.component == component]
        assert (found.margins - found.own)[:, of_component].abs().max() > 0.01


def test_a_patch_from_the_same_checkpoint_changes_nothing(tiny_model, tokenizer, asked):
    model = random_model("llama", tiny_model, tokenizer)
    patches = every(model, EVERY, GROUPS)
    found = patched_margins(model, model, asked, asked, patches, tokenizer.pad_token_id, 4)
    assert torch.equal(found.margins, found.own)
    whole = margins(model, [x.divergence for x in asked], tokenizer.pad_token_id, 4)
    torch.testing.assert_close(found.own, whole[:, None].expand_as(found.own), atol=1e-6, rtol=1e-5)


def test_patching_the_last_layer_gives_the_donors_output(tiny_model, tokenizer, asked):
    receiver = random_model("llama", tiny_model, tokenizer)
    donor = prepare_tuning(random_model("llama", tiny_model, tokenizer), "digest", LoraTuning(method="lora", rank=2))
    for name, parameter in donor.eval().named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    last = {group: Patch("residual", 1, None, group) for group in POSITIONS}
    found = patched_margins(receiver, donor, asked, asked, list(last.values()), tokenizer.pad_token_id, 4)
    theirs = margins(donor, [x.divergence for x in asked], tokenizer.pad_token_id, 4)
    of, own = (dict(zip(last, side.T, strict=True)) for side in found)
    for group in ("all", "last"):
        torch.testing.assert_close(of[group], theirs, atol=1e-4, rtol=1e-4)
    for group in ("context", "question"):
        torch.testing.assert_close(of[group], own[group], atol=1e-6, rtol=0)  # no layer reads these tokens any more


def test_a_head_that_alone_differs_is_the_whole_difference(tiny_model, tokenizer, asked):
    receiver, donor = (random_model("llama", tiny_model, tokenizer) for _ in range(2))
    attention = donor.model.layers[0].self_attn
    width = attention.head_dim
    assert attention.num_key_value_groups == 1, "each head has its own values"
    with torch.no_grad():
        attention.v_proj.weight[width:] *= -2
    patches = [Patch("head", layer, head, "all") for layer in (0, 1) for head in (0, 1)]
    found = patched_margins(receiver, donor, asked, asked, patches, tokenizer.pad_token_id, 4)
    theirs = margins(donor, [x.divergence for x in asked], tokenizer.pad_token_id, 4)
    assert (found.own[:, 0] - theirs).abs().max() > 1e-2
    torch.testing.assert_close(found.margins[:, 0], found.own[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(found.margins[:, 1], theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "gemma3"])
def test_answers_are_generated_from_the_patched_reading(tiny_model, tokenizer, template, asked, items, run, name):
    receiver, donor = (random_model(name, tiny_model, tokenizer, seed) for seed in (1, 2))
    prompts = [before_the_answer(one) for one in asked]
    patches = [
        Patch("residual", 0, None, "subject"),
        Patch("attention", 1, None, "last"),
        Patch("head", 0, 1, "all"),
        Patch("residual", 1, None, "all"),
    ]
    found = patched_answers(receiver, donor, prompts, prompts, patches, tokenizer, template, 4, 4)
    stops = {*stop_token_ids(receiver, tokenizer), *end_token_ids(tokenizer, template)}
    for row in (0, 2):
        for patch in patches:
            module, part = by_name(name, patch, receiver)
            ids, written = prompts[row].divergence.prefix, []
            with torch.no_grad(), plain_hooks(receiver, donor, ids, module, part, prompts[row].places[patch.positions]):
                while len(written) < 4:  # everything is read again for every token
                    token = int(receiver(torch.tensor([[*ids, *written]])).logits[0, -1].argmax())
                    if token in stops:
                        break
                    written.append(token)
            assert found[patch][row] == tokenizer.decode(written, skip_special_tokens=True).strip(), patch
    unchanged = patching_probe.answers(receiver, prompts, tokenizer, template, 4, 4)
    questions = encode_questions(items, tokenizer, template, {"": Prompt()})
    assert unchanged == [
        response.text for response in answer_questions(receiver, tokenizer, questions, template, 0, 4, 4)
    ]
    assert any(texts != unchanged for texts in found.values())


def test_the_prompt_is_read_without_the_common_beginning_of_the_answers(asked):
    one = asked[0]
    assert before_the_answer(one) == one, "these answers differ from their first token on"
    longer = one._replace(
        divergence=one.divergence._replace(prefix=[*one.divergence.prefix, 5]),
        places={
            **one.places,
            "last": [one.prompt_tokens],
            "question": [*one.places["question"], one.prompt_tokens - 1],
        },
    )
    assert before_the_answer(longer) == one


@pytest.mark.parametrize(
    ("steps", "peak", "end", "expected"),
    [
        ((0, 10, 20, 30, 40, 50), 30, 50, 10),
        ((0, 10, 20, 30, 40, 50), 30, 40, 20),
        ((0, 10, 20, 300), 20, 300, None),  # only the start is as far away
        ((0, 14, 20, 30), 20, 30, 14),
        ((0, 20, 30), 20, 30, None),
    ],
)
def test_the_control_before_the_peak_is_as_far_away_as_the_end(steps, peak, end, expected):
    entries = {step: CheckpointEntry(step=step, epoch=0.0, folder="", digest=f"d{step}") for step in steps}
    found = as_far_before(Milestones(entries[0], entries[peak], entries[end]), list(entries.values()))
    assert (found and found.step) == expected


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
    probe = PatchingProbe(items=4, peak=10)
    rows = from_frame(probe_patching(run, probe), PatchedMargin)
    donors = [donor for donor in DONORS if donor != "before"]  # the start is the only one before the peak
    assert len(rows) == 2 * len(donors) * 4 * len(COMPONENTS) * 2 * len(POSITIONS)
    assert {(row.receiver, row.step) for row in rows} == {("peak", 10), ("end", 20)}
    assert {(r.receiver, r.donor, r.donor_step) for r in rows} == {
        *(("end", donor, step) for donor, step in zip(donors, (10, 0, 10, 20), strict=True)),
        *(("peak", donor, step) for donor, step in zip(donors, (20, 0, 20, 10), strict=True)),
    }
    assert all(row.margin == pytest.approx(row.own, abs=1e-6) for row in rows if row.donor == "self")
    assert all(row.text is row.own_text is row.item is row.head is None for row in rows)
    own = {(row.receiver, row.item_id): row.own for row in rows}
    for row in rows:
        other = "end" if row.receiver == "peak" else "peak"
        assert row.rival == pytest.approx(own[other, row.item_id], abs=1e-5)
    monkeypatch.setattr(patching_probe, "patched_margins", pytest.fail)
    assert from_frame(probe_patching(run, probe), PatchedMargin) == rows


@pytest.mark.slow
def test_heads_subjects_and_answers_are_patched_where_the_study_asks_for_them(run, items, tokenizer):
    early, late = (run.steps[place].model_copy(update={"step": step}) for place, step in ((2, 5), (2, 15)))
    some = [dataclasses.replace(item, subject=None) if item is items[0] else item for item in items]
    run = dataclasses.replace(run, steps=[run.steps[0], early, run.steps[1], late], items=some, max_new_tokens=3)
    probe = PatchingProbe(
        items=6, peak=10, components=("head", "mlp"), positions=("subject", "last"), layers=(1,), answers=(1,)
    )
    rows = from_frame(probe_patching(run, probe), PatchedMargin)
    assert {(row.component, row.layer, row.head) for row in rows} == {("head", 1, 0), ("head", 1, 1), ("mlp", 1, None)}
    assert {row.donor_step for row in rows if row.donor == "before"} == {5}
    assert {row.donor for row in rows} == set(DONORS)
    nameless = {row.positions for row in rows if row.item_id == items[0].item_id}
    assert nameless == {"last"}, "no token of the subject is patched"
    of_others = {row.item_id for row in rows if (row.positions, row.donor) == ("subject", "other_item")}
    assert len(of_others) == 4, "nor is there one to take from the item without a subject"
    assert len({row.item_id for row in rows if (row.positions, row.donor) == ("subject", "rival")}) == 5
    for row in rows:
        item = next(item for item in some if item.item_id == row.item_id)
        assert ConflictItem(**json.loads(row.item)) == item
        if row.donor == "self":
            assert row.text == row.own_text
    own = {(row.receiver, row.item_id): row.own_text for row in rows}
    for row in rows:
        assert row.rival_text == own["end" if row.receiver == "peak" else "peak", row.item_id]
    with pytest.raises(
        ValueError, match=r"`probes.patching.layers` has layer 2, but the model has 2 layers \(0 to 1\)"
    ):
        probe_patching(run, PatchingProbe(peak=10, layers=(0, 2)))
    with pytest.raises(ValueError, match=r"`probes.patching.answers` has layer 7"):
        probe_patching(run, PatchingProbe(peak=10, answers=(7,)))
    nobody = [dataclasses.replace(item, subject="Nobody") for item in items]
    with pytest.raises(ValueError, match=r"no item that `probes.patching` samples names its subject"):
        probe_patching(dataclasses.replace(run, items=nobody), PatchingProbe(peak=10, positions=("subject",)))


def test_answers_are_of_layers_that_are_patched():
    with pytest.raises(ValidationError, match="`answers` has layer 3, which is not in `layers`; add it there"):
        PatchingProbe(layers=(1, 2), answers=(2, 3))


def test_attention_whose_heads_are_not_found_is_refused(tiny_model):
    model = tiny_model("llama")
    model.model.layers[1].self_attn.mixes = model.model.layers[1].self_attn.o_proj
    del model.model.layers[1].self_attn.o_proj
    with pytest.raises(ModelError, match=r"no projection of the heads was found in LlamaAttention .*remove `head`"):
        head_projections(model)


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
