"""Reads configuration files. Refuses invalid YAML, and values that YAML reads differently from how they are written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml


class ConfigError(ValueError):
    """An invalid configuration; the message is one line that names the file, the key and how to fix it."""


def read_values(path: str | Path) -> dict[str, Any]:
    """The mapping in the YAML (or JSON) file ``path``, not yet validated against the configuration models.

    Raises :class:`ConfigError` if the file cannot be read, is not one YAML mapping, contains a key twice, contains
    itself through an alias, or contains a name that YAML would read as something else (``yes``, ``010``, ``1:30``).
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            problem = None if node is None else next(_changed_names(node), None)
            if problem:
                raise ConfigError(f"{path}: {problem}")
            values = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line}: this is not UTF-8 text; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_line(error)}") from None
    except ValueError as error:  # of a date such as 2026-13-45
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if values is None:
        raise ConfigError(f"{path}: the file is empty; a study is a mapping of keys (see docs/configuration.md)")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a study is a mapping of keys, found a {_kind(values)}")
    return values


def command_fault(arguments: Sequence[str]) -> str | None:
    """Why a configuration file on Snakemake's command line cannot be used, as one line; None if all can.

    ``arguments`` is the command line (``sys.argv``). Snakemake reads these files before it reads the workflow, and
    reports most errors without the file or the line. The default profile, which it reads even earlier, calls this.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    known, _ = parser.parse_known_args(arguments[1:])
    for path in known.configfile:
        try:
            read_values(path)
        except ConfigError as error:
            several = len(known.configfile) > 1 and not Path(path).exists()
            hint = "; Snakemake takes every word after --configfile as a file: write targets before it"
            return f"{error}{hint if several else ''}"
    return None


class _Loader(yaml.SafeLoader):
    """YAML in which a duplicate key is an error; the library would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge" and isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    problem = f"the key `{key_node.value}` is given twice; rename or remove one"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_TYPES = {
    "tag:yaml.org,2002:bool": "a boolean",
    "tag:yaml.org,2002:int": "an integer",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
}

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
"""Integers that YAML reads as they are written."""

_VALUE = re.compile(
    r"true|false|null|\d{4}-\d{2}-\d{2}|[-+]?(\d*\.\d*([eE][-+]?\d+)?|\.(inf|nan)|\.(Inf|NaN)|\.(INF|NAN))"
)
"""Other values that may be in a list without quotes: JSON constants, dates, decimal fractions."""

_MISREAD_NUMBER = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Integers in base 8 or 60: YAML reads ``010`` as 8 and ``1:30`` as 90, which is never what is meant."""


def _changed_names(node: yaml.Node) -> Iterator[str]:
    """Messages about scalars below ``node`` that YAML misreads, and about nodes that contain themselves."""
    open_nodes: set[int] = set()
    checked: set[int] = set()

    def visit(node: yaml.Node) -> Iterator[str]:
        if id(node) in open_nodes:
            yield f"{_place(node.start_mark)}: this part contains itself through an alias (*); write it out"
            return
        if id(node) in checked:
            return
        open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield from _changed(key, "key")
                yield from _changed(value, "value")
                yield from visit(key)
                yield from visit(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                yield from _changed(value, "list entry")
                yield from visit(value)
        open_nodes.discard(id(node))
        checked.add(id(node))

    return visit(node)


def _changed(node: yaml.Node, role: str) -> Iterator[str]:
    """The message about a plain scalar that YAML does not read as written, if there is one."""
    if not isinstance(node, yaml.ScalarNode) or node.style is not None or node.tag not in _TYPES:
        return
    text, number = node.value, node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    if role == "value":
        changed = number and _MISREAD_NUMBER.fullmatch(text) is not None
    else:
        changed = not _WHOLE_NUMBER.fullmatch(text) and not (role == "list entry" and _VALUE.fullmatch(text))
    if changed:
        fix = "write it in quotes" + (" if it is a name, in plain decimal digits if it is a number" if number else "")
        yield f"{_place(node.start_mark)}: the {role} `{text}` is read as {_TYPES[node.tag]}; {fix}"


def _place(mark: yaml.Mark) -> str:
    """Line and column as an editor counts them."""
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _yaml_line(error: yaml.YAMLError) -> str:
    """An error of the YAML library as one line: the place, the problem and, for common ones, how to fix it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark or error.context_mark
        problem = error.problem
        if "'\\t'" in problem:
            problem = "a tab cannot indent or begin a value in YAML; use spaces"
        elif problem == "but found another document":
            problem = "a second document begins here (`---`); a study is one document"
        elif "given twice" not in problem:
            problem = f"not valid YAML: {f'{error.context}, ' if error.context else ''}{problem}"
        return f"{_place(mark)}: {problem}" if mark else problem
    return f"not valid YAML: {' '.join(str(error).split())}"


def _kind(value: object) -> str:
    """A readable name for the top-level type of a file that is not a mapping."""
    return {"list": "list", "str": "text"}.get(type(value).__name__, type(value).__name__)
