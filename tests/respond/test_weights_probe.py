"""Updates of weights, and exchanged groups of weights, compared with models that are assembled by hand."""

import copy
import importlib

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from probed_models import FAMILIES, random_model
from transformers import AutoModelForCausalLM, GPT2Config

from inversion.artifacts import folder_digest, seal_folder
from inversion.config.evaluation import Prompt
from inversion.config.probes import WeightsProbe
from inversion.config.sets import WorldSet
from inversion.config.training import Training
from inversion.conflict.world_sets import world_items
from inversion.manifests import CheckpointEntry
from inversion.models import ModelError
from inversion.models.weight_parts import weight_parts
from inversion.records.frames import from_frame
from inversion.records.mechanism import WEIGHT_GROUPS, WeightFact
from inversion.respond import weights_probe
from inversion.respond.milestones import locate_items, margins
from inversion.respond.probing import ProbedRun
from inversion.respond.weights_probe import exchanged, probe_weights, take_weights, updates

IDS = torch.arange(5, 25).view(2, 10)
PROBE = WeightsProbe(items=3, peak=10)
LORA = LoraConfig(r=2, target_modules="all-linear")


def weights_in(model):
    return dict(model.named_parameters())


@pytest.fixture(scope="module")
def items(world):
    return world_items(world, WorldSet(source="world", kind="conflict", items=4), "conflict")


@pytest.fixture
def make_run(tmp_path, tiny_model, tokenizer, items, template):
    """A function that makes a run of three checkpoints: the base model, and two that ``save`` saves for the base and a
    seed."""

    def make(save, family="llama"):
        base = tmp_path / "base"
        random_model(family, tiny_model, tokenizer, 0).save_pretrained(base)
        tokenizer.save_pretrained(base)
        steps = [CheckpointEntry(step=0, epoch=0.0, folder="", digest="base")]
        for step in (10, 20):
            folder = tmp_path / "checkpoints" / f"step-{step:06d}"
            save(base, folder, step)
            seal_folder(folder)
            relative = folder.relative_to(tmp_path).as_posix()
            steps.append(CheckpointEntry(step=step, epoch=step / 10, folder=relative, digest=folder_digest(folder)))
        return ProbedRun(base, "base", tmp_path, steps, items, template, Prompt(), 4, Training(), 0)

    return make


def read(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def save_full(base, folder, seed):
    """Save the base model with all weights changed."""
    model = read(base)
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)


def saves_adapter(config):
    def save(base, folder, seed):
        adapted = get_peft_model(read(base), copy.deepcopy(config))  # peft writes into it
        torch.manual_seed(seed)
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.data += 0.2 * torch.randn_like(parameter)
        adapted.peft_config["default"].base_model_name_or_path = "base"
        adapted.save_pretrained(folder, save_embedding_layers=False)

    return save


def saved(run, step):
    """The model of a checkpoint, loaded by transformers and peft alone."""
    entry = next(entry for entry in run.steps if entry.step == step)
    folder = run.folder / entry.folder if entry.folder else run.base
    if (folder / "adapter_config.json").is_file():
        return PeftModel.from_pretrained(read(run.base), folder).merge_and_unload().eval()
    return read(folder).eval()


def layers_of(model):
    return model.get_decoder().layers


def tensors(model, group):
    """The weights of ``group`` in every layer, as views for reading and writing."""
    found = []
    for layer in layers_of(model):
        if hasattr(layer, "attention"):  # GPT-NeoX: heads x (query, key, value) x head size
            fused = layer.attention.query_key_value
            heads = model.config.num_attention_heads
            rows = slice(0, 2) if group == "query_key" else slice(2, 3)
            if group != "mlp":
                found += [p.data.view(heads, 3, -1, *p.shape[1:])[:, rows] for p in (fused.weight, fused.bias)]
            modules = {"query_key": [], "value_output": [layer.attention.dense], "mlp": [layer.mlp]}[group]
        else:
            own = layer.self_attn
            modules = {
                "query_key": [own.q_proj, own.k_proj],
                "value_output": [own.v_proj, own.o_proj],
                "mlp": [layer.mlp],
            }[group]
        found += [parameter.data for module in modules for parameter in module.parameters()]
    return found


