"""The checks of every architecture: the library, called as the rules call it, is compared with :mod:`.reference`.

A check returns the largest difference that it saw. What the library refuses, it refuses in ``prepare_base``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compatibility import reference
from compatibility.architectures import Architecture
from compatibility.page import NotComparableError
from inversion.artifacts import folder_digest, seal_folder
from inversion.config.datasets import WORLD_TEMPLATE, WorldDataset
from inversion.config.evaluation import Prompt
from inversion.config.probes import (
    PROBES,
    AttentionProbe,
    GradientProbe,
    KnockoutProbe,
    LensProbe,
    PatchingProbe,
    WeightsProbe,
)
from inversion.config.sets import WorldSet
from inversion.config.training import FullTuning, LoraTuning, QloraTuning, ScheduleSegment, Training, Tuning
from inversion.config.world import World
from inversion.conflict.world_sets import world_items
from inversion.instruct.templates import EncodedConversation, encode_example, end_token_ids
from inversion.instruct.world_mixture import world_examples
from inversion.manifests import CheckpointEntry
from inversion.models import (
    CheckpointLoader,
    ModelError,
    describe_base,
    load_for_tuning,
    load_model,
    load_tokenizer,
    stop_token_ids,
)
from inversion.models.transformer_modules import transformer_modules
from inversion.records.answers import Response
from inversion.records.frames import from_frame, read_records
from inversion.records.measurements import AttentionMass, ExampleGradient
from inversion.records.mechanism import WEIGHT_GROUPS, KnockoutMargin, LensReading, PatchedMargin, WeightFact
from inversion.respond.answer_check import check_answers
from inversion.respond.answers import EncodedQuestion, encode_questions
from inversion.respond.attention_probe import probe_attention
from inversion.respond.checkpoint_responses import respond
from inversion.respond.context_need import answer_losses
from inversion.respond.gradient_probe import probe_gradients
from inversion.respond.knockout_probe import probe_knockouts
from inversion.respond.lens_probe import probe_lens
from inversion.respond.milestones import locate_items
from inversion.respond.patching_probe import probe_patching
from inversion.respond.probing import ProbedRun
from inversion.respond.weights_probe import probe_weights
from inversion.train.finetune import finetune
from inversion.train.packed_attention import use_packed_attention
from inversion.train.packing import PackedData, training_order
from inversion.train.tuning_check import check_tunings
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer

RANK, ALPHA, LEARNING_RATE = 4, 8.0, 2e-4
STEPS, BATCH, SEED, NEW_TOKENS = 2, 8, 0, 3
LORA = LoraTuning(method="lora", rank=RANK, alpha=ALPHA)
QLORA = QloraTuning(method="qlora", rank=RANK, alpha=ALPHA)
QUERY_KEY = FullTuning(weights="query_key")
DIGEST = "base"


class Data:
    """The texts that all architectures are trained and evaluated on."""

    def __init__(self) -> None:
        world = build_world(World(known_subjects=24, new_subjects=24, relations=2, answers=8))
        self.tokenizer = build_tokenizer(world, 128)
        self.template = WORLD_TEMPLATE
        self.examples = world_examples(world, WorldDataset(source="world", examples=16), "mixture")
        self.items = world_items(world, WorldSet(source="world", kind="conflict", items=4), "conflict")


@dataclass
class Case:
    """One architecture with a folder of its own."""

    architecture: Architecture
    data: Data
    root: Path

    @cached_property
    def base(self) -> Path:
        """The folder of its base model."""
        self.architecture.save(self.root / "base", self.data.tokenizer)
        return self.root / "base"

    @cached_property
    def rows(self) -> list[EncodedConversation]:
        """The encoded examples."""
        tokenizer = load_tokenizer(self.base)
        return [encode_example(tokenizer, self.data.template, example) for example in self.data.examples]

    @property
    def steps(self) -> list[list[EncodedConversation]]:
        """The rows of each optimizer step."""
        order = training_order(len(self.rows), BATCH, STEPS, SEED)
        return [[self.rows[index] for index in step] for step in order.tolist()]

    @cached_property
    def questions(self) -> list[EncodedQuestion]:
        """The encoded items."""
        return encode_questions(self.data.items, load_tokenizer(self.base), self.data.template, {"plain": Prompt()})

    def plain(self, adapter: Path | None = None, whole: Path | None = None, **named: Any) -> Any:
        """The base, or the model in the folder ``whole``, by :func:`.reference.load`."""
        return reference.load(whole or self.base, adapter, attention=self.architecture.attention, **named)

    def training(self, tuning: Tuning) -> Training:
        """The hyperparameters of a run."""
        return Training(
            max_steps=STEPS,
            batch_size=BATCH,
            micro_batch_tokens=128,
            learning_rate=LEARNING_RATE,
            scheduler="constant",
            checkpoints=(ScheduleSegment(every=1),),
            tuning=tuning,
        )

    def run(self, name: str, tuning: Tuning) -> Run:
        """The run ``name``, which is trained once; refused by ``prepare_base``, or not at all."""
        check_tunings(self.base, [tuning])
        folder = self.root / name
        with _refusing_nothing():
            manifest = finetune(
                self.base,
                DIGEST,
                self.data.examples,
                "data",
                self.data.template,
                self.training(tuning),
                SEED,
                folder / "checkpoints",
            )
        return Run(folder, [CheckpointEntry(step=0, epoch=0.0, folder="", digest=DIGEST), *manifest.steps], tuning)

    @cached_property
    def evaluated_runs(self) -> list[Run]:
        """The runs whose checkpoints are evaluated: one with adapters and one without, or else a series that was
        trained without the library."""
        try:
            return [self.run("lora", LORA), self.run("full", FullTuning())]
        except ModelError:
            return [self.series()]

    def series(self) -> Run:
        """Checkpoints of all weights, trained by the reference."""
        model = self.plain()
        entries = [CheckpointEntry(step=0, epoch=0.0, folder="", digest=DIGEST)]
        for number, rows in enumerate(self.steps, start=1):
            reference.train(model, [rows], LEARNING_RATE)
            folder = self.root / "series" / f"step-{number}"
            model.save_pretrained(folder)
            seal_folder(folder)
            entries.append(CheckpointEntry(step=number, epoch=0.0, folder=folder.name, digest=folder_digest(folder)))
        return Run(self.root / "series", entries, FullTuning())


class LateError(Exception):
    """A refusal that comes after ``prepare_base``."""


@contextmanager
def _refusing_nothing() -> Iterator[None]:
    """What ``prepare_base`` has accepted is not refused later."""
    try:
        yield
    except ValueError as error:
        raise LateError(f"accepted by prepare_base, and then: {error}") from error


@dataclass
class Run:
    """A finished run."""

    folder: Path
    steps: list[CheckpointEntry]
    tuning: Tuning

    @property
    def last(self) -> Path:
        """The folder of its last checkpoint."""
        return self.folder / self.steps[-1].folder


# --- loading and training -----------------------------------------------------------------------


def loads(case: Case) -> float:
    """``prepare_base`` accepts the folder, and the model computes what transformers computes."""
    describe_base(case.base, "folder", str(case.base))
    return _largest(_rows_apart(load_model(case.base), case.plain(), case.rows))


def lora(case: Case) -> float:
    """A LoRA run, and its last checkpoint as it is evaluated, merged."""
    return _adapters(case, "lora", LORA)


def qlora(case: Case) -> float:
    """A QLoRA run on a base in four bits. Its checkpoints are evaluated on the unquantised base."""
    return _adapters(case, "qlora", QLORA)


def full(case: Case) -> float:
    """A run of all weights, and its last checkpoint."""
    return _whole(case, "full", FullTuning(), None)


def query_key(case: Case) -> float:
    """A run of the query and key projections only."""
    return _whole(case, "query_key", QUERY_KEY, case.architecture.query_key)


def _adapters(case: Case, name: str, tuning: Any) -> float:
    run = case.run(name, tuning)
    quantized = tuning.method == "qlora"
    torch.manual_seed(SEED)
    plain = reference.adapted(case.plain(quantized=quantized), RANK, ALPHA, case.architecture.adapted, quantized)
    reference.train(plain, case.steps, LEARNING_RATE)
    plain.save_pretrained(case.root / f"plain-{name}", save_embedding_layers=False)
    trained = case.plain(case.root / f"plain-{name}")
    return _trained_apart(case, run, trained)


def _whole(case: Case, name: str, tuning: FullTuning, mask: reference.Mask | None) -> float:
    run = case.run(name, tuning)
    plain = case.plain()
    reference.train(plain, case.steps, LEARNING_RATE, mask)
    return _trained_apart(case, run, plain)


def _trained_apart(case: Case, run: Run, plain: Any) -> float:
    """How far the last checkpoint is from the reference's; infinite if training has hardly moved it."""
    if case.architecture.random:
        raise NotComparableError("its routers draw experts at random in training, so there is nothing to compare with")
    loaded = CheckpointLoader.on(case.base, DIGEST, merging=True).load(run.last)
    apart, moved = (_largest(_rows_apart(loaded, other, case.rows)) for other in (plain, case.plain()))
    return apart if moved > 20 * apart else math.inf


