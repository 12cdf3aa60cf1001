"""Hooks of mkdocs that add pages from outside docs/ to the site, and make links that work on GitHub work on the site.

The README becomes the site's first page. A link to a file of the repository that is not a page (a study, a script)
leads to a copy of that file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the root of the repository, and their paths on the site."""
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?P<file>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/, and the files to which pages link."""
    outside = [ROOT / name for name in ELSEWHERE]
    outside += [*sorted((ROOT / "benchmarks/results").glob("*.md")), ROOT / "benchmarks/README.md"]
    for page in outside:
        _add(files, config, page)
    for page in [*sorted((ROOT / "docs").glob("*.md")), *outside]:
        for text in _FENCE.split(page.read_text(encoding="utf-8"))[::2]:
            for link in _LINK.finditer(text):
                target = (page.parent / link["file"]).resolve()
                if target.is_file() and not target.is_relative_to(ROOT / "docs"):
                    _add(files, config, target)
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Rewrite the links of a page from paths in the repository to paths on the site."""
    source = _in_repository(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["file"]))
        return posixpath.relpath(_in_site(target), here or ".") + (link["anchor"] or "")

    parts = _FENCE.split(markdown)
    return "".join(part if place % 2 else _LINK.sub(moved, part) for place, part in enumerate(parts))


def _add(files: Files, config: Any, path: Path) -> None:
    uri = _in_site(path.relative_to(ROOT).as_posix())
    if files.get_file_from_path(uri) is None:
        files.append(File.generated(config, uri, content=path.read_bytes()))


def _in_site(path: str) -> str:
    """The path on the site of a file of the repository."""
    return ELSEWHERE.get(path) or path.removeprefix("docs/")


def _in_repository(uri: str) -> str:
    """The path in the repository of a page of the site."""
    names = {there: name for name, there in ELSEWHERE.items()}
    return names.get(uri) or (uri if uri.startswith("benchmarks/") else f"docs/{uri}")
