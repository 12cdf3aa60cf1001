"""The smallest study, which is run once in a copy of the checkout."""

import pytest
from checkout import Checkout
from filelock import FileLock


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Checkout:
    """The smallest finished study, shared by all test processes; a test that changes it must copy it first.

    Snakemake's output, including debugging messages, is in its ``verbose.log``. Its processes are those that a user
    starts (``cold``).
    """
    root = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        root = root.parent
    folder = root / "finished-study"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            checkout = Checkout.new(root / "unfinished-study")
            done = checkout.run("--verbose", cold=True)
            (checkout.folder / "verbose.log").write_text(done.stdout + done.stderr)
            checkout.folder.rename(folder)
    return Checkout(folder)


@pytest.fixture
def rerun(finished, tmp_path) -> Checkout:
    """A copy of the finished study for one test."""
    return finished.copy(tmp_path / "checkout")


@pytest.fixture(scope="session")
def new_checkout():
    """A function that makes a new checkout in a folder."""
    return Checkout.new


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A new checkout without results."""
    return Checkout.new(tmp_path)
