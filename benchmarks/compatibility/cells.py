"""The cells of one architecture, in a process of its own."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from compatibility.architectures import Architecture
from compatibility.checks import CHECKS, Case, Data
from compatibility.page import Cell, measured


def cells_of(architecture: Architecture, checks: Sequence[str]) -> dict[str, Cell]:
    """The cells of one architecture for ``checks``, which are names in :data:`~compatibility.checks.CHECKS`."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            case = Case(architecture, Data(), Path(folder))
        except Exception as error:  # a configuration that the installed transformers does not have
            return dict.fromkeys(checks, Cell(fault=f"{type(error).__name__}: {error}"))
        return {name: measured(CHECKS[name], case) for name in checks}


def be_quiet() -> None:
    """One thread in each process, and no warnings of the libraries."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    logging.getLogger("inversion").setLevel(logging.ERROR)
