"""Several modules as one text: what some code needs of them, cut from their files as it is written.

Nothing is renamed, so all of it shares one namespace: a name that would mean two things is refused.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Callable, Collection, Sequence

from descent.errors import NoScript

WIDTH = 110
DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = tuple[str, str, str]  # the name it binds, the module, and the name in that, "" for the module itself


def imports_of(node: ast.AST) -> list[Import]:
    """The imports of a statement."""
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return [(alias.asname or alias.name, module, alias.name) for alias in node.names]
    if isinstance(node, ast.Import):
        return [(alias.asname or alias.name.partition(".")[0], alias.name, "") for alias in node.names]
    return []


def first_line(node: ast.stmt, lines: Sequence[str]) -> int:
    """Index of a statement's first line, with its decorators and the comments right above it."""
    decorators = node.decorator_list if isinstance(node, DEFINITION) else []
    first = min([node.lineno, *(one.lineno for one in decorators)]) - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first


class Part:
    """A statement of a module, the module's names that it binds, and the global names it uses."""

    def __init__(self, node: ast.stmt, lines: Sequence[str]) -> None:
        first = first_line(node, lines)
        self.node = node
        self.text = "\n".join(lines[first : node.end_lineno])
        self.gap = 0 if lines[first - 1] else lines[max(first - 2, 0) : first].count("")  # empty lines before
        self.binds: set[str] = set()
        self.uses: set[str] = set()
        tables = [symtable.symtable(self.text, "", "exec")]
        for table in tables:
            tables += table.get_children()
            outermost = table.get_type() == "module"
            for symbol in table.get_symbols():
                if outermost and symbol.is_assigned():
                    self.binds.add(symbol.get_name())
                elif outermost or symbol.is_global():
                    self.uses.add(symbol.get_name())


class Source:
    """A module: its docstring, its imports, and its other statements."""

    def __init__(self, module: str, text: str) -> None:
        tree, lines = ast.parse(text), text.split("\n")
        self.module, self.about, self.size = module, ast.get_docstring(tree) or "", len(text)
        self.imports = [one for node in tree.body for one in imports_of(node)]
        own = tree.body[1:] if self.about else tree.body
        self.parts = [Part(node, lines) for node in own if not imports_of(node)]

    def section(self, taken: Collection[Part]) -> str:
        """Parts under the module's name and docstring, or its title alone if little of the module is left."""
        title, _, rest = self.about.partition("\n\n")
        if 2 * sum(len(part.text) for part in self.parts if part in taken) > self.size:
            title = f"{title}\n\n{rest}".strip()
        text = "\n".join(f"# {line}".rstrip() for line in [f"{'-' * 20} {self.module}", *title.splitlines()])
        gap = 1
        for part in self.parts:
            gap = max(gap, part.gap)
            if part in taken:
                text, gap = text + "\n" * (gap + 1) + part.text, 0
        return text


class Flattened:
    """Parts of modules, each with all that it uses.

    `source_of` returns a module to take parts from, or None for one to import. Raises `NoScript` for what
    cannot be taken.
    """

    def __init__(self, source_of: Callable[[str], Source | None]) -> None:
        self._source_of = source_of
        self.origins: dict[str, str] = {}  # the module that each name comes from
        self._imports: dict[tuple[str, str], Import] = {}
        self._parts: set[Part] = set()
        self._needs: dict[Source, set[Source]] = {}

    def take(self, source: Source, part: Part) -> None:
        """Take a part and all that it uses."""
        if part in self._parts:
            return
        self._parts.add(part)
        self._needs.setdefault(source, set())
        for _, module, _ in (one for node in ast.walk(part.node) for one in imports_of(node)):
            _need(not self._source_of(module), f"{source.module} imports {module} within a function")
        for name in sorted(part.binds):
            self._claim(name, source.module)
        for name in sorted(part.uses):
            self.take_name(source, name)

    def take_name(self, source: Source, name: str) -> None:
        """Take the definition of a name in a module, and the statements there that change it."""
        parts = [part for part in source.parts if name in part.binds]
        imports = [one for one in source.imports if one[0] == name]
        for _, module, original in imports:
            if other := self._source_of(module):
                _need(original == name, f"{source.module} imports {original or module} as {name}")
                self._needs.setdefault(source, set()).add(other)
                self.take_name(other, name)
            else:
                path = f"{module}.{original}".rstrip(".")
                self._claim(name, name if path.split(".")[0] == name else path)
                self._imports.setdefault((name, path), (name, module, original))
        if parts or imports:
            for part in [*parts, *(one for one in source.parts if not one.binds and name in one.uses)]:
                self.take(source, part)
        elif not name.startswith("__"):
            _need(hasattr(builtins, name), f"{source.module} does not define {name}")
            self._claim(name, "builtins")

    def text(self) -> str:
        """The imports, then the parts, each module's after those of the modules that it needs."""
        order: dict[Source, None] = {}

        def visit(source: Source) -> None:
            for other in sorted(self._needs.get(source, ()), key=lambda other: other.module):
                visit(other)
            order[source] = None

        for source in self._needs:
            visit(source)
        sections = [one.section(self._parts) for one in order if not self._parts.isdisjoint(one.parts)]
        return "\n\n\n".join([f"from __future__ import annotations\n\n{self._import_lines()}", *sections])

    def _claim(self, name: str, origin: str) -> None:
        other = self.origins.setdefault(name, origin)
        _need(other == origin, f"{name} is one thing in {other} and another in {origin}")

    def _import_lines(self) -> str:
        """The standard library's modules, then others; in each, modules as such, then names of modules."""
        names: dict[str, list[str]] = {}
        for bound, module, name in sorted(self._imports.values(), key=lambda one: (bool(one[2]), *one[1:])):
            renamed = f" as {bound}" if bound not in (name, module.partition(".")[0]) else ""
            start = f"from {module} import " if name else f"import {module}"
            names.setdefault(start, []).append(name + renamed)
        blocks: dict[bool, list[str]] = {True: [], False: []}
        for start, of in names.items():
            line = start + ", ".join(of)
            if len(line) > WIDTH:
                line = f"{start}(\n    " + ",\n    ".join(of) + ",\n)"
            blocks[start.split()[1].partition(".")[0] in sys.stdlib_module_names].append(line)
        return "\n\n".join("\n".join(block) for block in blocks.values() if block)


def _need(condition: object, otherwise: str) -> None:
    if not condition:
        raise NoScript(f"a script has one namespace for all it takes of Descent, but {otherwise}", "run")
