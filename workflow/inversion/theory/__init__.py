"""The one-layer, one-head transformer of the paper's section 5 and appendix B, in the paper's notation.

:mod:`~inversion.theory.model` builds it and computes its gradients in closed form, :mod:`~inversion.theory.descent`
trains it, and :mod:`~inversion.theory.claims` checks the paper's claims about it.
"""
