"""Several modules in one: what a piece of code needs of them and nothing else, as text with its comments.

The text is cut from the modules' own files, and edited only where it must be: where a class loses members,
and where a name is called something else because two modules use it for different things.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import ModuleType
from typing import NoReturn

from descent.archive.source import Edit, Piece, Source
from descent.errors import NoScript

ALLOWED = sys.stdlib_module_names | {"torch", "numpy", "sklearn", "optuna"}  # what a script may import
WIDTH = 110


@dataclass(frozen=True)
class Defined:
    """A name that one of our modules defines."""

    module: str
    name: str


@dataclass(frozen=True)
class Imported:
    """What an import of anything else binds to a name: an attribute of a module, or the module itself."""

    module: str
    attribute: str
    bound: str

    def line(self, name: str) -> tuple[str, str]:
        """The import statement that binds it to `name`, in two halves: many names can share the first."""
        if self.attribute:
            origin, what = self.module, self.attribute
        elif "." in self.module:
            origin, _, what = self.module.rpartition(".")
        else:
            return f"import {self.module}" + (f" as {name}" if name != self.module else ""), ""
        return f"from {origin} import", what + (f" as {name}" if name != what else "")


@dataclass(frozen=True)
class Namespace:
    """One of our modules, bound to a name."""

    module: str


Target = Defined | Imported
Adapt = Callable[[Source, ast.stmt], Piece | None]


class Flattened:
    """Definitions and all they need, in a single namespace.

    `own` says which modules are taken over, the others are imported. `adapt` may reduce a statement, or
    return None to take it as it is. `names`: what each definition and import is called.
    """

    def __init__(
        self,
        wanted: Defined,
        *besides: Defined,
        own: Callable[[str], bool],
        adapt: Adapt,
        instead: Mapping[Defined, Imported],
        headings: Mapping[str, str],
        imports: Iterable[Imported],
        taken: Iterable[str],
    ) -> None:
        """`instead`: what some definitions are replaced by. `headings`: what is said of some modules, else
        their docstring is. `imports` keep the names they bind; `taken` are names that nothing else may have.

        Raises `NoScript` for what cannot be taken over.
        """
        self._instead = instead
        self._headings = headings
        self._own = own
        self._adapt = adapt
        self._sources: dict[str, Source] = {}
        self._pieces: dict[ast.stmt, Piece] = {}
        self._order: list[str] = []
        self._first = wanted.module
        self._needed: dict[Target, None] = dict.fromkeys(imports)
        self._reserved = {one.bound: one for one in self._needed if isinstance(one, Imported)}
        self._taken = {*taken, *dir(builtins)}
        for one in (wanted, *besides):
            self._need(one)
        self._need_loose()
        for one in (*besides, wanted):
            if one.module not in self._order:
                self._put_in_order(one.module)
        self.names = self._name()

    def text(self) -> str:
        """The imports, then the definitions, each module's after those it imports."""
        return "\n\n\n".join([self._imports(), *filter(None, map(self._module, self._order))])

    # What is needed

    def _source(self, module: str) -> Source:
        if module not in self._sources:
            self._sources[module] = Source(module)
        return self._sources[module]

    def _need(self, target: Target) -> None:
        if target in self._needed:
            return
        self._needed[target] = None
        if isinstance(target, Defined):
            source = self._source(target.module)
            for statement in source.definitions[target.name]:
                self._take(source, statement)

    def _take(self, source: Source, statement: ast.stmt) -> None:
        if statement in self._pieces:
            return
        piece = self._adapt(source, statement) or Piece(source, statement, statement)
        self._pieces[statement] = piece
        for node in ast.walk(piece.kept):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                if any(map(self._own, names)):
                    _fail(source, node, "an import of Descent within a function")
                self._may_import(source, node, names[0] or names[1])
        for _, target, _ in self._references(piece):
            self._need(target)

    def _need_loose(self) -> None:
        """Statements that change what is needed are needed, too."""
        for source in list(self._sources.values()):
            for statement in source.loose:
                piece = Piece(source, statement, statement)
                if any(target in self._needed for _, target, _ in self._references(piece)):
                    self._take(source, statement)

    def _put_in_order(self, module: str) -> None:
        seen: set[str] = set(self._order)

        def visit(module: str) -> None:
            seen.add(module)
            for origin, attribute in self._source(module).imports.values():
                for other in (origin, f"{origin}.{attribute}"):
                    if other in self._sources and other not in seen:
                        visit(other)
            self._order.append(module)

        visit(module)

    def _references(self, piece: Piece) -> Iterator[tuple[ast.expr, Target, frozenset[str]]]:
        """Each reference with what it refers to and the names that are local there."""
        for name, local in piece.references.found:
            node: ast.expr = name
            target = self._resolve(piece.source, name.id, name)
            while isinstance(target, Namespace):
                above = piece.references.parents.get(node)
                if not isinstance(above, ast.Attribute):
                    _fail(piece.source, node, f"the module {target.module} as a value")
                node, target = above, self._resolve(self._source(target.module), above.attr, above)
            if target is not None:
                yield node, target, local

    def _resolve(self, source: Source, name: str, node: ast.AST) -> Target | Namespace | None:
        """What a name of a module stands for; None for a builtin."""
        if name in source.definitions:
            found = Defined(source.module, name)
            return self._instead.get(found, found)
        if name not in source.imports:
            if hasattr(builtins, name) or (name.startswith("__") and name.endswith("__")):
                return None
            _fail(source, node, f"{name!r}, which nothing defines")
        origin, attribute = source.imports[name]
        whole = f"{origin}.{attribute}" if attribute else origin
        if self._own(origin):
            if whole in sys.modules:
                return Namespace(whole)
            return self._resolve(self._source(origin), attribute, node)
        self._may_import(source, node, origin)
        is_module = not attribute or isinstance(getattr(sys.modules.get(origin), attribute, None), ModuleType)
        return Imported(whole, "", name) if is_module else Imported(origin, attribute, name)

    def _may_import(self, source: Source, node: ast.AST, module: str) -> None:
        if module.partition(".")[0] not in ALLOWED:
            _fail(source, node, f"{module}, which a script should not depend on")

    # What it is called

    def _name(self) -> dict[Target, str]:
        """A name for everything, its own unless two want the same: then the first module's has it."""
        renamed: set[Target] = set()
        while True:
            names: dict[Target, str] = {one: bound for bound, one in self._reserved.items()}
            used = self._taken | set(self._reserved)
            for target in sorted(self._needed, key=self._rank):
                if target in names:
                    continue
                name = target.bound if isinstance(target, Imported) else target.name
                if target in renamed or name in used:
                    stem = target.module.rpartition(".")[2].lstrip("_")
                    name = f"_{stem}{name}" if name.startswith("_") else f"{stem}_{name}"
                    while name in used:
                        name += "_"
                names[target] = name
                used.add(name)
            hidden = {
                target
                for piece in self._pieces.values()
                for node, target, local in self._references(piece)
                if names[target] in local and not (isinstance(node, ast.Name) and node.id == names[target])
            }
            if hidden <= renamed:
                return names
            renamed |= hidden

    def _rank(self, target: Target) -> int:
        return 2 if isinstance(target, Imported) else target.module != self._first

    # Text

    def _edits(self, piece: Piece) -> Iterator[Edit]:
        """Where names change."""
        source = piece.source
        defined = {name for name, statements in source.definitions.items() if piece.statement in statements}
        for node in ast.walk(piece.kept):
            if isinstance(node, ast.Global):
                for name in node.names:
                    if self.names.get(Defined(source.module, name), name) != name:
                        _fail(source, node, f"`global {name}`, whose name is taken")
        for name in defined:
            new = self.names.get(Defined(source.module, name), name)
            if new != name and isinstance(piece.statement, ast.FunctionDef | ast.ClassDef):
                line = source.line(piece.statement)
                at = source.data.index(name.encode(), line)
                yield at, at + len(name.encode()), new
        for node, target, _ in self._references(piece):
            begin, end = source.span(node)
            text = source.data[begin:end].decode()
            if (new := self.names[target]) != text:
                if text != ast.unparse(node):  # before Python 3.12 places in f-strings are wrong
                    _fail(source, node, f"{ast.unparse(node)} in a place that cannot be edited")
                yield begin, end, new

    def _module(self, module: str) -> str:
        source = self._source(module)
        text = ""
        before: ast.stmt | None = None
        for statement in source.tree.body:
            if (piece := self._pieces.get(statement)) is not None:
                text += _gap(source, before, statement) + piece.text(self._edits(piece))
                before = statement
        return text and self._heading(source, len(text)) + text

    def _heading(self, source: Source, size: int) -> str:
        """A module's docstring as a comment; its title alone where little of the module is left."""
        title, _, rest = (ast.get_docstring(source.tree) or "").partition("\n\n")
        said = f"{title}\n\n{rest}".strip() if 2 * size > len(source.data) else title
        said = "" if source.module == self._first else self._headings.get(source.module, said)
        place = "/".join(source.module.split(".")[1:]) or source.module
        lines = [f"{'-' * 20} {place}.py", *said.splitlines()]
        return "\n".join(f"# {line}".rstrip() for line in lines)

    def _imports(self) -> str:
        found = {one: name for one, name in self.names.items() if isinstance(one, Imported)}
        lines: dict[bool, list[str]] = {True: [], False: []}
        halves = sorted(one.line(name) for one, name in found.items())
        for start, group in groupby(halves, key=lambda half: half[0]):
            names = list(dict.fromkeys(end for _, end in group))
            lines[start.split()[1].partition(".")[0] in sys.stdlib_module_names] += _wrapped(start, names)
        blocks = [sorted(block, key=lambda line: not line.startswith("import")) for block in lines.values()]
        return "\n\n".join(
            ["from __future__ import annotations", *("\n".join(block) for block in blocks if block)]
        )


def _wrapped(start: str, names: Sequence[str]) -> list[str]:
    line = f"{start} {', '.join(names)}".strip()
    return [line] if len(line) <= WIDTH else [f"{start} (\n    " + ",\n    ".join(names) + ",\n)"]


def _gap(source: Source, before: ast.stmt | None, after: ast.stmt) -> str:
    """What parts two statements: two empty lines at functions and classes, else one where there is any."""
    named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    if isinstance(before, named) or isinstance(after, named):
        return "\n\n\n"
    return "\n\n" if before is None or source.lines(before)[1] < source.lines(after)[0] else "\n"


def _fail(source: Source, node: ast.AST, what: str) -> NoReturn:
    place = f"{source.module}, line {getattr(node, 'lineno', '?')}"
    raise NoScript(f"a script cannot take over {what} ({place})", "run")
