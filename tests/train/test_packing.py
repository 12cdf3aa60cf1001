import copy
import dataclasses
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    Lfm2Config,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    Qwen3Config,
)

from inversion.models import ModelError
from inversion.train.packed_attention import _on_cuda, packed_attention, require_sequences_apart, use_packed_attention
from inversion.train.packing import IGNORED, PackedData, micro_batches, training_order

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
OTHERS = {
    "mistral, sliding window": MistralConfig(**SMALL, sliding_window=5),
    "gemma3, windows in some layers": Gemma3TextConfig(
        **SMALL, head_dim=4, sliding_window=5, layer_types=["sliding_attention", "full_attention"]
    ),
    "gemma2, capped logits, no SDPA": Gemma2Config(**SMALL, head_dim=4, final_logit_softcapping=2.0),
}


def rows(vocabulary, lengths=(9, 3, 14, 6, 7, 2)):
    """Random conversations, of which the first third of each is not labelled."""
    generator = torch.Generator().manual_seed(1)
    ids = [torch.randint(3, vocabulary, (length,), generator=generator) for length in lengths]
    return ids, [[place >= length // 3 for place in range(length)] for length in lengths]


def losses_and_gradients(model, batches):
    losses = [model(**batch).loss for batch in batches]
    torch.stack(losses).sum().backward()
    return sum(losses).item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_neox", *OTHERS])
@pytest.mark.parametrize(
    ("lengths", "most_tokens"),
    [((9, 3, 14, 6, 7, 2), 1000), ((9, 3, 14, 6, 7, 2), 20), ((8, 8, 8), 1000)],
    ids=["in one forward pass", "in several", "equally long"],
)
def test_packed_equals_one_by_one_and_padded(family, lengths, most_tokens, tiny_model):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(OTHERS[family]) if family in OTHERS else tiny_model(family)
    model.train()
    ids, masks = rows(50, lengths)
    labels = [row.where(torch.tensor(mask), IGNORED) for row, mask in zip(ids, masks, strict=True)]
    data = PackedData.of([row.tolist() for row in ids], masks, training_order(len(ids), len(ids), 1, seed=0))
    batches, labelled = data.step(0, most_tokens)
    assert labelled == sum(int((row[1:] != IGNORED).sum()) for row in labels)
    assert sum(batch["input_ids"].numel() for batch in batches) == sum(map(len, ids))  # no padding
    assert (len(batches) > 1) == (most_tokens == 20)

    shared = {"num_items_in_batch": labelled}
    one_by_one = [
        {"input_ids": row[None], "labels": label[None], **shared} for row, label in zip(ids, labels, strict=True)
    ]
    padded = {
        "input_ids": pad_sequence(ids, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        **shared,
    }
    packed_model = copy.deepcopy(model)
    use_packed_attention(packed_model)
    loss, gradients = losses_and_gradients(packed_model, [batch | shared for batch in batches])
    for way in (one_by_one, [padded]):
        model.zero_grad()
        expected, theirs = losses_and_gradients(model, way)
        assert loss == pytest.approx(expected, abs=1e-5)
        assert gradients.keys() == theirs.keys()
        for name in theirs:
            torch.testing.assert_close(gradients[name], theirs[name], atol=1e-5, rtol=0)


def test_logits_only_where_they_count(tiny_model):
    model = tiny_model("llama")
    use_packed_attention(model)
    ids, masks = rows(50)
    data = PackedData.of([row.tolist() for row in ids], masks, training_order(len(ids), 6, 1, seed=0))
    (batch,), labelled = data.step(0, 1000)
    assert model(**batch).logits.shape == (labelled, model.config.vocab_size)


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 20), st.integers(0, 5))
def test_every_epoch_is_a_permutation(examples, batch_size, steps, seed):
    order = training_order(examples, batch_size, steps, seed)
    assert order.shape == (steps, batch_size)
    stream = order.flatten().tolist()
    for start in range(0, len(stream), examples):
        epoch = stream[start : start + examples]
        assert len(set(epoch)) == len(epoch)
        assert set(epoch) <= set(range(examples))
    assert torch.equal(order, training_order(examples, batch_size, steps, seed))


def test_epochs_and_seeds_differ():
    first, second = training_order(50, 50, 2, seed=0).tolist()
    assert first != second
    assert training_order(50, 50, 1, seed=1).tolist()[0] != first


@given(st.lists(st.integers(1, 40), min_size=1, max_size=24), st.integers(1, 100), st.integers(1, 3))
def test_forward_passes_are_within_the_limit_and_shared_evenly(lengths, most_tokens, processes):
    lengths = lengths * processes
    dealt = micro_batches(lengths, most_tokens, processes)
    assert len(dealt) == processes
    assert len({len(passes) for passes in dealt}) == 1
    parts = [part for passes in dealt for part in passes]
    assert sorted(place for part in parts for place in part) == list(range(len(lengths)))
    for part in parts:
        assert part
        assert len(part) == 1 or sum(lengths[place] for place in part) <= most_tokens


def test_examples_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match="5 examples cannot be divided evenly among 2 processes"):
        micro_batches([1] * 5, 10, 2)