def packing(case: Case) -> float:
    """Loss and gradients of rows that are joined, against each row by itself."""
    check_tunings(case.base, [FullTuning()])
    model = load_for_tuning(case.base, DIGEST, FullTuning())
    use_packed_attention(model)
    rows = case.rows[:BATCH]
    order = torch.arange(BATCH, dtype=torch.int32)[None]
    data = PackedData.of([row.input_ids for row in rows], [row.loss_mask for row in rows], order)
    batches, labelled = data.step(0, most_tokens=128)
    model.eval()
    joined = 0.0
    for batch in batches:
        part = model(**batch, num_items_in_batch=labelled).loss
        part.backward()
        joined += part.item()
    plain = case.plain()
    apart = reference.backward(plain, rows)
    own, theirs = _gradients(model), _gradients(plain)
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    return _largest([abs(joined - apart), *(_apart(own[name], theirs[name]) / largest for name in theirs)])


# --- after training -----------------------------------------------------------------------------


def answers(case: Case) -> float:
    """Texts and log-probabilities of the base, of a LoRA checkpoint and of a full one; losses of examples."""
    check_answers(case.base)
    found = [_needs_apart(case)]
    for run in case.evaluated_runs:
        entries = [run.steps[0], run.steps[-1]]
        with _refusing_nothing():
            manifest = respond(
                case.base,
                DIGEST,
                run.folder,
                entries,
                case.data.items,
                case.data.template,
                {"plain": Prompt()},
                NEW_TOKENS,
                4,
            )
        for entry, measured in zip(entries, manifest.steps, strict=True):
            rows = read_records(run.folder / measured.folder / "responses.parquet", Response)
            plain = _plain(case, run, entry)
            found += [_answers_apart(case, plain, *pair) for pair in zip(case.questions, rows, strict=True)]
    return _largest(found)


