"""Several modules as one text: what some code needs of them, cut from their files as it is written.

Nothing is renamed, so all of it shares one namespace: a name that would mean two things is refused.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from descent.errors import NoScript

WIDTH = 110
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Import(NamedTuple):
    """`from module import name as bound`; without a `name`, `import module as bound`."""

    module: str
    name: str
    bound: str


def imports_of(node: ast.AST) -> Iterator[Import]:
    """The imports of a statement."""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield Import("." * node.level + (node.module or ""), alias.name, alias.asname or alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, "", alias.asname or alias.name.partition(".")[0])


def bound(node: ast.stmt) -> set[str]:
    """The names that a definition or an assignment binds."""
    if isinstance(node, DEFINITION):
        return {node.name}
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


class Part:
    """A statement of a module: its text, the module's names that it binds, and the global names it uses."""

    def __init__(self, node: ast.stmt, text: str) -> None:
        self.node, self.text = node, text
        self.binds: set[str] = set()
        self.uses: set[str] = set()
        tables = [symtable.symtable(text, "", "exec")]
        for table in tables:
            tables += table.get_children()
            outermost = table.get_type() == "module"
            for symbol in table.get_symbols():
                if outermost and (symbol.is_assigned() or symbol.is_imported()):
                    self.binds.add(symbol.get_name())
                elif outermost or symbol.is_global():
                    self.uses.add(symbol.get_name())


