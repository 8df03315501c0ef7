"""Discovery is tested on files written into a folder that stands in for `descent/experiments`."""

import sys
from textwrap import dedent

import pytest

import descent.experiments
from descent import registry
from descent.lessons import Lesson
from descent.registry import ContractError

GOOD = '''
"""A good experiment.

It shows what a file needs,
and no more.
"""
from descent.contract import *
from descent.contract.panels import *

class GoodKnobs(Knobs):
    lr: float = live(0.1, name="Rate", help="Step.", range=(0, 10), group="data", options={"0.1": "small"})

class Good(Experiment[GoodKnobs]):
    minutes = 5
    level = 1
    invite = "Press play."
    presets = {"fast": Preset("Fast", {"lr": 1.0}, "It jumps.")}
    loss = scalars({"loss/train": "training"}, title="Loss", caption="It falls.")

    def build(self, knobs): ...

    def step(self, knobs):
        return {"loss/train": 0.0}

    @heatmap(title="Map", caption="It glows.", size="hero")
    def map(self, knobs): ...
'''
KOREAN = {
    "title": "좋은 실험",
    "summary": "요약",
    "invite": "시작",
    "groups": {"data": "데이터"},
    "knobs": {"lr": {"name": "학습률", "help": "걸음", "options": {"0.1": "작게"}}},
    "panels": {
        "loss": {"title": "손실", "caption": "줄어듭니다"},
        "map": {"title": "지도", "caption": "빛납니다"},
    },
    "scalars": {"loss/train": "훈련"},
    "presets": {"fast": {"title": "빠르게", "watch": "뜁니다"}},
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes an experiment's file and its lessons; `find` reads them as the server does."""
    for name in [name for name in sys.modules if name.startswith("descent.experiments.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(descent.experiments, "__path__", [str(tmp_path)])
    lessons = {}
    monkeypatch.setattr(registry, "read_lesson", lambda language, name: lessons.get((language, name)))

    def write(text=GOOD, path="training/good.py", languages=("en", "ko"), korean=KOREAN, english=None):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        chapters = ("optimisation", "training", "generative")
        if file.parent.name in chapters:
            words = {"en": file.parent.name, "ko": "장"}
            place = f"ORDER = {chapters.index(file.parent.name)}\nTITLE = {words}\nABOUT = {words}\n"
        else:
            place = ""
        (file.parent / "__init__.py").write_text(place, encoding="utf-8")
        file.write_text(dedent(text).lstrip())
        for language in languages:
            lessons[language, file.stem] = Lesson("<p>…</p>", korean if language == "ko" else english or {})

    yield write
    for name in [name for name in sys.modules if name.startswith("descent.experiments.")]:
        del sys.modules[name]  # not by monkeypatch, which would put them back


def find():
    return registry.experiments.__wrapped__()


def test_a_file_is_all_it_takes(write):
    write(path="training/good_one.py")
    entry = find()["good-one"]
    assert entry.chapter == "training"
    assert entry.title == "A good experiment"
    assert entry.summary == "It shows what a file needs, and no more."
    assert list(entry.panels) == ["loss", "map"]
    assert entry.knobs_type is entry.cls.knobs_type
    assert set(entry.lessons) == {"en", "ko"}


def test_they_are_in_learning_order(write):
    write(path="generative/a.py")
    write(path="training/z.py")
    write(path="training/b.py", text=GOOD.replace("    invite", "    order = 2\n    invite"))
    write(path="optimisation/y.py")
    assert list(find()) == ["y", "z", "b", "a"]


def test_what_an_experiment_imports_is_no_experiment_of_its_file(write):
    write()
    write(
        path="training/other.py",
        text=GOOD + "\nfrom descent.experiments.training.good import Good as Another\n",
    )
    assert list(find()) == ["good", "other"]


BROKEN = {
    "chapter 'cooking': its __init__.py needs ORDER, TITLE and ABOUT by language": {
        "path": "cooking/good.py"
    },
    "needs a title line and a summary": {
        "text": GOOD.replace('"""A good experiment.\n\nIt shows what a file needs,\nand no more.\n"""', "")
    },
    "a title line and a summary": {"text": GOOD.replace("\n\nIt shows what a file needs,\nand no more.", "")},
    "`invite` is missing": {"text": GOOD.replace('    invite = "Press play."\n', "")},
    "`minutes` is missing": {"text": GOOD.replace("    minutes = 5\n", "")},
    "`level` is missing": {"text": GOOD.replace("level = 1", "level = 4")},
    "`after`: there are no experiments ['better']": {
        "text": GOOD.replace("    minutes", '    after = ("better",)\n    minutes')
    },
    "`after`: ['good'] do not come before it in learning order": {
        "text": GOOD.replace("    minutes", '    after = ("good",)\n    minutes')
    },
    "derive from Experiment": {"text": GOOD.replace("Experiment[GoodKnobs]", "Experiment")},
    "exactly one panel must be the hero": {"text": GOOD.replace(', size="hero"', "")},
    "one panel must be the hero": {
        "text": GOOD.replace('caption="It falls."', 'caption="It falls.", size="hero"')
    },
    "declares no panel": {
        "text": GOOD.replace('    @heatmap(title="Map", caption="It glows.", size="hero")\n', "").replace(
            '    loss = scalars({"loss/train": "training"}, title="Loss", caption="It falls.")\n', ""
        )
    },
    "knob 'bare': declare it with live": {
        "text": GOOD.replace("class GoodKnobs(Knobs):", "class GoodKnobs(Knobs):\n    bare: int = 3")
    },
    "preset 'fast' sets unknown knobs": {"text": GOOD.replace('{"lr": 1.0}', '{"speed": 1.0}')},
    "panel 'loss' names unknown knobs ['speed']": {
        "text": GOOD.replace('caption="It falls."', 'caption="It falls.", above={"speed": 0}')
    },
    "panel 'map' links to an unknown panel 'mop'": {
        "text": GOOD.replace('size="hero"', 'size="hero", links="mop"')
    },
    "the hero 'map' must always have something to show": {
        "text": GOOD.replace('size="hero"', 'size="hero", when={"lr": [0.1]}')
    },
    "lessons/en/good.md is missing": {"languages": ("ko",)},
    "lessons/ko/good.md is missing": {"languages": ("en",)},
    "the id 'good' is taken": {
        "text": GOOD + GOOD[GOOD.index("class Good(") :].replace("class Good(", "class Two(")
    },
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_breaks_the_contract_is_told_with_its_module(write, message):
    write(**BROKEN[message])
    with pytest.raises(ContractError) as broken:
        find()
    assert message in str(broken.value)
    assert "descent.experiments." in str(broken.value)


SILENT = GOOD.replace(', caption="It glows."', "").replace(', "It jumps."', "").replace(', help="Step."', "")
ENGLISH = {
    "knobs": {"lr": {"help": "Step."}},
    "panels": {"map": {"caption": "It glows."}},
    "presets": {"fast": {"watch": "It jumps."}},
}


def test_the_english_lesson_may_say_what_the_file_does_not(write):
    write(SILENT, english=ENGLISH)
    assert find()["good"].lessons["en"].words == ENGLISH


@pytest.mark.parametrize("path", list(ENGLISH))
def test_a_text_that_neither_says_is_told(write, path):
    write(SILENT, english={name: texts for name, texts in ENGLISH.items() if name != path})
    with pytest.raises(
        ContractError, match=rf"{path}\.\w+\.\w+: said neither here nor in lessons/en/good.md"
    ):
        find()


def test_a_text_that_both_say_is_told(write):
    write(english={"panels": {"map": {"caption": "It glows."}}})
    with pytest.raises(ContractError, match=r"panels.map.caption: said here and in lessons/en/good.md"):
        find()


def test_a_text_of_nothing_is_told(write):
    write(english={"panels": {"mop": {"caption": "It glows."}}})
    with pytest.raises(ContractError, match=r"lessons/en/good.md has panels.mop.caption, which is no text"):
        find()


def paths(table, *above):
    for key, value in table.items():
        yield from paths(value, *above, key) if isinstance(value, dict) else [(*above, key)]


@pytest.mark.parametrize("path", list(paths(KOREAN)), ids=".".join)
def test_every_text_must_be_translated(write, path):
    def without(table, first, *rest):
        inner = {first: without(table[first], *rest)} if rest else {}
        return {key: value for key, value in table.items() if key != first} | inner

    write(korean=without(KOREAN, *path))
    with pytest.raises(ContractError, match="does not translate") as broken:
        find()
    assert str(broken.value).endswith(" " + ".".join(path))
