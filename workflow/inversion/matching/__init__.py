"""When two spellings are the same answer, and where an answer occurs in a text.

One definition serves the scorers, the loader of conflict sets and their audit, so that what counts as a conflict is
what the scorers can tell apart. Texts become folded words (:mod:`~inversion.matching.words`), in which numbers, units,
amounts of money and dates have one spelling (:mod:`~inversion.matching.quantities`); answers are runs of these words
(:mod:`~inversion.matching.answers`).
"""
