"""What of an experiment trains, and what is for the page alone.

Of an experiment's class its beginnings stay, which are `build`, `step` and `changed`, and what they reach.
Panels and the probes behind them, presets and invitations go, and so do the knobs' ranges and texts: they
become a dataclass whose defaults are those a run was built with.
"""

from __future__ import annotations

import ast
import inspect
import sys
from abc import ABC
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Generic, Literal, Union, get_args, get_origin

from descent.archive.flatten import Defined, Imported
from descent.archive.outside import Outside
from descent.archive.scopes import bound
from descent.archive.source import Piece, Source, reduced
from descent.contract import Experiment, Knobs
from descent.contract.panels import panels_of
from descent.errors import NoScript

BEGINNINGS = {"__init__", "build", "step", "changed"}  # what a script calls of an experiment
FOR_THE_PAGE = {"order", "invite", "presets", "pace", "knobs_type", "__init_subclass__"}
CONTRACT = "descent.contract"
ANYTHING = Imported("typing", "Any", "Any")
INSTEAD = {Defined(CONTRACT, "Knobs"): ANYTHING, Defined(CONTRACT, "K"): ANYTHING}  # in annotations
HEADINGS = {CONTRACT: "What the training below is written against."}
BASE = '"""What is trained: `build` once, then `step` over and over, with `changed` in between."""'


class Reduction:
    """Reduces one experiment's classes to those that train with `knobs`."""

    def __init__(self, cls: type[Experiment[Any]], knobs: Knobs, outside: Outside) -> None:
        self._module = cls.__module__
        self._knobs = knobs
        self._outside = outside
        self._dropped = FOR_THE_PAGE | panels_of(cls).keys()
        self._reached = self._reach(cls)

    def is_own(self, module: str) -> bool:
        """Whether a module is to be taken over, and not imported."""
        return module == self._module or module.partition(".")[0] == "descent"

    def adapt(self, source: Source, statement: ast.stmt) -> Piece | None:
        """What stays of a class; None for a statement that stays as it is. Raises `NoScript`."""
        if source.module == "descent.contract.panels":
            name = next(iter(bound([statement])), "")
            raise NoScript(
                f"a script has no panels, and training needs {name} of descent.contract.panels", "run"
            )
        if not isinstance(statement, ast.ClassDef):
            return None
        cls = vars(sys.modules[source.module])[statement.name]
        if issubclass(cls, Knobs):
            return self._dataclass(source, statement, cls)
        return self._trainer(source, statement, cls) if issubclass(cls, Experiment) else None

    def _reach(self, cls: type) -> set[str]:
        """The names of all members that the beginnings use, directly or not."""
        members = [
            (set(bound([member])), member)
            for base in cls.__mro__
            if self.is_own(base.__module__)
            for node in Source(base.__module__).definitions[base.__name__]
            if isinstance(node, ast.ClassDef)
            for member in node.body
        ]
        reached = set(BEGINNINGS)
        reached |= {name for names, _ in members for name in names if name.startswith("__")}
        before = 0
        while len(reached) > before:
            before = len(reached)
            for names, member in members:
                if names & reached - self._dropped:
                    reached |= set(_used(member))
        return reached

    def _trainer(self, source: Source, node: ast.ClassDef, cls: type) -> Piece:
        def keep(member: ast.stmt) -> bool:
            names = set(bound([member]))
            abstract = any("abstractmethod" in ast.dump(one) for one in getattr(member, "decorator_list", []))
            return bool(names & self._reached) and not names & self._dropped and not abstract

        docstring = BASE if cls is Experiment else ""
        return reduced(source, node, keep=keep, base=lambda base: _base(source, base), docstring=docstring)

    def _dataclass(self, source: Source, node: ast.ClassDef, cls: type[Knobs]) -> Piece:
        fields = [
            member.target.id
            for member in node.body
            if isinstance(member, ast.AnnAssign)
            and isinstance(member.target, ast.Name)
            and member.target.id in cls.model_fields
        ]
        unkept = {*fields, "model_config"}

        def keep(member: ast.stmt) -> bool:
            if isinstance(member, ast.FunctionDef):
                return not any(_is_pydantic(source, one) for one in member.decorator_list)
            names = set(bound([member]))
            return bool(names) and not names & unkept

        return reduced(
            source,
            node,
            keep=keep,
            base=lambda base: _base(source, base),
            insert="".join(["\n", *(self._field(name) for name in fields)]),
            decorator="@dataclasses.dataclass(frozen=True)",
        )

    def _field(self, name: str) -> str:
        info, value = type(self._knobs).model_fields[name], getattr(self._knobs, name)
        default = self._outside.put(value, "    ")
        if isinstance(value, list | dict | set):
            default = f"dataclasses.field(default_factory=lambda: {default})"
        extra = info.json_schema_extra
        symbol = extra.get("x-symbol", "") if isinstance(extra, dict) else ""
        what = " ".join(filter(None, [info.title, str(symbol)]))
        when = "live" if self._knobs.is_live(name) else "fixed"
        return f"    {name}: {_type(info.annotation)} = {default}  # {what}, {when}\n"


def _used(member: ast.stmt) -> Iterator[str]:
    """The names of members that a member may use: with a dot on itself, or in the class body without."""
    for node in ast.walk(member):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            on = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(on, ast.Name) and on.id in ("self", "cls", "super"):
                yield node.attr


def _base(source: Source, base: ast.expr) -> ast.expr | None:
    """What stays of a base: nothing of Descent's own abstractions, and no type parameters."""
    bare = base.value if isinstance(base, ast.Subscript) else base
    cls = vars(sys.modules[source.module]).get(bare.id) if isinstance(bare, ast.Name) else None
    if cls in (ABC, Generic, Knobs) or (cls is not None and cls.__module__.startswith("pydantic")):
        return None
    return bare if inspect.isclass(cls) and issubclass(cls, Experiment | Knobs) else base


def _is_pydantic(source: Source, decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    while isinstance(called, ast.Attribute):
        called = called.value
    name = called.id if isinstance(called, ast.Name) else ""
    return source.imports.get(name, ("", ""))[0].partition(".")[0] == "pydantic"


def _type(annotation: Any) -> str:
    """A knob's type, without its ranges."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " | ".join(dict.fromkeys(type(value).__name__ for value in arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(_type, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_type, arguments))}]"
    return "None" if annotation is type(None) else getattr(annotation, "__name__", "object")
