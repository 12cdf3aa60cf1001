"""Decides when two spellings are the same answer, and finds an answer in a text.

The scorers, the loader of conflict sets and their audit all use this definition, so two answers conflict exactly if the
scorers can tell them apart. A text is split into normalised words (:mod:`~inversion.matching.words`), in which numbers,
units, amounts of money and dates have a single spelling (:mod:`~inversion.matching.quantities`). An answer is a
sequence of such words (:mod:`~inversion.matching.answers`).
"""
