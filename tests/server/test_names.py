"""A run's script lies in one file, so no two modules of the contract and the kit define the same name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import descent

ROOT = Path(descent.__file__).parent
MODULES = [*(ROOT / "contract").rglob("*.py"), *(ROOT / "kit").rglob("*.py")]


def defined_in(module: Path) -> Iterator[str]:
    for statement in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name):
                    yield node.id


def test_the_contract_and_the_kit_define_each_name_once() -> None:
    where: dict[str, set[str]] = {}
    for module in MODULES:
        for name in set(defined_in(module)) - {"__all__"}:
            where.setdefault(name, set()).add(module.relative_to(ROOT).as_posix())
    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone, and runs the first of two."""
    names = [path.name for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
