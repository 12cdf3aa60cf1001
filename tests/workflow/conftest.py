"""The smallest study, run in a copy of the checkout once."""

import pytest
from checkout import Checkout
from filelock import FileLock


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Checkout:
    """The smallest study, run to its end once for all test processes; copy it before changing anything.

    What Snakemake said meanwhile, debugging messages too, is in its ``verbose.log``.
    """
    root = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        root = root.parent
    folder = root / "finished-study"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            checkout = Checkout.new(root / "unfinished-study")
            done = checkout.run("--verbose")
            (checkout.folder / "verbose.log").write_text(done.stdout + done.stderr)
            checkout.folder.rename(folder)
    return Checkout(folder)


@pytest.fixture
def rerun(finished, tmp_path) -> Checkout:
    """A finished study of one's own."""
    return finished.copy(tmp_path / "checkout")


@pytest.fixture(scope="session")
def new_checkout():
    """A function that makes a fresh checkout in a folder."""
    return Checkout.new


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout without results."""
    return Checkout.new(tmp_path)
