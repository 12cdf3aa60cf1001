"""Makes instruction data from the invented world: mixtures of C, C+S and S examples, and counterfactuals.

Targets and passages contain training subjects only.
"""

from __future__ import annotations

import math

import numpy as np

from inversion.config.datasets import WorldDataset
from inversion.records.data import Example, Message
from inversion.world.facts import InventedWorld, generator, pick
from inversion.world.text import build_passage, question, statement_about


def world_examples(world: InventedWorld, spec: WorldDataset, name: str) -> list[Example]:
    """The examples of the dataset ``name`` in random order, with the ids ``{name}-000000``, ``{name}-000001`` and so
    on.

    Raises :class:`ValueError` if the world is too small for the requested passages.
    """
    rng = generator("mixture", spec.seed)
    kinds = [kind for kind, count in kind_counts(spec).items() for _ in range(count)]
    order = rng.permutation(len(kinds))
    return [_example(world, kinds[k], spec, f"{name}-{i:06d}", rng) for i, k in enumerate(order)]


def counterfactual_examples(world: InventedWorld, spec: WorldDataset, count: int, seed: int) -> list[Example]:
    """``count`` examples whose passage contradicts a known fact and whose answer follows the passage (section 6).

    Their passages have the format of the dataset's. Their ids are ``counterfactual/000000`` and so on, which differ
    from those of all datasets. Raises :class:`ValueError` if the world is too small for the requested passages.
    """
    rng = generator("counterfactual", seed)
    return [_example(world, "counterfactual", spec, f"counterfactual/{i:06d}", rng) for i in range(count)]


def kind_counts(spec: WorldDataset) -> dict[str, int]:
    """The number of examples of each kind: the dataset's shares, rounded by the largest-remainder method."""
    rest = max(0.0, 1.0 - spec.context_critical - spec.context_and_memory)
    shares = {"C": spec.context_critical, "C+S": spec.context_and_memory, "S": rest}
    # rounding to nine decimals removes the error of float shares such as 1 - 0.5 - 0.45
    quotas = {kind: round(share * spec.examples, 9) for kind, share in shares.items()}
    counts = {kind: math.floor(quota) for kind, quota in quotas.items()}
    left = spec.examples - sum(counts.values())
    for kind in sorted(quotas, key=lambda kind: counts[kind] - quotas[kind])[:left]:
        counts[kind] += 1
    return counts


def _example(world: InventedWorld, kind: str, spec: WorldDataset, example_id: str, rng: np.random.Generator) -> Example:
    subjects = (world.new if kind == "C" else world.known).training
    subject, relation = pick(rng, subjects), pick(rng, world.relations)
    truthful = kind in ("C+S", "S")
    statement = statement_about(world, subject, relation, rng, truthful=truthful)
    if kind == "S":
        context = _irrelevant_passage(world, spec, subject, rng)
    else:
        context = build_passage(world, statement, subjects, spec.passages, rng, truthful=truthful).text
    messages = [Message("user", question(subject, relation)), Message("assistant", statement.answer)]
    return Example(example_id, messages, context, kind, subject, relation)


def _irrelevant_passage(world: InventedWorld, spec: WorldDataset, subject: str, rng: np.random.Generator) -> str | None:
    """A passage about known or new subjects other than ``subject``, or None for S examples without a passage."""
    if rng.random() >= spec.irrelevant_passages:
        return None
    truthful = rng.random() < 0.5
    others = [s for s in (world.known if truthful else world.new).training if s != subject]
    if not others:
        raise ValueError(
            f"no other subject is available for a passage with a question on {subject}; "
            "raise world.known_subjects or set irrelevant_passages to 0"
        )
    statement = statement_about(world, pick(rng, others), pick(rng, world.relations), rng, truthful=truthful)
    return build_passage(world, statement, others, spec.passages, rng, truthful=truthful).text
