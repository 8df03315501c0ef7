"""A module's file as its syntax tree and its text, so that parts of it can be cut out as they are written."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from descent.archive.scopes import References, bound

FOR_TOOLS = re.compile(r"[ \t]*# (?:type: ignore|noqa|fmt: o)[^\n]*")  # comments that nobody reads


class Source:
    """One module. Places are byte offsets, as the syntax tree counts columns in bytes."""

    def __init__(self, module: str) -> None:
        self.module = module
        path = sys.modules[module].__file__
        assert path is not None, module
        self.data = Path(path).read_bytes()
        self.tree = ast.parse(self.data)
        self._lines = [0]
        for line in self.data.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = self._lines[node.lineno - 1] + node.col_offset
        return begin, self._lines[node.end_lineno - 1] + node.end_col_offset

    def lines(self, node: ast.stmt) -> tuple[int, int]:
        """A statement's whole lines, with its decorators and the comments right above it."""
        assert node.end_lineno is not None
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        while first > 1 and self.data[slice(*self._lines[first - 2 : first])].lstrip().startswith(b"#"):
            first -= 1
        return self._lines[first - 1], self._lines[node.end_lineno]

    def line(self, node: ast.stmt) -> int:
        """Where the line begins that a statement begins on, after its decorators."""
        return self._lines[node.lineno - 1]

    @cached_property
    def definitions(self) -> Mapping[str, Sequence[ast.stmt]]:
        """The statements that bind each of the module's names, imports left out."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for name in dict.fromkeys(bound([statement])):
                    found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> Mapping[str, tuple[str, str]]:
        """The module and the attribute (or nothing) behind each name that the module imports."""
        found: dict[str, tuple[str, str]] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    found[alias.asname or alias.name] = (statement.module or "", alias.name)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    found[alias.asname or name] = (name, "")
        return found

    @cached_property
    def loose(self) -> Sequence[ast.stmt]:
        """Statements that bind nothing, such as the change of an entry in a table."""
        return [
            statement
            for statement in self.tree.body
            if not isinstance(statement, ast.Import | ast.ImportFrom)
            and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            and not (isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test))
            and not list(bound([statement]))
        ]


Edit = tuple[int, int, str]  # what lies between two places becomes this


@dataclass
class Piece:
    """A statement of a module, as far as it is `kept`; `edits` take out the rest, and put in what is new."""

    source: Source
    statement: ast.stmt
    kept: ast.stmt
    edits: list[Edit] = field(default_factory=list)

    @cached_property
    def references(self) -> References:
        """To names of the module."""
        return References([self.kept])

    def text(self, edits: Iterable[Edit] = ()) -> str:
        """Its lines, edited."""
        at, end = self.source.lines(self.statement)
        parts = []
        for first, last, new in sorted([*self.edits, *edits]):
            assert at <= first <= last, (self.source.module, self.statement.lineno, new)
            parts += [self._own(at, first), new]
            at = last
        return "".join([*parts, self._own(at, end)]).strip("\n")

    def _own(self, first: int, last: int) -> str:
        """Of the module's text what people read. In what is put in, it would be part of a value."""
        return FOR_TOOLS.sub("", self.source.data[first:last].decode())


def reduced(
    source: Source,
    node: ast.ClassDef,
    *,
    keep: Callable[[ast.stmt], bool],
    base: Callable[[ast.expr], ast.expr | None],
    docstring: str = "",
    insert: str = "",
    decorator: str = "",
) -> Piece:
    """A class with some of its members and bases.

    `keep` says which members stay, besides the docstring; `base` what of a base stays, if anything.
    `docstring` replaces its own, `insert` comes after it.
    """
    edits: list[Edit] = []
    first, *rest = node.body
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if documented and docstring:
        edits.append((*source.span(first), docstring))
    before = source.lines(first)[1] if documented else source.lines(first)[0]
    if insert:
        edits.append((before, before, insert))
    if decorator:
        edits.append((source.line(node), source.line(node), decorator + "\n"))
    body = [first] if documented else []
    for member in rest if documented else node.body:
        if keep(member):
            body.append(member)
        else:
            edits.append((before, source.lines(member)[1], ""))
        before = source.lines(member)[1]
    kept = [found for one in node.bases if (found := base(one)) is not None]
    edits += _without(source, node.bases, kept)
    changed = ast.ClassDef(
        name=node.name, bases=kept, keywords=[], body=body, decorator_list=node.decorator_list
    )
    return Piece(source, node, ast.copy_location(changed, node), edits)


def _without(source: Source, bases: Sequence[ast.expr], kept: Sequence[ast.expr]) -> Iterator[Edit]:
    """Take out of a class's bases what is not kept of them."""
    if bases and not kept:
        begin, end = source.span(bases[0])[0], source.span(bases[-1])[1]
        yield source.data.rindex(b"(", 0, begin), source.data.index(b")", end) + 1, ""
        return
    last = -1
    for one in bases:
        begin, end = source.span(one)
        part = next((node for node in ast.walk(one) if node in kept), None)
        if part is not None:
            if last < 0 and one is not bases[0]:
                yield source.span(bases[0])[0], begin, ""
            last = end
            if part is not one:
                assert isinstance(part, ast.expr)
                yield source.span(part)[1], end, ""
        elif last >= 0:
            yield last, end, ""
            last = end