def _needs_apart(case: Case) -> float:
    """The losses by which examples are selected."""
    plain = case.plain()
    losses = answer_losses(load_model(case.base), case.rows, load_tokenizer(case.base).pad_token_id, 8)
    with torch.no_grad():
        apart = [float(reference.loss(plain, row)) / sum(row.loss_mask[1:]) for row in case.rows]
    return max(abs(one - other) for one, other in zip(losses, apart, strict=True))


def _answers_apart(case: Case, plain: Any, question: EncodedQuestion, row: Response) -> float:
    tokenizer = load_tokenizer(case.base)
    stops = {*stop_token_ids(plain, tokenizer), *end_token_ids(tokenizer, case.data.template)}
    generated = reference.answer(plain, question.with_context.prompt, stops, NEW_TOKENS)
    if row.text != tokenizer.decode(generated, skip_special_tokens=True).strip() or row.finished != (
        len(generated) < NEW_TOKENS
    ):
        return math.inf
    assert question.without_context is not None
    found = []
    for encoded, of_context, of_memory in (
        (question.with_context, row.context_logprob, row.parametric_logprob),
        (question.without_context, row.context_logprob_closed, row.parametric_logprob_closed),
    ):
        for tokens, logprob in ((encoded.context_answers, of_context), (encoded.parametric_answers, of_memory)):
            assert len(tokens) == 1
            assert logprob is not None
            found.append(abs(sum(reference.answer_logprobs(plain, encoded.prompt, tokens[0])) - logprob))
    return max(found)


def attention(case: Case) -> float:
    """Attention on the context, from the last token of the prompt."""
    run = _tried(case, "attention")
    rows = from_frame(probe_attention(_probed(case, run), AttentionProbe(items=6)), AttentionMass)
    found, spots = [], {one.divergence.item.item_id: one for one in _located(case, run)}
    prompts = {question.item.item_id: question.with_context.prompt for question in case.questions}
    for entry in run.steps:
        plain = _plain(case, run, entry)
        for item, prompt in prompts.items():
            with torch.no_grad():
                layers = plain(input_ids=torch.tensor([prompt]), output_attentions=True, use_cache=False).attentions
            mine = [row for row in rows if (row.step, row.item_id, row.query) == (entry.step, item, "answer")]
            for row in mine:
                weights = layers[row.layer][0].mean(0)[-1]
                found.append(abs(float(weights[spots[item].places["context"]].sum()) - row.context))
    return _largest(found)


