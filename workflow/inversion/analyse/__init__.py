"""From labels to tables: curves, inversions, flips, factors, the agreement of scorers, benchmarks, trade-offs, probes.

All intervals are 95 % percentile intervals of a bootstrap over clusters. Each set has a random stream
of its own that depends on the seed and the set's name alone, so results depend neither on the order
of the rows nor on which other runs and sets are in the table.

Import from the modules, so that a table depends only on the code that makes it.
"""
