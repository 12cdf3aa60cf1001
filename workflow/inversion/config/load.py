"""From a plain mapping to a checked :class:`Config`, or to one line that says what to mend."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inversion.config.base import PATTERNS, nearest
from inversion.config.study import Config


class ConfigError(ValueError):
    """A faulty configuration; the message is one line that names the key and the mend."""


def parse_config(values: Mapping[str, Any], source: str = "configuration") -> Config:
    """The checked configuration.

    ``values`` is what YAML gives; ``source`` names it in errors.
    Raises :class:`ConfigError` for an unknown key, a wrong type or value, an unknown name or an
    impossible combination.
    """
    try:
        # JSON mode keeps strictness but takes lists for tuples, as YAML writes them. YAML also makes
        # dates of what looks like one; as text they are what was written.
        return Config.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ConfigError(f"{source}: {' '.join(_line(error).split())}") from None
    except (TypeError, ValueError) as error:  # a mapping for a key, an alias to itself
        raise ConfigError(f"{source}: {error}; write plain strings, numbers, lists and mappings") from None


def read_config(path: str | Path) -> Config:
    """The checked configuration in the YAML file ``path``; raises as :func:`read_values` and :func:`parse_config`."""
    return parse_config(read_values(path), str(path))


def read_values(path: str | Path) -> dict[str, Any]:
    """What the YAML file ``path`` says, unchecked.

    Raises :class:`ConfigError` where it cannot be read, is no YAML mapping or says a key twice.
    """
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), _UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a study is a mapping of keys, found {type(values).__name__}")
    return values


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key said twice is an error; the library would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge" and isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    problem = f"the key `{key_node.value}` stands twice; rename or remove one"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _line(error: ValidationError) -> str:
    """The first fault of a validation error as one line; an unknown key before a missing one that it may stand for."""
    fault = min(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    keys, siblings = _resolve(fault["loc"])
    where = ".".join(keys)
    if fault["type"] == "extra_forbidden":
        return f"unknown key `{where}`{nearest(keys[-1], siblings)}"
    if fault["type"] == "missing":
        return f"missing key `{where}`"
    if fault["type"] == "union_tag_not_found":
        return f"missing key `{where}.{_tag(fault)}`"
    if fault["type"] == "union_tag_invalid":
        expected = fault["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"`{where}.{_tag(fault)}` is {fault['ctx']['tag']!r}{nearest(fault['ctx']['tag'], expected)}"
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
        return f"{where}: {message}" if where else message
    if fault["type"] == "string_pattern_mismatch":
        return f"`{where}` is {fault['input']!r}: {PATTERNS[fault['ctx']['pattern']]}"
    found = repr(fault["input"])
    found = found if len(found) <= 80 else f"{found[:77]}..."
    return f"`{where}` is {found}: {fault['msg'][0].lower()}{fault['msg'][1:]}{_number_hint(fault)}"


def _number_hint(fault: ErrorDetails) -> str:
    """The mend where YAML took a number such as ``1e-4`` for text."""
    found = fault["input"]
    try:
        number = float(found) if isinstance(found, str) else math.nan
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    whole = fault["type"].startswith("int") and number.is_integer()
    return f"; write {yaml.safe_dump(int(number) if whole else number).split()[0]}, without quotes"


def _tag(fault: ErrorDetails) -> str:
    """The key that chooses between kinds (``source``, ``method``, ``by``)."""
    discriminator: str = fault["ctx"]["discriminator"]
    return discriminator.strip("'")


def _resolve(loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The keys of an error's location without pydantic's union tags, and the names that may stand
    beside the last key."""
    schema = Config.model_json_schema()
    node, keys, siblings = schema, [], []
    for part in map(str, loc):
        if part == "[key]":  # pydantic's mark for a fault in the key itself
            continue
        node = _follow(node, schema)
        mapping = node.get("discriminator", {}).get("mapping", {})
        if part in mapping:
            node = {"$ref": mapping[part]}
            continue
        siblings = list(node.get("properties", {}))
        keys.append(part)
        named = next(iter(node.get("patternProperties", {}).values()), None)
        node = node.get("properties", {}).get(part) or named or node.get("items") or {}
    return keys, siblings


def _follow(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """``node`` behind its references and behind "or null"."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node:
            node = next(option for option in node["anyOf"] if option.get("type") != "null")
        else:
            return node
