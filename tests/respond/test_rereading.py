"""A batch that is read again with a change, against reading all of it."""

from contextlib import ExitStack

import pytest
import torch
from probed_models import FAMILIES, SIZES, random_model
from transformers import AutoModelForCausalLM, LlamaConfig

from inversion.models.transformer_modules import outputs_pass, transformer_modules
from inversion.respond import rereading as module
from inversion.respond.batches import PADDING, by_similar_length, pad, positions
from inversion.respond.rereading import Rereading

SEQUENCES = [[7, 4, 9, 12, 5, 8, 6, 11], [6, 9, 5, 13, 10], [8, 5, 7, 4, 12, 9, 6]]


@torch.no_grad()
def read_whole(model, pad_id):
    ids, mask = pad(SEQUENCES, pad_id, "left", model.device)
    return model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=False).logits[:, -1]


def doubled(index, output):
    """Doubles every other number that a layer gives at the last two tokens."""
    changed = output.clone()
    changed[:, -2:, ::2] *= 2
    return changed


def computed(model):
    """A list to which the number of columns is added for every layer that is computed."""
    counts = []
    for layer in transformer_modules(model).layers:
        attention = next(child for name, child in layer.named_children() if "attn" in name or "attention" in name)
        attention.register_forward_hook(lambda _, __, output: counts.append(output[0].shape[1]))
    return counts


@torch.no_grad()
@pytest.mark.parametrize("begin", [0, 1, 4, 6])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_change_has_the_same_effect_as_in_a_whole_reading(tiny_model, tokenizer, name, begin):
    model = random_model(name, tiny_model, tokenizer)
    pad_id = tokenizer.pad_token_id
    rereading = Rereading(model, SEQUENCES, pad_id, begin)
    assert rereading.begin == begin
    torch.testing.assert_close(rereading.own, read_whole(model, pad_id), atol=1e-5, rtol=1e-4)
    for layer in (1, 0, 1):
        with outputs_pass([transformer_modules(model).layers[layer]], doubled):
            expected = read_whole(model, pad_id)
            torch.testing.assert_close(rereading.logits(layer), expected, atol=1e-4, rtol=1e-4)
        assert (expected - rereading.own).abs().max() > 1e-2
        assert torch.equal(rereading.logits(layer), rereading.own), "without a change, the same to the last bit"


@torch.no_grad()
@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_positions_that_depend_on_the_length_are_read_whole(tokenizer, kind):
    factors = {"short_factor": [1.0] * 4, "long_factor": [9.0] * 4, "original_max_position_embeddings": 7}
    positions_of = {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0} | (factors if kind == "longrope" else {})
    sizes = SIZES | {"max_position_embeddings": 28 if kind == "longrope" else 5}
    torch.manual_seed(0)
    config = LlamaConfig(**sizes, vocab_size=len(tokenizer), rope_parameters=positions_of)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    rereading = Rereading(model, SEQUENCES, tokenizer.pad_token_id, begin=6)
    whole = read_whole(model, tokenizer.pad_token_id)
    torch.testing.assert_close(rereading.own, whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(rereading.logits(1), whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_only_what_can_differ_is_computed(tiny_model, tokenizer):
    model = random_model("llama", tiny_model, tokenizer)
    counts = computed(model)
    rereading = Rereading(model, SEQUENCES, tokenizer.pad_token_id, begin=6)
    counts.clear()
    rereading.logits(layer=1)
    assert counts == [2]
    rereading.logits()
    assert counts == [2, 2, 2]
    assert all("forward" not in layer.__dict__ for layer in model.model.layers)


@torch.no_grad()
def test_a_layer_whose_forward_was_replaced_keeps_its_own(tiny_model, tokenizer):
    model = random_model("llama", tiny_model, tokenizer)
    layer = model.model.layers[0]
    original = layer.forward
    layer.forward = replaced = lambda *arguments, **named: original(*arguments, **named) * 2
    rereading = Rereading(model, SEQUENCES, tokenizer.pad_token_id, begin=2)
    assert torch.equal(rereading.logits(1), rereading.own)
    assert layer.forward is replaced


@torch.no_grad()
@pytest.mark.parametrize("kind", ["stateful", "shared keys", "shared between layers"])
def test_other_models_are_read_whole(tiny_model, tokenizer, kind, monkeypatch):
    model = random_model("llama", tiny_model, tokenizer)
    counts = computed(model)
    with ExitStack() as hooks:
        if kind == "stateful":
            monkeypatch.setattr(module, "keeps_keys_only", lambda _: False)
        elif kind == "shared keys":
            model.config.num_kv_shared_layers = 1
        else:  # the second layer also takes what the MLP of the first one gave
            first, second = model.model.layers
            given = []
            hooks.callback(first.mlp.register_forward_hook(lambda _, __, output: given.append(output)).remove)
            hooks.callback(second.register_forward_hook(lambda _, __, output: output + sum(given[:1])).remove)
            hooks.callback(second.register_forward_hook(lambda *_: given.clear()).remove)
        rereading = Rereading(model, SEQUENCES, tokenizer.pad_token_id, begin=6)
        counts.clear()
        rereading.logits(layer=1)
        assert counts == ([2, 2] if kind == "shared between layers" else [8, 8])


@torch.no_grad()
def test_whether_layers_can_be_skipped_is_tried_once(tiny_model, tokenizer):
    model = random_model("llama", tiny_model, tokenizer)
    first = Rereading(model, SEQUENCES, tokenizer.pad_token_id)
    assert first.skips
    counts = computed(model)
    second = Rereading(model, SEQUENCES, tokenizer.pad_token_id, skips=first.skips)
    assert counts == [8, 8]
    assert torch.equal(second.logits(1), first.own)


@pytest.mark.parametrize("lengths", [[], [5], [9, 1, 9, 8, 1, 1], [*range(80, 200)], [100] * 7])
def test_batches_of_similar_length_have_little_padding(lengths):
    batches = list(by_similar_length(lengths, 4))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        of_batch = [lengths[index] for index in batch]
        assert of_batch == sorted(of_batch, reverse=True)
        assert len(batch) <= 4
        assert sum(of_batch) >= (1 - PADDING) * of_batch[0] * len(batch)
