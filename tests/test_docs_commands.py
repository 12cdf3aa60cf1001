"""Everything that the documentation tells a user to type works: commands, Python, and parts of studies."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import TypeAdapter
from snakemake.cli import get_argument_parser

from inversion import cli
from inversion.config.load import parse_config
from inversion.config.study import Config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
OTHERS = {
    "git",
    "cp",
    "npm",
    "tar",
    "srun",
    "apptainer",
    "pip",
    "source",
    "export",
    "squeue",
    "sinfo",
    "sacct",
    "sacctmgr",
}
"""Programs that do not belong to this project."""
MADE_BY_READERS = re.compile(r"config/my-[\w-]+\.yaml")


class Block(NamedTuple):
    """A fenced code block of a page."""

    page: Path
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The code blocks in these languages on all pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in FENCE.finditer(text):
            if fence["language"] in languages:
                lines = [line.removeprefix(fence["indent"]) for line in fence["text"].splitlines()]
                found.append(Block(page, text.count("\n", 0, fence.start()) + 1, "\n".join(lines)))
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a console block as lists of words. Continued lines are joined; comments and redirections are
    omitted."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words[: words.index(">")] if ">" in words else words


def check(words: list[str]) -> None:
    """Fail unless a command exists and accepts these arguments."""
    program, *arguments = words
    match program.removeprefix(".venv/bin/"):
        case "make":
            for word in arguments:
                assert "=" in word or word in targets(), f"make has no target {word}"
        case "inversion":
            parse(cli._parser(), arguments)
        case "snakemake":
            check_snakemake(arguments)
        case "python":
            assert (ROOT / arguments[0]).is_file(), arguments[0]
        case other:
            assert other in OTHERS or "=" in other, f"what is {other}?"


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):(?!=)", makefile, re.MULTILINE)) | {"seeds", "ablation"}


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(arguments)
    except SystemExit:
        raise AssertionError(f"not understood: {arguments}") from None


def check_snakemake(arguments: list[str]) -> None:
    asked = parse(get_argument_parser(), arguments)
    rules = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    for name in [*(asked.targets or []), *(asked.until or [])]:
        assert re.search(rf"^rule {re.escape(str(name))}:", rules, re.MULTILINE), f"no rule {name}"
    for file in asked.configfile or []:
        assert (ROOT / file).is_file() or MADE_BY_READERS.fullmatch(str(file)), file
    for profile in asked.profile or []:
        assert (ROOT / profile).is_dir(), profile


@pytest.mark.parametrize("block", blocks("console", "bash"), ids=lambda block: block.name)
def test_commands_exist_and_take_their_arguments(block: Block) -> None:
    found = list(commands(block.text))
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_in_texts_exist(page: Path) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", FENCE.sub("", page.read_text(encoding="utf-8"))))
    assert named <= targets()


@pytest.mark.parametrize(
    "command",
    [
        "make no-such-target",
        "inversion init --no-such-option",
        "snakemake --no-such-option",
        "snakemake no_such_rule",
        "snakemake --configfile config/no-such.yaml",
        "snakemake --profile profiles/no-such",
        "python no/such.py",
        "no-such-program",
    ],
)
def test_missing_commands_are_detected(command: str) -> None:
    with pytest.raises(AssertionError):
        check(shlex.split(command))


# --- Python -------------------------------------------------------------------------------------


def scripts() -> list[Block]:
    """The Python blocks that are complete scripts. A few others show lines of a longer script, or Snakemake's
    language."""
    return [block for block in blocks("python") if block.text.startswith(("import", "from"))]


@pytest.mark.parametrize("block", scripts(), ids=lambda block: block.name)
def test_imports_in_python_blocks_exist(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inversion"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


def shown() -> list[Block]:
    """The Python blocks whose last line is a comment with the result of the line before it."""
    return [block for block in scripts() if re.search(r"\n# \w+\(.*\)$", block.text.rstrip())]


@pytest.mark.parametrize("block", shown(), ids=lambda block: block.name)
def test_python_blocks_give_the_documented_results(block: Block) -> None:
    *setting, last = ast.parse(block.text).body
    names: dict[str, Any] = {}
    exec(compile(ast.Module(setting, []), block.name, "exec"), names)
    assert isinstance(last, ast.Expr)
    given = eval(compile(ast.Expression(last.value), block.name, "eval"), names)
    assert repr(given) == block.text.rstrip().rpartition("\n# ")[2]


# --- studies ------------------------------------------------------------------------------------


def studies() -> list[Block]:
    """The YAML blocks that are a study or some of its sections."""
    return [block for block in blocks("yaml") if set(yaml.safe_load(block.text)) <= set(Config.model_fields)]


@pytest.mark.parametrize("block", studies(), ids=lambda block: block.name)
def test_parts_of_studies_are_valid(block: Block) -> None:
    values = yaml.safe_load(block.text)
    if "experiments" in values and "models" in values and "sets" in values:
        parse_config(values, block.name)
    else:
        for key, value in values.items():
            # as JSON, because lists in JSON become tuples, and dates stay texts
            TypeAdapter(Config.model_fields[key].annotation).validate_json(json.dumps(value, default=str))


def test_the_docs_have_blocks_of_every_kind() -> None:
    assert len(studies()) > 15
    assert len(shown()) >= 2
    assert len(blocks("console", "bash")) > 10


# --- the site -----------------------------------------------------------------------------------


def test_the_site_lists_every_page_once() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"[\w./-]+\.md", str(site["nav"]))
    assert len(listed) == len(set(listed))
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    pages |= {f"benchmarks/results/{page.name}" for page in (ROOT / "benchmarks/results").glob("*.md")}
    assert set(listed) == pages | {"index.md", "contributing.md", "changelog.md", "benchmarks/README.md"}
