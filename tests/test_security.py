"""The promises of docs/security.md about the source code; tests/workflow/test_reruns.py checks results."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from inversion.config.base import Name

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path.relative_to(ROOT) for path in (ROOT / "workflow").rglob("*.py"))
RULES = sorted([ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])

RUNS_WHAT_IT_READS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def faults(source: str) -> list[str]:
    """Calls and imports through which data could run as code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.split(".")[0] in RUNS_WHAT_IT_READS]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNS_WHAT_IT_READS:
                found.append(module)
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="load" | "unsafe_load" | "full_load")):
                options = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
                if owner == "torch" and options.get("weights_only") is not True:
                    found.append("torch.load without weights_only")
                if owner == "yaml" and not any("Loader" in ast.unparse(argument) for argument in node.args[1:]):
                    found.append("yaml.load without a loader")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="from_pretrained" | "from_config")) if (
                owner.startswith("Auto")
            ):
                options = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
                if options.get("trust_remote_code") is not False:  # otherwise the library asks on standard input
                    found.append(f"{owner} without trust_remote_code=False")
            case ast.keyword(arg="allow_pickle" | "trust_remote_code" | "shell", value=ast.Constant(value=True)):
                found.append(f"{node.arg}=True")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_file_that_is_read_can_run_code(path):
    assert faults((ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name)",
        "subprocess.run(command, shell=True)",
        "yaml.load(text)",
        "eval(text)",
    ],
)
def test_unsafe_readers_are_detected(source):
    assert faults(source)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_passes_anything_to_a_shell(path):
    assert not re.search(r"^\s+(shell|run):", path.read_text(), flags=re.MULTILINE)


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._+-]*\Z", fullmatch=True) | st.text())
def test_a_name_is_a_single_folder_in_results(name):
    try:
        TypeAdapter(Name).validate_python(name)
    except ValueError:
        return
    results = Path("/results")
    assert (results / name).resolve().parent == results
    assert not set(name) & set(" \t\n'\"\\$`;&|<>(){}[]*?!~#")