def lens(case: Case) -> float:
    """Log-probabilities after every layer, against a model that has no more layers."""
    run = _tried(case, "lens")
    rows = from_frame(probe_lens(_probed(case, run), LensProbe(items=6)), LensReading)
    divergence_by_item = {one.divergence.item.item_id: one.divergence for one in _located(case, run)}
    depths = range(1, max(row.depth for row in rows) + 1)
    shorter = {depth: _shortened(case, depth) for depth in depths}
    found = []
    for row in rows:
        if row.step == 0 and row.depth:
            one = divergence_by_item[row.item_id]
            after = reference.logprobs(shorter[row.depth], one.prefix)[-1]
            found += [abs(float(after[one.context_token]) - row.context_logprob)]
            found += [abs(float(after[one.parametric_token]) - row.parametric_logprob)]
    return _largest(found)


def patching(case: Case) -> float:
    """Each component of each layer at each group of tokens, from the other checkpoint and from itself, against whole
    readings in which the output of the module is replaced."""
    run = _tried(case, "patching")
    rows = from_frame(probe_patching(_probed(case, run), PatchingProbe(items=2, peak=1)), PatchedMargin)
    spots = {one.divergence.item.item_id: one for one in _located(case, run)}
    own, plain = _margins(case, run), {entry.step: _plain(case, run, entry) for entry in run.steps[1:]}
    found = []
    for row in rows:
        found.append(abs(row.own - own[row.step, row.item_id]))
        if row.donor == "self":
            found.append(abs(row.margin - row.own))
        elif row.donor == "rival":
            one = spots[row.item_id]
            donor, receiver = (
                (model, transformer_modules(model).writers[row.component][row.layer])
                for model in (plain[row.donor_step], plain[row.step])
            )
            with reference.replaced(donor, receiver[1], one.divergence.prefix, one.places[row.positions]):
                margin = reference.margin(
                    receiver[0], one.divergence.prefix, one.divergence.context_token, one.divergence.parametric_token
                )
            found.append(abs(row.margin - margin))
    return _largest(found)


def knockouts(case: Case) -> float:
    """Each head without its view of the context, against scores that are changed before the softmax."""
    run = _tried(case, "knockouts")
    rows = from_frame(probe_knockouts(_probed(case, run), KnockoutProbe(items=2, peak=1)), KnockoutMargin)
    spots = {one.divergence.item.item_id: one for one in _located(case, run)}
    found = []
    plain = _plain(case, run, run.steps[-1])
    for row in rows:
        if row.milestone == "end":
            one = spots[row.item_id]
            with reference.without_head(row.layer, row.head, one.places["context"]):
                margin = reference.margin(
                    plain, one.divergence.prefix, one.divergence.context_token, one.divergence.parametric_token
                )
            found.append(abs(margin - row.margin))
    return _largest(found)


def gradients(case: Case) -> float:
    """Loss and norm of the gradients of training examples on the adapters."""
    run = _tried(case, "gradients")
    probe = GradientProbe(examples=1, items=2)
    rows = from_frame(probe_gradients(_probed(case, run), probe), ExampleGradient)
    encoded = dict(zip((example.example_id for example in case.data.examples), case.rows, strict=True))
    last = run.steps[-1]
    plain = _plain(case, run, last)
    for name, parameter in plain.named_parameters():
        parameter.requires_grad_(run.tuning.trains_all or "lora_" in name)
    found = []
    for row in rows:
        if row.step == last.step and row.weights == "all":
            plain.zero_grad()
            loss = reference.backward(plain, [encoded[row.example_id]])
            norm = sum(float((g**2).sum(dtype=torch.float64)) for g in _gradients(plain).values()) ** 0.5
            found += [abs(loss - row.loss), abs(norm - row.norm) / max(norm, 1.0)]
    return _largest(found)


def weights(case: Case) -> float:
    """Norms of the updates of each group of weights, and log-odds of models in which one group is exchanged: of merged
    adapters, and of a full run."""
    _tried(case, "weights")
    return max(_exchanges_apart(case, run) for run in case.evaluated_runs)


