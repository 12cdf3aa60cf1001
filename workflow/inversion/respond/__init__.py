"""Everything that needs forward passes after training: answers, log-probabilities, context need, knowledge and probes.

This module imports nothing, so that the workflow can read :data:`VERSION` without importing torch.
"""

VERSION = 5
"""Raise it if a change to this package changes responses. All checkpoints are then evaluated again."""

NEED_VERSION = 1
"""Raise it if a change to :mod:`inversion.respond.context_need` changes scores. All examples are then scored again."""

BENCHMARK_VERSION = 2
"""Raise it if a change to :mod:`inversion.respond.benchmarks` changes scores. All benchmarks are then run again."""

KNOWLEDGE_VERSION = 2
"""Raise it if a change to :mod:`inversion.respond.knowledge_probe` changes its results. All base models are then probed
again."""
