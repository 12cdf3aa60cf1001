"""Fingerprints of code by its behaviour, so that a rule reruns if its code changes, but not for a comment."""

from __future__ import annotations

import ast
import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from inversion.artifacts import ArtifactError, fingerprint, read_json, sha256_bytes, sha256_file, write_json


class SourceCode:
    """The library ``package`` and the scripts that import its modules. Each file is read once.

    To read all sources as syntax trees takes a second. The file ``memory`` therefore keeps what was found in each,
    by the hash of its content, for later processes; :meth:`remember` writes it.
    """

    def __init__(self, package: str | Path, memory: str | Path | None = None) -> None:
        self.package = Path(package)
        self.memory = None if memory is None else Path(memory)
        self._modules = _modules(self.package)
        self._remembered = _remembered(self.memory)
        self._used: dict[str, _Syntax] = {}
        self._read: dict[Path, tuple[str, _Syntax]] = {}

    def fingerprint(self, script: str | Path, also: Iterable[str] = ()) -> str:
        """Hex SHA-256 of the behaviour of ``script`` and of the modules of the package that it imports.

        Sources are compared as syntax trees, so comments, docstrings and layout do not matter. Imports are followed
        transitively in the source text; nothing is imported or run. ``also`` lists modules that the script imports by
        a name that is only known at run time. Modules of other packages are ignored. Raises :class:`ArtifactError` if
        the package does not have a module in ``also``.
        """
        pending, trees = [Path(script)], {}
        for module in also:
            files = self._files([module])
            if module.split(".")[0] == self.package.name and module not in self._modules:
                raise ArtifactError(f"{module} is not a module of {self.package}; correct the reference that names it")
            pending += files
        seen: set[Path] = set()
        while pending:
            path = pending.pop()
            if path in seen:
                continue
            seen.add(path)
            if path not in self._read:
                self._read[path] = self._name(path), self._syntax(path)
            name, syntax = self._read[path]
            pending += self._files(syntax.imports)
            trees[name] = syntax.digest
        return fingerprint(trees)

    def remember(self) -> None:
        """Write what the fingerprints of this object needed to the file ``memory``, unless it is known.

        A disk that is full or cannot be written is no error: the next process reads the sources again.
        """
        if self.memory is None or self._used.keys() == self._remembered.keys():
            return
        with contextlib.suppress(OSError):
            write_json(self.memory, {"reader": _reader(), "files": self._used})

    def _name(self, path: Path) -> str:
        """The path of a module from the folder of the package; the same for every script."""
        inside = path.is_relative_to(self.package)
        return path.relative_to(self.package.parent).as_posix() if inside else "script"

    def _syntax(self, path: Path) -> _Syntax:
        source = path.read_bytes()
        # relative imports depend on the place of the file
        key = sha256_bytes(f"{self._name(path)}\n".encode() + source)
        found = self._used.get(key) or self._remembered.get(key) or _read_syntax(source, path, self.package)
        self._used[key] = found
        return found

    def _files(self, modules: Iterable[str]) -> list[Path]:
        """The files of the named modules and of their parents, without modules of other packages."""
        parts = (module.split(".") for module in modules)
        wanted = {".".join(names[:depth]) for names in parts for depth in range(1, len(names) + 1)}
        return [file for module in sorted(wanted & self._modules.keys()) for file in self._modules[module]]


class _Syntax(NamedTuple):
    """What was found in a file."""

    imports: list[str]
    """All names in its imports that could be modules."""
    digest: str
    """The hash of its syntax tree without docstrings."""


def _reader() -> str:
    """What the content of a memory depends on besides the sources: Python's syntax trees, and this module."""
    return f"{sys.version} {sha256_file(__file__)}"


def _remembered(memory: Path | None) -> dict[str, _Syntax]:
    """The content of a memory; nothing if it is missing, damaged, or by another reader."""
    if memory is None or not memory.is_file():
        return {}
    try:
        content = read_json(memory)
        if content["reader"] != _reader():
            return {}
        return {
            str(key): _Syntax([*map(str, imports)], str(digest)) for key, (imports, digest) in content["files"].items()
        }
    except (ArtifactError, OSError, LookupError, TypeError, ValueError, AttributeError):
        return {}


def _read_syntax(source: bytes, path: Path, package: Path) -> _Syntax:
    with _no_collection():
        tree = ast.parse(source, filename=str(path))
        imports = sorted(_imported_names(tree, path, package))
        return _Syntax(imports, sha256_bytes(ast.dump(_without_docstrings(tree)).encode()))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Pause garbage collection: a syntax tree has tens of thousands of objects and no garbage, and collecting takes
    twice as long as parsing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The root of ``tree`` and all statements below it, without the many nodes inside expressions."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            if isinstance(inner, list):
                pending += inner


def _imported_names(tree: ast.AST, path: Path, package: Path) -> set[str]:
    """All names in the imports of ``tree``, the syntax tree of ``path``, that could be modules."""
    modules: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and not path.is_relative_to(package):
                continue
            start = path.parents[node.level - 1].relative_to(package.parent).parts if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            modules.add(module)
            modules.update(f"{module}.{alias.name}" for alias in node.names)
    return modules


def _modules(package: Path) -> dict[str, list[Path]]:
    """The files of ``package`` by the dotted name of their module."""
    found: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(package):
        parts = Path(folder).relative_to(package.parent).parts
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix == ".py":
                module = ".".join(parts if stem == "__init__" else (*parts, stem))
                found.setdefault(module, []).append(Path(folder, name))
    return found


def _without_docstrings(tree: ast.AST) -> ast.AST:
    """``tree`` with bare string statements (docstrings, also those of attributes) removed."""
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                statement
                for statement in body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ]
            node.body = kept  # type: ignore[attr-defined]
    return tree
