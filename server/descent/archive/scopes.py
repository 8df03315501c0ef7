"""Which names in a piece of Python refer to the module around it, and not to something local."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class References(ast.NodeVisitor):
    """All references to the module's own names within some nodes.

    `found`: each with the names that are local where it stands. Of a name with a dot the part before it is
    found; `parents` leads from there to the attribute.
    """

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.found: list[tuple[ast.Name, frozenset[str]]] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self._functions: list[set[str]] = []  # what is local to each function around
        self._class: set[str] = set()  # to the class body directly around
        for node in nodes:
            for inner in ast.walk(node):
                self.parents.update((child, inner) for child in ast.iter_child_nodes(inner))
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """A name; it is the module's where nothing around binds it."""
        local = self._class.union(*self._functions)
        if node.id not in local:
            self.found.append((node, frozenset(local)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Decorators, defaults and annotations stand outside of the function."""
        self._outside(node)
        self._within(bound_in(node), node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As any function."""
        self._outside(node)
        self._within(bound_in(node), node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A function of one expression."""
        self.visit(node.args)
        self._within(bound_in(node), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """What a class body binds can be seen there, but not in its methods."""
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        before, self._class = self._class, set(bound(node.body))
        for statement in node.body:
            self.visit(statement)
        self._class = before

    def visit_ListComp(self, node: ast.ListComp) -> None:
        """The first thing iterated over stands outside of the comprehension."""
        self._comprehension(node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp  # type: ignore[assignment]

    def visit_arg(self, node: ast.arg) -> None:
        """An argument's annotation."""
        if node.annotation is not None:
            self.visit(node.annotation)

    def _comprehension(self, node: Comprehension) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        names = {name for one in node.generators for name in bound([one.target])}
        inside: list[ast.AST] = [*first.ifs]
        for one in others:
            inside += [one.iter, *one.ifs]
        inside += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._within(names, inside)

    def _outside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*node.decorator_list, node.args, *filter(None, [node.returns])):
            self.visit(outside)

    def _within(self, names: set[str], nodes: Sequence[ast.AST]) -> None:
        before, self._class = self._class, set()
        self._functions.append(names)
        for node in nodes:
            self.visit(node)
        self._functions.pop()
        self._class = before


def bound_in(function: Function) -> set[str]:
    """The names local to a function: its arguments, and what it binds and does not say is global."""
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    return ({argument.arg for argument in every if argument} | set(bound(body))) - set(_elsewhere(body))


def _elsewhere(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """What a function says is global, or of a function around it."""
    for node in nodes:
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _elsewhere(list(ast.iter_child_nodes(node)))


def bound(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """What these nodes bind where they stand."""
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
                continue
            case ast.Lambda():
                continue
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # A := in a comprehension binds in the function around it; its own names do not.
                yield from (
                    inner.target.id
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.NamedExpr) and isinstance(inner.target, ast.Name)
                )
                continue
            case ast.Name(ctx=ast.Store() | ast.Del()):
                yield node.id
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
        yield from bound(list(ast.iter_child_nodes(node)))