class Source:
    """A module. `edit` returns the text that replaces a statement, by default the statement's own."""

    def __init__(self, module: str, text: str, edit: Callable[[Source, ast.stmt], str] | None = None) -> None:
        self.module, self.text, self.tree = module, text, ast.parse(text)
        self.about = ast.get_docstring(self.tree) or ""
        self.imports = [one for node in self.tree.body for one in imports_of(node)]
        self._lines = text.split("\n")
        self._edit = edit or Source.cut

    @cached_property
    def parts(self) -> list[Part]:
        """The module's statements, without imports and docstring."""
        return [
            Part(node, self._edit(self, node))
            for node in self.tree.body
            if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_docstring(node)
        ]

    def cut(self, node: ast.stmt) -> str:
        """A statement's lines, with its decorators and the comments right above it."""
        return "\n".join(self._lines[self._first(node) : node.end_lineno])

    def class_body(self, name: str) -> list[ast.stmt]:
        """The statements in a class."""
        classes = (node for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name == name)
        return [member for node in classes for member in node.body]

    def cut_class(self, node: ast.ClassDef, members: Iterable[tuple[ast.stmt, str]]) -> str:
        """A class's first lines and its docstring, and these members with their texts."""
        head = "\n".join(self._lines[self._first(node) : self._first(node.body[0])])
        docstring = [(one, self.cut(one)) for one in node.body[:1] if _is_docstring(one)]
        body = self.joined([*docstring, *members], apart="\n\n")
        return f"{head}\n{body or '    pass'}"

    def joined(self, statements: Iterable[tuple[ast.stmt, str]], apart: str) -> str:
        """Texts of statements, definitions `apart` from others, empty lines left where there are any."""
        text = ""
        before: ast.stmt | None = None
        for node, own in statements:
            if before is not None:
                between = self._lines[before.end_lineno : self._first(node)]
                defines = isinstance(node, DEFINITION) or isinstance(before, DEFINITION)
                text += apart if defines else "\n" if all(map(str.strip, between)) else "\n\n"
            text += own
            before = node
        return text

    def with_heading(self, parts: Sequence[Part]) -> str:
        """Parts under the module's name and docstring, or its title alone if little of the module is left."""
        text = self.joined([(part.node, part.text) for part in parts], apart="\n\n\n")
        title, _, rest = self.about.partition("\n\n")
        about = f"{title}\n\n{rest}".strip() if 2 * len(text) > len(self.text) else title
        heading = "\n".join(
            f"# {line}".rstrip() for line in ("-" * 20 + " " + self.module, *about.splitlines())
        )
        return heading + ("\n\n\n" if isinstance(parts[0].node, DEFINITION) else "\n\n") + text

    def _first(self, node: ast.stmt) -> int:
        decorators = node.decorator_list if isinstance(node, DEFINITION) else []
        first = min([node.lineno, *(one.lineno for one in decorators)]) - 1
        while first and self._lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return first


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class Flattened:
    """Parts of modules, each with all that it uses.

    `source_of` returns a module to take parts from, or None for one to import. Raises `NoScript` for what
    cannot be taken.
    """

    def __init__(self, source_of: Callable[[str], Source | None]) -> None:
        self._source_of = source_of
        self._origins: dict[str, str] = {}  # where each name comes from
        self._imports: dict[tuple[str, str], Import] = {}
        self._parts: dict[Part, Source] = {}

    def defines(self, module: str, name: str) -> bool:
        """Whether a module's definition is among the parts."""
        return self._origins.get(name) == module

    def take_all(self, source: Source) -> None:
        """Take all of a module."""
        for part in source.parts:
            self.take(source, part)

    def take(self, source: Source, part: Part) -> None:
        """Take a part and all that it uses."""
        if part in self._parts:
            return
        self._parts[part] = source
        for node in ast.walk(ast.parse(part.text)):
            for one in imports_of(node):
                _need(
                    not self._source_of(one.module), f"{source.module} imports {one.module} within a function"
                )
        for name in sorted(part.binds):
            self._claim(name, source.module)
        for name in sorted(part.uses):
            self.take_name(source, name)

    def take_name(self, source: Source, name: str) -> None:
        """Take the definition of a name in a module."""
        parts = [part for part in source.parts if name in part.binds]
        imports = [one for one in source.imports if one.bound == name]
        for part in parts:
            self.take(source, part)
        for one in imports:
            if other := self._source_of(one.module):
                _need(one.name == name, f"{source.module} imports {one.name or one.module} as {name}")
                self.take_name(other, name)
            else:
                path = f"{one.module}.{one.name}".rstrip(".")
                self._claim(name, name if path.split(".")[0] == name else path)
                self._imports.setdefault((name, path), one)
        if not parts and not imports and not name.startswith("__"):
            _need(hasattr(builtins, name), f"{source.module} does not define {name}")
            self._claim(name, "builtins")

    def text(self) -> str:
        """The imports, then the parts, each module's after those of the modules that it imports."""
        for source in dict.fromkeys(self._parts.values()):
            for part in source.parts:
                if not part.binds and part.uses & self._origins.keys():  # it may change what was taken
                    self.take(source, part)
        order: dict[Source, None] = {}

        def visit(source: Source) -> None:
            for one in source.imports:
                if (other := self._source_of(one.module)) and other not in order:
                    visit(other)
            order[source] = None

        for source in dict.fromkeys(self._parts.values()):
            if source not in order:
                visit(source)
        modules = [(source, [part for part in source.parts if part in self._parts]) for source in order]
        return "\n\n\n".join(
            ["from __future__ import annotations\n\n" + self._import_lines()]
            + [source.with_heading(parts) for source, parts in modules if parts]
        )

    def _claim(self, name: str, origin: str) -> None:
        other = self._origins.setdefault(name, origin)
        _need(other == origin, f"{name} is one thing in {other} and another in {origin}")

    def _import_lines(self) -> str:
        names: dict[str, list[str]] = {}
        for module, name, bound in sorted(self._imports.values()):
            start = f"from {module} import " if name else f"import {module}"
            renamed = f" as {bound}" if bound not in (name, module.partition(".")[0]) else ""
            names.setdefault(start, []).append(name + renamed)
        blocks: dict[bool, list[str]] = {True: [], False: []}
        for start in sorted(names, key=lambda start: start.startswith("from")):
            line = start + ", ".join(names[start])
            if len(line) > WIDTH:
                line = f"{start}(\n    " + ",\n    ".join(names[start]) + ",\n)"
            blocks[start.split()[1].partition(".")[0] in sys.stdlib_module_names].append(line)
        return "\n\n".join("\n".join(block) for block in blocks.values() if block)


def _need(condition: object, otherwise: str) -> None:
    if not condition:
        raise NoScript(f"a script has one namespace for all it takes of Descent, but {otherwise}", "run")
