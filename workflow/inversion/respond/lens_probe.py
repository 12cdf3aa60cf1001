"""The logit lens: what every checkpoint would answer if it ended after each of its layers (nostalgebraist, 2020).

The outputs of all layers at the answer's position are passed through the final norm and replace the input of the output
embedding, all at once. Norm, output embedding, soft-capping and scales are therefore the model's own, whatever its
family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import polars as pl
import torch
from torch import Tensor
from transformers import PreTrainedModel

from inversion.config.probes import LensProbe
from inversion.manifests import CheckpointEntry
from inversion.models import CheckpointLoader, ModelError
from inversion.models.transformer_modules import (
    deviation,
    input_passes,
    outputs_pass,
    plain,
    rounding,
    transformer_modules,
)
from inversion.records.mechanism import LensReading
from inversion.respond.answers import encode_questions
from inversion.respond.batches import by_length, pad, positions
from inversion.respond.probing import (
    Divergence,
    ProbedRun,
    conflict_sample,
    divergences,
    probe_checkpoints,
    question_spec,
)
from inversion.respond.resumable import weights_of

_LOGITS = 2**28
"""The maximum number of logits of all layers in one batch: 1 GiB in float32."""


def probe_lens(run: ProbedRun, probe: LensProbe) -> pl.DataFrame:
    """The :class:`LensReading` rows of all checkpoints of ``run``, on a sample of its items.

    The sample has conflict items with a context and two different answers from every set. Resuming and errors are those
    of :func:`~inversion.respond.probing.probe_checkpoints`.
    """
    chosen = conflict_sample(run.items, probe.items, probe.seed)
    spec = {"version": probe.version, **question_spec(run, chosen)}

    def prepare() -> Callable[[CheckpointEntry], Iterable[LensReading]]:
        checkpoints = CheckpointLoader.on(run.base, run.base_digest, merging=True, tokenizer=run.tokenizer)
        tokenizer = checkpoints.tokenizer
        points = divergences(encode_questions(chosen, tokenizer, run.template, {"": run.prompt}), "lens")

        def measure(entry: CheckpointEntry) -> Iterator[LensReading]:
            model = checkpoints.load(weights_of(entry, run.base, run.folder))
            for one, by_depth in zip(
                points, lens_logprobs(model, points, tokenizer.pad_token_id, run.batch_size).tolist(), strict=True
            ):
                for depth, (context, parametric) in enumerate(by_depth):
                    yield LensReading(
                        step=entry.step,
                        epoch=entry.epoch,
                        set=one.item.set,
                        item_id=one.item.item_id,
                        cluster=one.item.cluster,
                        depth=depth,
                        context_logprob=context,
                        parametric_logprob=parametric,
                    )

        return measure

    return probe_checkpoints(run.folder, "lens", run.steps, spec, prepare, LensReading)


@torch.inference_mode()
def check_lens(model: PreTrainedModel) -> None:
    """Raise :class:`~inversion.models.ModelError` for a model whose layers or final norm are not found, or that does
    something else between its last layer and its logits."""
    row = list(range(8))
    read = lens_logits(model, [row], 0)[0, -1]
    own = model(torch.tensor([row], device=model.device), use_cache=False).logits[0, -1].float()
    if not deviation(read, own) <= rounding(model.dtype):
        raise ModelError(
            f"{type(model).__name__} does more than its final norm between the last layer and the output embedding, so "
            "earlier layers cannot be read through them; remove `lens` from `probes` for this model"
        )


def lens_logprobs(model: Any, points: Sequence[Divergence], pad_id: int, batch_size: int) -> Tensor:
    """Log-probabilities (nats) of the two tokens of each divergence after every layer: float32 [points, depths, 2].

    The context answer's token comes first. Depths are those of :class:`LensReading`. Batches have at most
    ``batch_size`` prompts and a limited number of logits. Raises :class:`~inversion.models.ModelError` if the layers of
    the model are not found.
    """
    depths = len(transformer_modules(model).layers) + 1
    vocabulary = plain(model).get_output_embeddings().weight.shape[0]
    size = max(1, min(batch_size, _LOGITS // (depths * vocabulary)))
    found = torch.empty(len(points), depths, 2)
    for batch in by_length([len(one.prefix) for one in points], size):
        chosen = [points[index] for index in batch]
        logprobs = lens_logits(model, [one.prefix for one in chosen], pad_id).log_softmax(-1)
        tokens = torch.tensor([[one.context_token, one.parametric_token] for one in chosen], device=logprobs.device)
        found[batch] = logprobs.gather(-1, tokens.unsqueeze(1).expand(-1, depths, -1)).cpu()
    return found


@torch.inference_mode()
def lens_logits(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """The logits after each prompt if the model ended after each of its layers: float32 [prompts, depths, vocabulary].

    At the highest depth they are the model's own logits.
    """
    modules, whole = transformer_modules(model), plain(model)
    # left padding: all prompts end at the same place
    ids, mask = pad(prompts, pad_id, "left", whole.device)
    left: list[Tensor] = []

    def keep(stream: Tensor) -> None:
        left.append(stream[:, -1])

    with (
        input_passes(modules.layers[0], keep),
        outputs_pass(modules.layers, lambda _, stream: keep(stream)),
        # from here on the dimension of the tokens contains the depths
        input_passes(whole.get_output_embeddings(), lambda _: modules.norm(torch.stack(left, dim=1))),
    ):
        logits: Tensor = model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=False).logits
    return logits.float()
