"""What an experiment trains with: its own module and those of Descent, without what only the page needs.

Panels and the probes behind them, presets and invitations go, and so do the knobs' ranges and texts: knobs
become a dataclass whose defaults are those a run was built with. A model in a knob's value becomes one, too.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from descent.archive import eager
from descent.archive.flatten import DEFINITION, Source, first_line
from descent.contract import Experiment, Knobs
from descent.kit.nn import traced

LONG = 60  # letters, beyond which a value takes several lines
CALLED = {"__init__", "build", "step", "changed"}  # members of an experiment that a script calls
FOR_TOOLS = re.compile(r"^ *# fmt: o.*\n| *# (?:type: ignore|noqa).*", re.MULTILINE)
PLAINER = {traced.__name__: eager}  # what reads better in place of a module, and gives the same numbers
KNOBS = '''\
class Knobs:
    """What the learner sets. The values are those the run began with."""'''


def sources(
    cls: type[Experiment[Any]], knobs: Knobs, beside: Mapping[str, str] | None = None
) -> Callable[[str], Source | None]:
    """A look-up of these modules by name; None for any other. `beside`: texts of helpers of one's own."""
    helpers = beside or {}
    checks = type(knobs).__pydantic_decorators__
    dropped = {*checks.model_validators, *checks.field_validators}
    unused = unreached(cls)

    @cache
    def source(module: str) -> Source | None:
        if module in helpers:
            return Source(module, FOR_TOOLS.sub("", helpers[module]))
        if module != cls.__module__ and module.partition(".")[0] != "descent":
            return None
        text = FOR_TOOLS.sub("", inspect.getsource(PLAINER.get(module, sys.modules[module])))
        lines = text.split("\n")
        for node in reversed(ast.parse(text).body):  # from the end: the lines before keep their numbers
            if not isinstance(node, ast.ClassDef):
                continue
            found = vars(sys.modules[module])[node.name]
            if found is Knobs:
                lines[node.lineno - 1 : node.end_lineno] = [KNOBS]
            elif isinstance(knobs, found):
                reduce(lines, node, dropped, {name: knob(knobs, name) for name in found.model_fields})
                lines.insert(node.lineno - 1, "@dataclasses.dataclass(frozen=True)")
                lines.append("import dataclasses")
            elif issubclass(cls, found):
                reduce(lines, node, unused, {})
            elif issubclass(found, BaseModel):
                reduce(lines, node, {"model_config"}, dict(fields(found)))
                head = node.lineno - 1
                lines[head] = lines[head].replace("(BaseModel)", "")
                lines.insert(head, "@dataclasses.dataclass(frozen=True)")
                lines.append("import dataclasses")
        return Source(module, "\n".join(lines))

    return source


def fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """What a knob's value is made of: each field as a line of a dataclass."""
    for name, info in model.model_fields.items():
        yield name, f"    {name}: {type(info.default).__name__} = {literal(info.default)}"


def reduce(lines: list[str], node: ast.ClassDef, dropped: set[str], replaced: Mapping[str, str]) -> None:
    """Take members out of a class, and put others in their place."""
    for member in reversed(node.body):
        first, end, names = first_line(member, lines), member.end_lineno or 0, bound(member)
        if texts := [replaced[name] for name in names & replaced.keys()]:
            lines[first:end] = texts
        elif names and names <= dropped:
            both = not lines[first - 1] and not lines[end]
            del lines[first : end + both]  # and one of the empty lines around it


def unreached(cls: type[Experiment[Any]]) -> set[str]:
    """The members of an experiment's class, and of those it is derived from, that training does not use."""
    uses: dict[str, set[str]] = {}
    for base in cls.__mro__:
        if issubclass(base, Experiment):
            (node,) = ast.parse(inspect.getsource(base)).body
            assert isinstance(node, ast.ClassDef)
            for member in node.body:
                for name in bound(member):
                    uses.setdefault(name, set()).update(used(member))
    reached, new = set[str](), CALLED
    while new:
        reached |= new
        new = {name for one in new for name in uses.get(one, ())} - reached
    return uses.keys() - reached


def bound(node: ast.stmt) -> set[str]:
    """The names that a definition or an assignment binds."""
    if isinstance(node, DEFINITION):
        return {node.name}
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def used(member: ast.stmt) -> Iterator[str]:
    """Members that one may use: a method those after `self.`, an assignment in the class also bare names."""
    for node in ast.walk(member):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls", "super()"):
            yield node.attr
        elif isinstance(node, ast.Name) and not isinstance(member, ast.FunctionDef):
            yield node.id


def knob(knobs: Knobs, name: str) -> str:
    """A knob as a line of a dataclass."""
    info, value = type(knobs).model_fields[name], getattr(knobs, name)
    default = literal(value, "    ")
    if isinstance(value, list | dict):
        default = f"dataclasses.field(default_factory=lambda: {default})"
    symbol = info.json_schema_extra.get("x-symbol", "") if isinstance(info.json_schema_extra, dict) else ""
    kind = "object" if value is None else type(value).__name__
    what = f"{info.title} {symbol}".strip()
    return f"    {name}: {kind} = {default}  # {what}, {'live' if knobs.is_live(name) else 'fixed'}"


def literal(value: Any, indent: str = "") -> str:
    """A value as Python writes it, a long one over several lines. Raises `ValueError` if it has no literal.

    Characters that a reader would not see, or see in another place (control characters, marks that turn the
    direction of writing), are escaped.
    """
    inner = f"{indent}    "
    ends: Sequence[str]
    if isinstance(value, BaseModel):
        settings = [f"{name}={literal(getattr(value, name), inner)}" for name in type(value).model_fields]
        ends, items = (f"{type(value).__name__}(", ")"), settings
    elif isinstance(value, dict):
        ends, items = "{}", [f"{literal(key)}: {literal(item, inner)}" for key, item in value.items()]
    elif isinstance(value, list | tuple):
        ends, items = "[]" if isinstance(value, list) else "()", [literal(item, inner) for item in value]
    elif isinstance(value, str) and len(value) > LONG and len(lines := value.splitlines(keepends=True)) > 1:
        return "\n".join(["(", *(inner + literal(line) for line in lines), f"{indent})"])
    else:
        # With an apostrophe in a text, `repr` writes quotes around it.
        quoted = isinstance(value, str) and '"' not in value
        text = '"' + repr("'" + value)[2:] if quoted else repr(value)
        if ast.literal_eval(text) != value:
            raise ValueError(f"there is no literal for {text}")
        return text
    flat = ends[0] + ", ".join(items) + ("," if ends == "()" and len(items) == 1 else "") + ends[1]
    if len(flat) <= LONG and "\n" not in flat:
        return flat
    return "\n".join([ends[0], *(f"{inner}{item}," for item in items), f"{indent}{ends[1]}"])
