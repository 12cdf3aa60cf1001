"""Converts a plain mapping to a validated :class:`Config`, or to a one-line error that says how to fix it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inversion.config.base import PATTERNS, nearest
from inversion.config.datasets import ChatTemplate, Template
from inversion.config.files import ConfigError, read_values
from inversion.config.inputs import input_fault, input_folder_fault
from inversion.config.study import Config


def parse_config(values: Mapping[str, Any], source: str = "configuration") -> Config:
    """The validated configuration.

    ``values`` is the parsed YAML; ``source`` names it in errors. Raises :class:`ConfigError` for an unknown key, a
    wrong type or value, an unknown name or an impossible combination.
    """
    try:
        # JSON mode is strict but accepts lists for tuples, as YAML writes them. YAML also parses
        # dates; converted to text they are what was written.
        text = json.dumps(values, default=str)
        for key in _other_keys(values):
            raise ConfigError(f"{source}: the key {key!r} is not text but {type(key).__name__}; quote it")
        return Config.model_validate_json(text)
    except ConfigError:
        raise
    except ValidationError as error:
        raise ConfigError(f"{source}: {' '.join(_line(error).split())}") from None
    except (TypeError, ValueError) as error:  # a mapping for a key, an alias to itself
        raise ConfigError(f"{source}: {error}; write plain strings, numbers, lists and mappings") from None


def read_config(path: str | Path) -> Config:
    """The validated configuration in the YAML file ``path``. Raises the errors of :func:`read_values` and
    :func:`parse_config`."""
    return parse_config(read_values(path), str(path))


def require_inputs(study: Config, source: str) -> None:
    """Raise :class:`ConfigError` for the first file or folder that the study needs and that is missing or cannot be
    used.

    ``source`` names the study in errors. Files at URLs and on the Hub are not checked.
    """
    for key, path in study.local_folders().items():
        if fault := input_folder_fault(path):
            raise ConfigError(f"{source}: `{key}`: {fault}")
    for key, path in study.local_files().items():
        if fault := input_fault(path):
            raise ConfigError(f"{source}: `{key}`: {fault}")


def with_source(template: Template) -> Template:
    """``template`` with the content of its file in ``text``, so that it does not depend on the file's location.

    Raises :class:`ConfigError` if the file cannot be read.
    """
    if not isinstance(template, ChatTemplate) or template.file is None:
        return template
    try:
        text = Path(template.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the chat template {template.file} cannot be read ({error})") from None
    return template.model_copy(update={"file": None, "text": text})


def _other_keys(value: Any) -> Iterator[Any]:
    """Keys below ``value`` that are neither text nor integers, such as the boolean that YAML makes of ``yes``."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(key, bool) or not isinstance(key, str | int):
                yield key
            yield from _other_keys(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _other_keys(entry)


def _line(error: ValidationError) -> str:
    """The first fault of a validation error as one line. Unknown keys come first, because they may be misspelled
    required keys."""
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
    if fault["type"] == "string_too_long":
        longest = fault["ctx"]["max_length"]
        start = where if len(where) <= 80 else f"{where[:77]}..."
        return f"`{start}` has {len(fault['input'])} characters; shorten it to at most {longest}"
    if fault["type"] == "string_pattern_mismatch":
        return f"`{where}` is {fault['input']!r}: {PATTERNS[fault['ctx']['pattern']]}"
    found = repr(fault["input"])
    found = found if len(found) <= 80 else f"{found[:77]}..."
    return f"`{where}` is {found}: {fault['msg'][0].lower()}{fault['msg'][1:]}{_number_hint(fault)}"


def _number_hint(fault: ErrorDetails) -> str:
    """The fix if YAML took a number such as ``1e-4`` for text."""
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
    """The key that selects the model of a union (``source``, ``method``, ``by``)."""
    discriminator: str = fault["ctx"]["discriminator"]
    return discriminator.strip("'")


def _resolve(loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The keys of an error's location without pydantic's union tags, and the known keys at the level of the last
    key."""
    schema = _schema()
    node, keys, siblings = schema, [], []
    for part in map(str, loc):
        if part == "[key]":  # pydantic's marker for a fault in the key itself
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


@cache
def _schema() -> dict[str, Any]:
    """The JSON schema of a configuration."""
    return Config.model_json_schema()


def _follow(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """``node`` with references and "or null" resolved."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node:
            node = next(option for option in node["anyOf"] if option.get("type") != "null")
        else:
            return node
