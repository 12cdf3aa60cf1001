"""Computes tables from labels: curves, inversions, flips, factors, agreement of scorers, benchmarks, trade-offs,
probes.

Each docstring states how its intervals are computed. Random numbers for a set are seeded with the study's seed and the
set's name, so results depend neither on the order of the rows nor on which other runs and sets are in the table.

Import names from the modules, not from this package, so that a table depends only on the code that computes it.
"""
