"""What the documentation says is what the code does: generated parts, links, and examples that run."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from descent import lessons, wire
from descent.contract import Experiment
from descent.contract.entry import Entry
from descent.engine.observe import look
from descent.registry import ContractError, experiments

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "adding-an-experiment.md"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load(ROOT / "docs" / "generate.py")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def blocks(path: Path, language: str) -> list[str]:
    """The fenced code blocks of one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert generate.generated(text) == text, "run `make docs`"
    assert path in generate.DOCUMENTS or "<!-- generated:" not in text


def test_a_cell_of_a_table_is_one_line() -> None:
    text = generate.table("Call", "Does", rows=[["`GET /`", "The page.\n\nWith a | and\nmore lines."]])
    assert text.splitlines()[2:] == [r"| `GET /` | The page. With a \| and more lines. |"]
    for path in generate.DOCUMENTS:
        for part in re.findall(
            r"<!-- generated: .*? -->\n(.*?)<!--", path.read_text(encoding="utf-8"), re.DOTALL
        ):
            assert all(line.startswith("|") for line in part.splitlines() if line)


def test_every_generated_part_has_its_place() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in generate.DOCUMENTS)
    assert set(re.findall(r"<!-- generated: ([a-z ]+) -->", texts)) == set(generate.PARTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


Install = Callable[..., dict[str, Entry]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts an experiment and its lessons where the guide says, and finds all experiments anew."""
    added: list[str] = []

    def install_(chapter: str, name: str, source: str, **texts: str) -> dict[str, Entry]:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        shutil.copytree(str(lessons.FOLDER), tmp_path / "lessons")
        for language, text in texts.items():
            (tmp_path / "lessons" / language / f"{name}.md").write_text(text, encoding="utf-8")
        package = importlib.import_module(f"descent.experiments.{chapter}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.setattr(lessons, "FOLDER", tmp_path / "lessons")
        added.append(f"descent.experiments.{chapter}.{name}")
        return dict(experiments.__wrapped__())

    yield install_
    for name in added:
        sys.modules.pop(name, None)


def built(cls: type[Experiment[Any]], **values: Any) -> tuple[Experiment[Any], Any]:
    torch.manual_seed(0)
    knobs = cls.knobs_type(**values)
    experiment = cls(0, torch.device("cpu"))
    experiment.build(knobs)
    return experiment, knobs


def test_the_guides_experiment_keeps_the_contract_and_learns(install: Install) -> None:
    english, korean = blocks(GUIDE, "markdown")
    source = blocks(GUIDE, "python")[0]
    entry = install("training", "logistic_regression", source, en=english, ko=korean)["logistic-regression"]
    assert entry.title == "Logistic regression"
    assert "{{lr}}" in entry.lessons["ko"].html

    experiment, knobs = built(entry.cls)
    losses = [float(experiment.step(knobs)["loss/train"]) for _ in range(200)]
    assert losses[-1] < 0.8 * losses[0]

    picture = look(experiment, knobs, "boundary")
    frame = wire.decode(wire.encode_picture("run", 1, 200, "boundary", picture))
    assert frame.kind == "field"
    values = frame.arrays["values"]
    assert values[20, 39] > 0.5, "blue on the right, where the cloud of ones is"
    assert values[20, 0] < -0.5

    knobs = knobs.model_copy(update={"lr": 0.0})
    experiment.changed(knobs, {"lr"})
    before = experiment.model.weight.clone()
    experiment.step(knobs)
    assert torch.equal(experiment.model.weight, before), "a live learning rate takes effect at the next step"


def test_the_readmes_experiment_lacks_nothing_but_its_lessons(install: Install) -> None:
    source = blocks(ROOT / "README.md", "python")[0]
    with pytest.raises(ContractError, match=r"lessons/en/parabola\.md is missing"):
        install("optimisation", "parabola", source)
    module = sys.modules["descent.experiments.optimisation.parabola"]

    experiment, knobs = built(module.Parabola)
    losses = [experiment.step(knobs)["loss/train"] for _ in range(3)]
    factor = (1 - 2 * knobs.lr) ** 2
    assert losses == pytest.approx([9, 9 * factor, 9 * factor**2])

    experiment, knobs = built(module.Parabola, lr=2.0)
    losses = [experiment.step(knobs)["loss/train"] for _ in range(1000)]
    assert not math.isfinite(losses[-1]), "beyond 1 it diverges, as the README promises"
