"""Measures context reliance in your own training loop, with a callback for the transformers Trainer and TRL's trainers.

    trainer = SFTTrainer(model, args=config, train_dataset=rows)
    trainer.add_callback(ContextReliance(trainer, sets=["facts"], every=50))
    trainer.train()

Every ``every`` steps the model in training answers a fixed sample of conflict items, with the trainer's tokenizer and
template. Rates are logged with all other metrics. Weights, gradients, optimizer and random generators do not change.
"""

from __future__ import annotations

import copy
import random
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from transformers import Trainer, TrainerCallback

from inversion.analyse.stopping import Bools, has_fallen
from inversion.artifacts import write_json
from inversion.config.datasets import ChatTemplate, Template
from inversion.config.evaluation import Prompt
from inversion.config.run import Run
from inversion.config.sets import ConflictSet, Control, FactSet, FileSet
from inversion.conflict.files import load_items
from inversion.models.tuning import keep_four_bit_layout
from inversion.records.answers import Response
from inversion.records.data import ConflictItem, conflict_set_of
from inversion.records.frames import to_frame
from inversion.respond.answers import answer_questions, encode_questions
from inversion.respond.probing import conflict_sample
from inversion.score.labelling import label_run

PREFIX = "context_reliance"
BEST_FOLDER = "best-context-reliance"
CONTROL_TOLERANCE = 0.05
"""A checkpoint can be the best only if its control accuracy is at most this far below that of the first measurement."""
CONTROLS: tuple[Control, ...] = ("matching", "no_context")
RIGHT = ("context", "parametric", "both")
"""Labels of a correctly answered control item. It has a single answer, which is on one side or on both."""

_RUN = Run("model", "training", "monitor", 0)


@dataclass(frozen=True)
class Measurement:
    """The model's answers at one step."""

    step: int
    rates: Mapping[str, Mapping[str, float]]
    """For each set, shares of items: ``context_rate``, ``parametric_rate`` and, if it has controls, ``control``."""
    context: Mapping[str, Bools]
    """For each set, which conflict items were answered with the context answer."""


