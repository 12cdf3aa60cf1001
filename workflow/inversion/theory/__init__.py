"""The one-layer, one-head transformer of the paper's section 5 and appendix B, in its notation.

:mod:`~inversion.theory.model` builds it and has the gradients in closed form,
:mod:`~inversion.theory.descent` trains it, :mod:`~inversion.theory.claims` checks what the paper
says about it.
"""