def by_hand(own, taken, group):
    """``own`` with the weights of ``group`` from ``taken``."""
    if group == "rest":
        mixed = copy.deepcopy(taken)
        for other in ("query_key", "value_output", "mlp"):
            mixed = by_hand(mixed, own, other)
        return mixed
    mixed = copy.deepcopy(own)
    for into, value in zip(tensors(mixed, group), tensors(taken, group), strict=True):
        into.copy_(value)
    return mixed


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_are_all_weights_and_each_is_what_its_name_says(tiny_model, tokenizer, family, monkeypatch):
    model = random_model(family, tiny_model, tokenizer)
    parts = weight_parts(model)
    covered = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    for part in parts:
        covered[part.name] = part.put(covered[part.name], covered[part.name] + 1)
    assert all((count == 1).all() for count in covered.values()), "each number is of one part"
    assert {part.kind for part in parts if part.layer is None} <= {"embedding", "head", "norm"}
    assert {part.layer for part in parts} == {None, 0, 1}
    seen = []
    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    inner = module.eager_attention_forward

    def see(attention, query, key, value, *rest, **named):
        seen.append((query, key, value))
        return inner(attention, query, key, value, *rest, **named)

    monkeypatch.setattr(module, "eager_attention_forward", see)
    model.set_attn_implementation("eager")
    before = weights_in(copy.deepcopy(model))
    nothing = {name: torch.zeros_like(parameter) for name, parameter in before.items()}
    with torch.no_grad():
        model(IDS)
        for place, kind in enumerate(("query", "key", "value")):
            seen.clear()
            model(IDS)
            whole = seen[0]
            take_weights(model, exchanged([part for part in parts if part.kind == kind], before, nothing))
            seen.clear()
            model(IDS)
            for index in range(3):
                expected = torch.zeros_like(whole[index]) if index == place else whole[index]
                torch.testing.assert_close(seen[0][index], expected)
            take_weights(model, before)


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_all_groups_together_are_the_other_checkpoint(tiny_model, tokenizer, family):
    one, other = (random_model(family, tiny_model, tokenizer, seed) for seed in (1, 2))
    with torch.no_grad():
        own, expected = one(IDS).logits, other(IDS).logits
        parts = weight_parts(one)
        assert {part.kind for part in parts} <= {kind for group in WEIGHT_GROUPS.values() for kind in group}
        mixed = weights_in(copy.deepcopy(one))
        for group in WEIGHT_GROUPS.values():
            mixed = exchanged([part for part in parts if part.kind in group], mixed, weights_in(other))
        take_weights(one, mixed)
        assert (own - expected).abs().max() > 0.1
        torch.testing.assert_close(one(IDS).logits, expected, atol=1e-6, rtol=0)


def test_updates_of_equal_weights_are_zero(tiny_model, tokenizer):
    model = random_model("llama", tiny_model, tokenizer)
    weights = weights_in(model)
    found = updates(weight_parts(model), weights, weights, weights, True)
    assert len(found) == 2 * 8 + 3, "seven projections and the norms of each layer; embedding, head and last norm"
    assert all(update.start > 0 and not any(update[1:]) for update in found.values())