class ContextReliance(TrainerCallback):  # type: ignore[misc]
    """Measures context reliance during training. The module has an example.

    **Logging.** For each set it logs ``context_reliance/<set>/context_rate`` and ``parametric_rate`` (the shares of
    conflict items whose response first mentions the context answer, or the parametric one), ``control`` (the accuracy
    on the same items with a passage that agrees with memory, and without a passage), and ``context_reliance/seconds``.

    **The best checkpoint.** ``keep_best`` names a set. The weights with its highest ``context_rate`` (the earliest in a
    tie) are saved, among those whose ``control`` is at most 5 points below that of the first measurement. They are in
    ``<output_dir>/best-context-reliance``, with the measurement in ``context_reliance.json``.

    **Stopping.** ``stop_on`` names a set. Training ends when the last two measurements are both significantly below the
    same earlier measurement of this set. The test is an exact one-sided sign test over clusters of items, at the level
    ``alpha`` divided by the number of pairs of measurements in the whole training (Bonferroni). On a plateau the
    probability of ever stopping is at most ``alpha``. A resumed training only uses measurements after it resumed.

    The model is evaluated on the main process, so it must be complete there. FSDP and DeepSpeed ZeRO-3 are refused.
    """

    def __init__(
        self,
        trainer: Trainer,
        sets: Sequence[str] | Mapping[str, ConflictSet | Sequence[ConflictItem]] = ("facts",),
        every: int = 50,
        items: int = 200,
        template: Template | None = None,
        max_new_tokens: int = 16,
        batch_size: int = 32,
        scorer: str = "first_mention",
        keep_best: str | None = None,
        stop_on: str | None = None,
        alpha: float = 0.05,
        seed: int = 0,
    ) -> None:
        """``sets`` has files of conflict items and ``facts`` (which ships with this package), or maps names of sets to
        their configuration or items. ``items`` is the number of conflict items per set, drawn with ``seed``; their
        controls are added. ``template`` is the format of the questions, by default the tokenizer's chat template.

        Raises :class:`ValueError` if ``keep_best`` or ``stop_on`` names an unknown set, if the tokenizer cannot write
        the template, or if the model is sharded over processes.
        """
        if every < 1 or not 0 < alpha < 1:
            raise ValueError(f"every is {every} and alpha {alpha}; every must be at least 1, alpha between 0 and 1")
        _require_unsharded(trainer)
        sampled = _sample_items(_load_items(sets), items, seed)
        names = list(dict.fromkeys(item.set for item in sampled if item.role == "conflict"))
        for key, name in (("keep_best", keep_best), ("stop_on", stop_on)):
            if name is not None and name not in names:
                raise ValueError(f"{key} is {name!r}, which is not among the sets: {', '.join(names)}")
        self.trainer = trainer
        self.every = every
        self.template = template or ChatTemplate()
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.scorer = scorer
        self.keep_best = keep_best
        self.stop_on = stop_on
        self.alpha = alpha
        self.items = sampled
        self.measurements: list[Measurement] = []
        """All measurements of this training, in order."""
        self.best: Measurement | None = None
        self.tokenizer = _own_tokenizer(trainer)
        self.questions = encode_questions(sampled, self.tokenizer, self.template, {"plain": Prompt()})

    # --- events -----------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure the model before training."""
        if state.global_step == 0:
            self._visit(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure at every ``every``-th step."""
        if state.global_step % self.every == 0:
            self._visit(args, state, control)

    def _visit(self, args: Any, state: Any, control: Any) -> None:
        begin = time.perf_counter()
        metrics, decision = None, [False, False]
        if state.is_world_process_zero:
            measurement = self.measure(state.global_step)
            self.measurements.append(measurement)
            metrics = {
                f"{PREFIX}/{name}/{rate}": value
                for name, rates in measurement.rates.items()
                for rate, value in rates.items()
            }
            decision = [self._is_best(measurement), self._has_fallen(state.max_steps)]
        if args.world_size > 1:
            broadcast_object_list(decision)
        if metrics is not None:
            metrics[f"{PREFIX}/seconds"] = time.perf_counter() - begin
            should_log = control.should_log
            # the method of the base class, because TRL's also resets the averages of its training metrics
            Trainer.log(self.trainer, metrics)
            control.should_log = should_log  # logging resets the flag, but the training loss has not been logged yet
        if decision[0]:
            self._save_best(Path(args.output_dir), state)
        if decision[1]:
            control.should_training_stop = True

    # --- measuring --------------------------------------------------------------------------------

    def measure(self, step: int) -> Measurement:
        """Evaluate the current model."""
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        with evaluation_mode(model):
            responses = answer_questions(
                model, self.tokenizer, self.questions, self.template, step, self.max_new_tokens, self.batch_size
            )
        return measurement_of(self.items, responses, step, self.scorer)

    # --- the best ---------------------------------------------------------------------------------

    def _is_best(self, now: Measurement) -> bool:
        if self.keep_best is None:
            return False
        name = self.keep_best
        first = self.measurements[0].rates[name].get("control")
        if first is not None and now.rates[name]["control"] < first - CONTROL_TOLERANCE:
            return False
        if self.best is not None and now.rates[name]["context_rate"] <= self.best.rates[name]["context_rate"]:
            return False
        self.best = now
        return True

    def _save_best(self, output: Path, state: Any) -> None:
        """Replace the best weights by the current ones. All processes must call it, as for the Trainer's saving."""
        folder, unfinished = output / BEST_FOLDER, output / f".{BEST_FOLDER}"
        self.trainer.save_model(str(unfinished), _internal_call=True)
        if state.is_world_process_zero and self.best is not None:
            rule = f"highest context_rate of {self.keep_best}, control at most {CONTROL_TOLERANCE:.0%} below the first"
            write_json(unfinished / "context_reliance.json", {"step": self.best.step, "rule": rule, **self.best.rates})
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)

    # --- stopping ---------------------------------------------------------------------------------

    def _has_fallen(self, max_steps: int) -> bool:
        if self.stop_on is None:
            return False
        clusters = [item.cluster for item in self.items if item.set == self.stop_on and item.role == "conflict"]
        history = np.array([one.context[self.stop_on] for one in self.measurements])
        return has_fallen(history, clusters, 1 + max_steps // self.every, self.alpha)


def measurement_of(items: Sequence[ConflictItem], responses: Sequence[Response], step: int, scorer: str) -> Measurement:
    """The rates of each set, from the responses to its ``items`` and their controls."""
    rows = label_run(_RUN, to_frame(items, ConflictItem), to_frame(responses, Response), steps_per_epoch=None)
    found = {str(name): frame for (name,), frame in rows.partition_by("set", as_dict=True, maintain_order=True).items()}
    rates: dict[str, dict[str, float]] = {}
    context: dict[str, Bools] = {}
    for name, of_set in found.items():
        labels = of_set[scorer].to_numpy().astype(object)
        if of_set["role"][0] == "conflict":
            context[name] = np.asarray((labels == "context") | (labels == "both"))
            rates[name] = {
                "context_rate": float(context[name].mean()),
                "parametric_rate": float(((labels == "parametric") | (labels == "both")).mean()),
            }
    for name in rates:
        controls = [
            float(of_set[scorer].is_in(list(RIGHT)).mean())  # type: ignore[arg-type]  # it is not empty
            for other, of_set in found.items()
            if conflict_set_of(other) == name
        ]
        if controls:
            rates[name]["control"] = float(np.mean(controls))
    return Measurement(step, rates, context)


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Within the block ``model`` is in evaluation mode. Afterwards the mode of every module and the state of all random
    generators are restored. Four-bit weights are not rewritten for inference."""
    modes = {module: module.training for module in model.modules()}
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    keep_four_bit_layout(model)
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


# --- items --------------------------------------------------------------------------------------


def _load_items(sets: Sequence[str] | Mapping[str, ConflictSet | Sequence[ConflictItem]]) -> list[ConflictItem]:
    """The items of all sets, with their controls."""
    if isinstance(sets, str):
        raise ValueError(f"sets is {sets!r}; write a list of sets")
    if not isinstance(sets, Mapping):
        specs: dict[str, ConflictSet] = {}
        for name in sets:
            if name == "facts":
                specs[name] = FactSet(source="facts", controls=CONTROLS)
            else:
                specs[Path(name).stem] = FileSet(source="file", path=name, controls=CONTROLS)
        sets = specs
    items: list[ConflictItem] = []
    for name, given in sets.items():
        items += given if isinstance(given, Sequence) else load_items(given, name)
    return items


def _sample_items(items: Sequence[ConflictItem], count: int, seed: int) -> list[ConflictItem]:
    """Up to ``count`` conflict items of each set, with their controls."""
    chosen = conflict_sample(items, count, seed)
    if not chosen:
        raise ValueError("the sets contain no conflict item with a context")
    kept = {(item.set, item.item_id) for item in chosen}
    controls = [item for item in items if (conflict_set_of(item.set), item.item_id) in kept]
    return [*chosen, *controls]


def _own_tokenizer(trainer: Trainer) -> Any:
    """A copy of the trainer's tokenizer, with a padding token."""
    tokenizer = copy.deepcopy(getattr(trainer.processing_class, "tokenizer", trainer.processing_class))
    if tokenizer is None:
        raise ValueError("the trainer has no tokenizer; give it one as `processing_class`")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def _require_unsharded(trainer: Trainer) -> None:
    """Raises :class:`ValueError` if no process has the whole model."""
    spread = getattr(trainer, "is_fsdp_enabled", False) or getattr(trainer, "is_deepspeed_enabled", False)
    if spread:
        raise ValueError(
            "ContextReliance evaluates the model on one process, but FSDP and DeepSpeed shard it over several; save "
            "checkpoints and evaluate them as a series (docs/series.md)"
        )
