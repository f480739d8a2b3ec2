"""What would happen if each module were the first to be imported, found out from the source alone: nothing is run.

Follows what Python does (language reference, section 5, "The import system"): packages before what is in them, statements in their
order, and of a module that is not finished only the names that it has so far. Names that are only for types are left out.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

_Name: TypeAlias = str
_Event: TypeAlias = tuple[str, tuple[str, ...]]
"""A module and the names that are taken from it, in the order of the statements; of `""` the names that are defined there."""


def modules(source: Path) -> dict[_Name, tuple[_Event, ...]]:
    """Every module below a folder, with what it does when it is imported."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        name = ".".join(path.relative_to(source).with_suffix("").parts)
        package = name.removesuffix(".__init__")
        found[package] = tuple(_events(ast.parse(path.read_bytes()).body))
    return found


def _events(body: Iterable[ast.stmt]) -> Iterator[_Event]:
    for each in body:
        match each:
            case ast.ImportFrom(module=module, names=names, level=0):
                yield module or "", tuple(alias.name for alias in names)
                yield "", tuple(alias.asname or alias.name for alias in names)
            case ast.Import(names=names):
                for alias in names:
                    yield alias.name, ()
                    yield "", (alias.asname or alias.name.partition(".")[0],)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield "", (name,)
            case ast.ClassDef(name=name, body=inner):
                yield from (event for event in _events(inner) if event[0])
                yield "", (name,)
            case ast.If(test=test, body=inner, orelse=other):
                if "TYPE_CHECKING" not in ast.unparse(test):
                    yield from _events(inner)
                yield from _events(other)
            case ast.Try(body=inner, orelse=other, finalbody=last, handlers=handlers):
                yield from _events((*inner, *other, *last, *(s for h in handlers for s in h.body)))
            case ast.With(body=inner) | ast.For(body=inner) | ast.While(body=inner):
                yield from _events(inner)
            case _:
                yield (
                    "",
                    tuple(
                        n.id
                        for n in ast.walk(each)
                        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                    ),
                )


@dataclass
class _Interpreter:
    """One run of Python: what is imported so far, and which names it has."""

    modules: dict[_Name, tuple[_Event, ...]]
    names: dict[_Name, set[str]] = field(default_factory=dict)
    finished: set[_Name] = field(default_factory=set)

    def load(self, name: _Name) -> str:
        """Import a module, and the packages around it first. Returns what is wrong, or nothing."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            wrong = self._run(".".join(parts[:end]))
            if wrong:
                return wrong
        return ""

    def _run(self, name: _Name) -> str:
        if name in self.names or name not in self.modules:
            return ""
        self.names[name] = set()
        for module, names in self.modules[name]:
            if not module:
                self.names[name].update(names)
            elif wrong := self._take(module, names):
                return wrong if " -> " in wrong else f"{name} -> {wrong}"
        self.finished.add(name)
        return ""

    def _take(self, module: _Name, names: tuple[str, ...]) -> str:
        if module not in self.modules:
            return ""
        if wrong := self.load(module):
            return wrong
        for name in names:
            known = module in self.finished or name in self.names[module]
            inside = f"{module}.{name}"
            if inside in self.modules:
                if wrong := self.load(inside):
                    return wrong
            elif not known:
                return f"{module}.{name}, which is not there yet"
        return ""


def unfinished(source: Path) -> dict[_Name, str]:
    """The modules below a folder that cannot be the first to be imported, each with the import that fails."""
    found = modules(source)
    tried = ((name, _Interpreter(found).load(name)) for name in found if not name.endswith("__main__"))
    return {name: wrong for name, wrong in tried if wrong}