@pytest.mark.parametrize("save", [save_full, saves_adapter(LORA)], ids=["full", "lora"])
@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_updates_and_answers_are_those_of_models_put_together_by_hand(make_run, tokenizer, family, save, monkeypatch):
    run = make_run(save, family)
    rows = from_frame(probe_weights(run, PROBE), WeightFact)
    models = {step: saved(run, step) for step in (0, 10, 20)}
    with torch.no_grad():
        for group in ("query_key", "value_output", "mlp"):
            first, peak, last = (
                torch.cat([x.double().flatten() for x in tensors(models[step], group)]) for step in models
            )
            for interval, own, other in (("rise", peak - first, last - peak), ("fall", last - peak, peak - first)):
                of_group = [r for r in rows if (r.group, r.interval) == (group, interval) and r.kind]
                assert {(r.step, r.since) for r in of_group} == {(10, 0) if interval == "rise" else (20, 10)}
                sums = [sum(getattr(r, name) ** 2 for r in of_group) for name in ("start", "norm", "other", "whole")]
                products = [sum(getattr(r, name) for r in of_group) for name in ("along_other", "along_whole")]
                expected = [x @ x for x in (first, own, other, last - first)]
                expected += [own @ other, own @ (last - first)]
                assert sums + products == pytest.approx([x.item() for x in expected], rel=1e-4)
    asked = {one.divergence.item.item_id: one.divergence for one in locate_items(run, run.items, tokenizer, "weights")}
    answers = [row for row in rows if row.item_id]
    assert len(answers) == 2 * len(WEIGHT_GROUPS) * 2 * 3
    moved = set()
    for interval, before, after in (("rise", 0, 10), ("fall", 10, 20)):
        for group in WEIGHT_GROUPS:
            for direction, own, taken in (("insert", before, after), ("leave_out", after, before)):
                mixed = by_hand(models[own], models[taken], group)
                of_group = [r for r in answers if (r.interval, r.group, r.direction) == (interval, group, direction)]
                chosen = [asked[row.item_id] for row in of_group]
                for name, model in (("margin", mixed), ("before", models[before]), ("after", models[after])):
                    expected = margins(model, chosen, tokenizer.pad_token_id, 4)
                    assert [getattr(row, name) for row in of_group] == pytest.approx(expected.tolist(), abs=2e-4)
                if any(abs(r.margin - (r.before if direction == "insert" else r.after)) > 1e-2 for r in of_group):
                    moved.add(group)
    assert moved >= set(WEIGHT_GROUPS) - {"rest"}
    monkeypatch.setattr(weights_probe, "margins", pytest.fail)
    assert from_frame(probe_weights(run, PROBE), WeightFact) == rows, "from the kept facts"


def test_a_stopped_probe_resumes_at_the_group_that_it_had_reached(make_run, monkeypatch):
    run = make_run(save_full)
    inner, groups = weights_probe._facts, []

    def stops(group, *rest):
        groups.append(group)
        if len(groups) == 6:
            raise KeyboardInterrupt
        return inner(group, *rest)

    monkeypatch.setattr(weights_probe, "_facts", stops)
    with pytest.raises(KeyboardInterrupt):
        probe_weights(run, PROBE)
    groups[:] = [""] * 10
    probe_weights(run, PROBE)
    assert groups[10:] == list(WEIGHT_GROUPS), "the rise was whole"


def test_modules_that_were_trained_as_a_whole_are_compared(make_run):
    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["norm", "lm_head"])
    rows = probe_weights(make_run(saves_adapter(config)), PROBE)
    moved = rows.filter(kind="head").sort("step")
    assert (moved["norm"] > 0.1).all()
    assert rows.filter(kind="embedding")["norm"].to_list() == [0, 0]


def test_adapters_that_cannot_be_merged_are_refused(make_run):
    config = IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    with pytest.raises(ModelError, match=r"step-000010 cannot be merged .* list whole models, or remove the probe"):
        probe_weights(make_run(saves_adapter(config)), PROBE)


def test_checkpoints_that_differ_in_more_than_weights_are_refused(make_run):
    def save(base, folder, step):
        model = read(base)
        model.config.rope_parameters["rope_theta"] = 50.0 * step
        model.save_pretrained(folder)

    with pytest.raises(ModelError, match=r"of step 0 answer differently in the model of step 20.*config.json"):
        probe_weights(make_run(save), PROBE)


def test_other_shapes_are_refused(make_run):
    def save(base, folder, step):
        model = read(base)
        model.resize_token_embeddings(model.config.vocab_size + step - 10)
        model.save_pretrained(folder)

    with pytest.raises(ModelError, match=r"steps 0 and 20 differ in the shape of lm_head.weight"):
        probe_weights(make_run(save), PROBE)


def test_modules_of_unknown_names_are_named():
    model = AutoModelForCausalLM.from_config(GPT2Config(vocab_size=8, n_embd=4, n_head=2, n_layer=1))
    with pytest.raises(
        ModelError, match=r"GPT2LMHeadModel: it is not known .* transformer.wpe.weight is.* remove `weights` from"
    ):
        weight_parts(model)
