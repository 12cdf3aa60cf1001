"""Takes the pictures of the README from the results of the default study: `make screenshots`, after `make run`.

Needs Chromium and Graphviz (Debian: apt install chromium graphviz).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import CHROMIUM, browser  # noqa: E402

IMAGES = ROOT / "docs/img"
SIZE = (1280, 860)
ITEMS_LOST = "#recipe=standard&change=context-parametric"
"""The filters of the page of items in its picture: items that finetuning changed from the context to memory."""


def main() -> None:
    """Take every picture again, or exit with a message that says what is missing."""
    results = Path("results")
    missing = [str(page) for page in (results / "report.html", results / "items.html") if not page.is_file()]
    missing += [name for name, there in (("chromium", CHROMIUM), ("dot", shutil.which("dot"))) if not there]
    if missing:
        sys.exit(f"error: missing: {', '.join(missing)}; run `make run` first, and `apt install chromium graphviz`")
    with browser() as tab:
        tab.show(*SIZE)
        tab.open((results / "report.html").resolve().as_uri())
        # the introduction and the first figure in one picture
        tab.run("document.querySelector('section[id^=experiment-]').scrollIntoView()")
        (IMAGES / "report.png").write_bytes(tab.picture())
        tab.open((results / "items.html").resolve().as_uri() + ITEMS_LOST)
        tab.wait("!document.getElementById('main').hidden")
        (IMAGES / "items.png").write_bytes(tab.picture())
    (IMAGES / "dag.svg").write_text(dag(sys.argv[1:]), encoding="utf-8")


def dag(arguments: list[str]) -> str:
    """The graph of the default study's rules as SVG. ``arguments`` are passed to Snakemake.

    The target ``all`` and redundant arrows are omitted. Only the graph of a finished study contains the rules that
    depend on a Snakemake checkpoint.
    """
    snakemake = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", *arguments]
    graph = subprocess.run(snakemake, check=True, capture_output=True, text=True).stdout
    (everything,) = re.findall(r'(\d+)\[label = "all"', graph)
    graph = re.sub(rf"^\s*(?:{everything}\[.*|\d+ -> {everything})\n", "", graph, flags=re.MULTILINE)
    graph = graph.replace("rounded,dashed", "rounded").replace(
        "graph[", "graph[rankdir=LR, nodesep=0.12, ranksep=0.3, "
    )
    reduced = subprocess.run(["tred"], input=graph, check=True, capture_output=True, text=True).stdout
    return subprocess.run(["dot", "-Tsvg"], input=reduced, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