def test_data_on_disk_are_the_same(tmp_path):
    ids, masks = rows(50)
    data = PackedData.of([row.tolist() for row in ids], masks, training_order(len(ids), 3, 4, seed=0))
    data.save(tmp_path / "packed.safetensors")
    again = PackedData.load(tmp_path / "packed.safetensors")
    assert all(torch.equal(getattr(again, name), value) for name, value in dataclasses.asdict(data).items())
    assert data.tokens_from(0) == 2 * sum(map(len, ids))


def attention_in_sequences(query, key, value, ends, _, longest, __, scale, window_size, enable_gqa):
    """The attention that torch documents for ``varlen_attn``, on tokens x heads x size, one sequence at a time."""
    left, right = window_size
    assert right == 0
    attended = []
    for start, stop in itertools.pairwise(ends.tolist()):
        assert stop - start <= longest
        q, k, v = (states[start:stop].transpose(0, 1) for states in (query, key, value))
        seen = torch.ones(stop - start, stop - start, dtype=torch.bool).tril()
        seen = seen if left == -1 else seen.triu(-left)
        out = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=enable_gqa)
        attended.append(out.transpose(0, 1))
    return torch.cat(attended)


@pytest.mark.parametrize("window", [None, 4])
def test_the_gpu_kernel_gets_the_same_arguments(window, monkeypatch):
    query, key, value = (torch.randn(1, heads, 20, 8) for heads in (4, 2, 2))
    asked = {"scaling": 0.3, "sliding_window": window}
    ends = torch.tensor([0, 9, 12, 20], dtype=torch.int32)
    expected, _ = packed_attention(None, query, key, value, None, ends, 9, **asked)
    on_meta = [states.to("meta") for states in (query, key, value, ends)]
    assert _on_cuda(*on_meta, 9, *asked.values()).shape == expected.shape  # torch's own checks of the arguments
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", attention_in_sequences)
    torch.testing.assert_close(_on_cuda(query, key, value, ends, 9, *asked.values()), expected)


# --- families that read along the whole row -----------------------------------------------------

APART = {
    "phi": PhiConfig(**SMALL),
    "opt": OPTConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, ffn_dim=32),
    "qwen3": Qwen3Config(**SMALL, head_dim=4),
}
TOGETHER = {
    "falcon": FalconConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4),
    "lfm2": Lfm2Config(**SMALL, layer_types=["conv", "full_attention"]),
}


def made(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    use_packed_attention(model)
    return model


@pytest.mark.parametrize("family", APART)
@pytest.mark.parametrize("training", [True, False])
def test_families_that_keep_packed_sequences_apart_pass(family, training):
    require_sequences_apart(made(APART[family]).train(training))


@pytest.mark.parametrize("family", TOGETHER)
def test_families_that_read_across_sequences_are_refused(family):
    with pytest.raises(ModelError, match=f"type {family} read what precedes"):
        require_sequences_apart(made(TOGETHER[family]))