def _exchanges_apart(case: Case, run: Run) -> float:
    """How far the probe is from the reference; infinite if the exchanges have hardly changed the log-odds."""
    rows = from_frame(probe_weights(_probed(case, run), WeightsProbe(items=2, peak=1)), WeightFact)
    step_weights = {entry.step: reference.weights(_merged(case, run, entry)) for entry in run.steps}
    shell = _merged(case, run, run.steps[-1])
    items = {one.divergence.item.item_id: one.divergence for one in _located(case, run)}
    fused = case.architecture.fused

    def margin(weights: reference.Weights, item: str) -> float:
        reference.take(shell, weights)
        one = items[item]
        return reference.margin(shell, one.prefix, one.context_token, one.parametric_token)

    found, moved = [], 0.0
    for since, step in ((0, 1), (1, 2)):
        before, after = step_weights[since], step_weights[step]
        for group in WEIGHT_GROUPS:
            mine = [row for row in rows if (row.since, row.step, row.group) == (since, step, group)]
            update = reference.update_norm(before, after, group, fused)
            norm = math.sqrt(sum(row.norm**2 for row in mine if row.norm is not None))
            found.append(abs(norm - update) / max(update, 1e-3))
            for row in mine:
                if row.item_id is None or row.margin is None or row.before is None or row.after is None:
                    continue
                own, taken = (before, after) if row.direction == "insert" else (after, before)
                mixed = reference.exchanged(own, taken, group, fused)
                for each, value in ((mixed, row.margin), (before, row.before), (after, row.after)):
                    found.append(abs(margin(each, row.item_id) - value))
                moved = max(moved, abs(row.margin - row.before))
    largest = _largest(found)
    return largest if moved > 20 * largest else math.inf


PROBE_CHECKS: dict[str, Callable[[Case], float]] = {
    "attention": attention,
    "gradients": gradients,
    "lens": lens,
    "patching": patching,
    "knockouts": knockouts,
    "weights": weights,
}

CHECKS: dict[str, Callable[[Case], float]] = {
    "loads": loads,
    "packing": packing,
    "LoRA": lora,
    "full": full,
    "QLoRA": qlora,
    "query-key": query_key,
    "answers": answers,
    **PROBE_CHECKS,
}
"""The columns of the page."""


def _tried(case: Case, probe: str) -> Run:
    """The run that is probed, if ``prepare_base`` lets it."""
    check_answers(case.base, [PROBES[probe].check or ""])
    return case.evaluated_runs[0]


# --- parts --------------------------------------------------------------------------------------


def _probed(case: Case, run: Run) -> ProbedRun:
    return ProbedRun(
        case.base,
        DIGEST,
        run.folder,
        run.steps,
        case.data.items,
        case.data.template,
        Prompt(),
        4,
        case.training(run.tuning),
        SEED,
        case.data.examples,
    )


def _located(case: Case, run: Run) -> list[Any]:
    return locate_items(_probed(case, run), case.data.items, load_tokenizer(case.base), "compatibility")


def _plain(case: Case, run: Run, entry: CheckpointEntry) -> Any:
    """The reference model with the weights of one checkpoint."""
    if not entry.folder:
        return case.plain()
    folder = run.folder / entry.folder
    return case.plain(whole=folder) if run.tuning.trains_all else case.plain(folder)


def _merged(case: Case, run: Run, entry: CheckpointEntry) -> Any:
    """The reference model with the weights of one checkpoint; adapters are merged by peft."""
    model = _plain(case, run, entry)
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def _shortened(case: Case, layers: int) -> Any:
    """The base with its first ``layers`` layers only."""
    return case.plain(layers=layers)


def _margins(case: Case, run: Run) -> dict[tuple[int, str], float]:
    """The reference's log-odds by step and item."""
    points = [one.divergence for one in _located(case, run)]
    found = {}
    for entry in run.steps[1:]:
        plain = _plain(case, run, entry)
        for one in points:
            found[entry.step, one.item.item_id] = reference.margin(
                plain, one.prefix, one.context_token, one.parametric_token
            )
    return found


def _rows_apart(own: Any, plain: Any, rows: Sequence[EncodedConversation]) -> Iterator[float]:
    """How far the log-probabilities of two models are apart, row by row."""
    for row in rows:
        yield _apart(reference.logprobs(own, row.input_ids), reference.logprobs(plain, row.input_ids))


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).abs().max())


def _largest(differences: Any) -> float:
    """The largest of all differences; infinite if one is not a number, or if there is none."""
    found = list(differences)
    return max(found) if found and not any(math.isnan(each) for each in found) else math.inf
