"""All that needs a model's forward pass after training: answers, log-probabilities, context need, knowledge, probes.

This module stays light, so that the workflow can read :data:`VERSION` without importing torch.
"""

VERSION = 5
"""Raise it when a change of this package changes responses: all checkpoints are then questioned again."""

NEED_VERSION = 1
"""Raise it when a change of :mod:`inversion.respond.need` changes scores: all examples are then scored again."""

BENCHMARK_VERSION = 2
"""Raise it when a change of :mod:`inversion.respond.benchmarks` changes scores: all benchmarks are then run again."""

KNOWLEDGE_VERSION = 2
"""Raise it when a change of :mod:`inversion.respond.knowledge` changes probes: all base models are probed again."""
