"""Experiments of one's own: written, found, tried, loaded, broken, mended, and run by a server."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from typer.testing import CliRunner

from descent.cli.main import cli
from descent.contract.entry import Broken, Code, Entry
from descent.own.load import NotLoaded, loaded
from descent.own.new import NotBegun, begin
from descent.own.places import absent, places
from descent.registry import Registry, chapters, experiments
from descent.runs.own import OwnExperiments
from descent.web.experiments import describe
from descent.workers.vetting import fault_of

GOOD = '''
"""A good one.

It shows what a file needs, and no more."""
from descent.contract import Experiment, Knobs, rate
from descent.contract import panels as p

class GoodKnobs(Knobs):
    lr: float = rate(0.1, log=(1e-3, 1), help="A step.")

class Good(Experiment[GoodKnobs]):
    minutes, level = 5, 1
    invite = "Press play."
    loss = p.scalars({"loss/train": "training"}, "Loss", caption="It falls.", size="hero")

    def build(self, knobs):
        self.x = 1.0

    def step(self, knobs):
        self.x *= 1 - knobs.lr
        return {"loss/train": self.x}
'''


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("descent_own_") or getattr(sys.modules[name], "__file__", None) is None:
            sys.modules.pop(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my-lab"
    made.mkdir()
    return made


def write(folder: Path, name: str = "good", text: str = GOOD, **lessons: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(dedent(text).lstrip(), encoding="utf-8")
    for language, lesson in {"en": "A lesson.", **lessons}.items():
        (folder / f"{name}.{language}.md").write_text(lesson, encoding="utf-8")
    return path


def read(folder: Path) -> list[Code | Broken]:
    return [one for place in places([folder], chapters()) for one in place.read()]


def entry_of(folder: Path) -> Entry:
    (code,) = read(folder)
    assert isinstance(code, Code)
    return loaded(code)


def broken_of(folder: Path) -> Broken:
    (code,) = read(folder)
    assert isinstance(code, Code)
    with pytest.raises(NotLoaded) as caught:
        loaded(code)
    return caught.value.broken


# Finding and reading


def test_a_folder_is_a_chapter_and_its_files_are_experiments_but_helpers(folder: Path) -> None:
    write(folder, "good")
    (folder / "_layers.py").write_text("WIDTH = 3\n", encoding="utf-8")
    (code,) = read(folder)
    assert isinstance(code, Code)
    assert (code.id, code.chapter, code.called, code.shown) == ("good", "my-lab", "my-lab", "my-lab/good.py")
    assert code.beside == {"_layers": "WIDTH = 3\n"}


def test_single_files_of_a_folder_are_one_chapter(folder: Path) -> None:
    one, two, _ = (write(folder, name) for name in ("one", "two", "three"))
    (place,) = places([one, two], chapters())
    assert [code.id for code in place.read()] == ["one", "two"]


def test_a_folder_named_like_a_chapter_that_comes_along_gets_another_id(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (place,) = places([tmp_path / "training"], chapters())
    assert (place.chapter, place.called) == ("training-2", "training")


def test_paths_that_are_nothing_to_read_are_told(folder: Path) -> None:
    text = folder / "notes.txt"
    text.write_text("", encoding="utf-8")
    assert absent([folder, write(folder), text, folder / "nowhere"]) == [text, folder / "nowhere"]


def test_a_name_that_can_be_no_id_and_a_file_that_is_no_text_are_told_of(folder: Path) -> None:
    write(folder, "Bad-Name")
    (folder / "bytes.py").write_bytes(b"\xff\xfe")
    reasons = {one.id: one.reason for one in read(folder) if isinstance(one, Broken)}
    assert reasons == {"Bad-Name": "name", "bytes": "unreadable"}


def test_an_installed_package_is_found_by_its_entry_point_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "acme_lab"
    (package / "shown").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    write(package / "shown")
    info = tmp_path / "acme_lab-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-lab\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[descent.experiments]\nAcme = acme_lab.shown\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (place,) = places([], chapters())
    assert (place.chapter, place.called, place.folder) == ("acme", "Acme", (package / "shown").resolve())
    assert [code.id for code in place.read()] == ["good"]
    assert "acme_lab" not in sys.modules


# Loading


def test_a_file_with_a_lesson_keeps_the_contract_and_speaks_english_where_it_is_not_translated(
    folder: Path,
) -> None:
    write(folder, ko='+++\ntitle = "좋은 것"\n+++\n')
    entry = entry_of(folder)
    english, korean = describe(entry, "en"), describe(entry, "ko")
    assert (english["title"], korean["title"]) == ("A good one", "좋은 것")
    assert korean["invite"] == "Press play."
    assert korean["lesson"] == english["lesson"] == "<p>A lesson.</p>\n"
    assert korean["chapter_title"] == "my-lab"
    assert english["own"]


def test_without_any_korean_all_of_it_is_english(folder: Path) -> None:
    write(
        folder,
        en='+++\n[panels]\nloss.caption = "Down."\n+++\nText.',
        text=GOOD.replace(' caption="It falls.",', ""),
    )
    korean = describe(entry_of(folder), "ko")
    assert korean["panels"][0]["caption"] == "Down."
    assert korean["lesson"] == "<p>Text.</p>\n"


def test_helpers_beside_a_file_are_imported_and_anew_when_they_change(folder: Path) -> None:
    write(folder, text=GOOD.replace("class GoodKnobs", "from _layers import WIDTH\n\nclass GoodKnobs"))
    for width in (3, 4):
        (folder / "_layers.py").write_text(f"WIDTH = {width}\n", encoding="utf-8")
        entry = entry_of(folder)
        assert width == sys.modules[entry.cls.__module__].WIDTH


def test_a_file_hides_no_installed_module(folder: Path) -> None:
    write(
        folder,
        "random",
        text=GOOD.replace("class GoodKnobs", "import random\nrandom.random()\n\nclass GoodKnobs"),
    )
    assert entry_of(folder).id == "random"


def test_the_digest_of_what_runs_leaves_out_the_lessons(folder: Path) -> None:
    codes = []
    for text, lesson in ((GOOD, "One."), (GOOD, "Two."), (GOOD + "\n# changed\n", "Two.")):
        write(folder, text=text, en=lesson)
        codes += read(folder)
    digests = [code.digest for code in codes if isinstance(code, Code)]
    assert digests[0] == digests[1] != digests[2]
    assert len({code.version for code in codes if isinstance(code, Code)}) == 3


BREACHES: dict[str, tuple[str, str, str, str]] = {  # what, to what; the reason, and its words
    "syntax": ("def build(self, knobs):", "def build(self, knobs:", "syntax", "never closed"),
    "import": (
        "from descent.contract import panels as p",
        "import nosuch",
        "import",
        "import it as" and "nosuch",
    ),
    "raises": ('invite = "Press play."', "invite = 1 / 0", "import", "ZeroDivisionError"),
    "exits": ('invite = "Press play."', "raise SystemExit(3)", "import", "SystemExit: 3"),
    "panel": ("loss = p.scalars(", "loss = p.pie(", "import", "Kinds of panels are arrows, attention"),
    "docstring": ("It shows what a file needs, and no more.", "", "contract", "a title line and a summary"),
    "invite": ('    invite = "Press play."\n', "", "contract", "`invite` is missing"),
    "hero": (', size="hero"', "", "contract", "exactly one panel must be the hero"),
    "knob": (
        'rate(0.1, log=(1e-3, 1), help="A step.")',
        "0.1",
        "contract",
        "declare it with live() or fixed()",
    ),
    "none": (
        "class Good(Experiment[GoodKnobs]):",
        "class Good:",
        "contract",
        "no class derived from Experiment",
    ),
    "caption": (' caption="It falls.",', "", "contract", "panels.loss.caption: said neither here nor in"),
}
LINES = {
    "syntax": "def build",
    "import": "import nosuch",
    "raises": "1 / 0",
    "exits": "SystemExit",
    "panel": "p.pie",
    "invite": "class Good(",
    "hero": "class Good(",
    "knob": "lr: float",
    "caption": "loss = ",
}


@pytest.mark.parametrize("case", BREACHES)
def test_what_is_wrong_with_a_file_is_told_with_the_line(folder: Path, case: str) -> None:
    before, after, reason, words = BREACHES[case]
    assert before in GOOD
    path = write(folder, text=GOOD.replace(before, after))
    broken = broken_of(folder)
    assert (broken.reason, broken.file) == (reason, "my-lab/good.py")
    assert words in broken.detail
    lines = path.read_text(encoding="utf-8").splitlines()
    assert LINES.get(case, '"""A good one') in lines[broken.line - 1] if case != "none" else broken.line == 1


def test_a_missing_lesson_is_told_with_its_name(folder: Path) -> None:
    write(folder)
    (folder / "good.en.md").unlink()
    broken = broken_of(folder)
    assert (broken.file, broken.line, broken.reason) == ("my-lab/good.en.md", 0, "lesson")
    assert "write it beside good.py" in broken.detail


@pytest.mark.parametrize(
    ("lesson", "line", "words"),
    [
        ('+++\ntitle = "A"\n[panels\n+++\n', 3, "it is not TOML"),
        ('+++\ntitle = A\nsummary = "B"\n+++\n', 2, "it is not TOML"),
        ('+++\n[panels.nosuch]\ncaption = "It."\n+++\n', 2, "which is no text of the experiment's"),
    ],
)
def test_what_is_wrong_with_a_lesson_is_told_with_the_line(
    folder: Path, lesson: str, line: int, words: str
) -> None:
    write(folder, en=lesson)
    broken = broken_of(folder)
    assert (broken.file, broken.line, broken.reason) == ("my-lab/good.en.md", line, "lesson")
    assert words in broken.detail


def test_an_error_in_a_helper_names_the_helper(folder: Path) -> None:
    write(folder, text=GOOD.replace("class GoodKnobs", "import _layers\n\nclass GoodKnobs"))
    (folder / "_layers.py").write_text("\nWIDTH = nosuch\n", encoding="utf-8")
    broken = broken_of(folder)
    assert (broken.file, broken.line) == ("my-lab/_layers.py", 2)


def test_weights_can_be_lent_by_experiments_that_come_along_only(folder: Path) -> None:
    knob = 'source: str = fixed("", "Source", max_length=32, help="A run.", recorded="{}")\n\nclass Good('
    for lender, fits in (("cnn-images", True), ("good", False)):
        text = GOOD.replace("import Experiment", "import fixed, Experiment")
        write(folder, text=text.replace("\nclass Good(", "    " + knob.format(lender)))
        if fits:
            assert entry_of(folder).knobs_type.lenders() == {"source": lender}
        else:
            broken = broken_of(folder)
            assert (broken.reason, "cannot be lent" in broken.detail) == ("contract", True)


# Beginning


def test_what_is_begun_keeps_the_contract_in_both_languages_and_learns(folder: Path) -> None:
    import torch

    written = begin("two-arms", folder, set(experiments()))
    assert [path.name for path in written] == ["two_arms.py", "two_arms.en.md", "two_arms.ko.md"]
    entry = entry_of(folder)
    assert (entry.id, entry.title, entry.cls.__name__) == ("two-arms", "Two arms", "TwoArms")
    korean = describe(entry, "ko")
    assert "나선" in korean["summary"]
    assert all(
        "가" <= text[0] <= "힣"
        for panel in korean["panels"]
        if not panel["group"]
        for text in [panel["caption"]]
    )
    torch.manual_seed(0)
    knobs = entry.knobs_type()
    experiment = entry.cls(0, torch.device("cpu"))
    experiment.build(knobs)
    losses = [float(experiment.step(knobs)["loss/train"]) for _ in range(400)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["Spiral", "2d", "../spiral", "gan-2d"])
def test_what_cannot_be_begun_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(NotBegun):
        begin(name, folder, set(experiments()))
    assert list(folder.iterdir()) == []


def test_nothing_is_written_over(folder: Path) -> None:
    path = write(folder, "spiral")
    before = path.read_text(encoding="utf-8")
    result = CliRunner().invoke(cli, ["new", "spiral", str(folder)])
    assert result.exit_code == 2
    assert f"{path} is there already" in result.output
    assert path.read_text(encoding="utf-8") == before


# Kept in the registry


def keeping(*folders: Path, **options: Any) -> OwnExperiments:
    return OwnExperiments(Registry(experiments()), places(folders, chapters()), **options)


async def looked(own: OwnExperiments) -> None:
    await own.look()
    await own.tried()


def no_fault(code: Code, given_up: threading.Event) -> None:
    """Says of every file that it loads."""


async def test_files_are_taken_up_as_they_come_change_break_and_go(folder: Path) -> None:
    own = keeping(folder, fault=no_fault)
    registry = own.registry
    await looked(own)
    assert list(registry) == list(experiments())

    path = write(folder)
    await looked(own)
    first = registry["good"]
    await looked(own)
    assert registry["good"] is first, "what did not change stays what it is"

    path.write_text(GOOD.replace("A good one", "A better one"), encoding="utf-8")
    await looked(own)
    assert registry["good"].title == "A better one"
    assert first.title == "A good one"

    path.write_text("def f(:\n", encoding="utf-8")
    await looked(own)
    assert "good" not in registry
    assert [(one.file, one.line) for one in registry.broken] == [("my-lab/good.py", 1)]

    path.unlink()
    await looked(own)
    assert registry.broken == ()
    assert registry.version == 4


async def test_one_broken_file_leaves_the_others_alone(folder: Path) -> None:
    write(folder, "good")
    write(folder, "bad", text="1 / 0")
    write(folder, "gan_2d")
    own = keeping(folder, fault=no_fault)
    await looked(own)
    assert "good" in own.registry
    assert {one.id: one.reason for one in own.registry.broken} == {"bad": "import", "gan-2d": "taken"}
    assert own.registry["gan-2d"] is experiments()["gan-2d"]


async def test_prerequisites_must_be_there(folder: Path) -> None:
    write(folder, "one", text=GOOD.replace("minutes, level", 'after = ("nosuch",)\n    minutes, level'))
    write(folder, "two", text=GOOD.replace("minutes, level", 'after = ("one", "rnn")\n    minutes, level'))
    own = keeping(folder, fault=no_fault)
    await looked(own)
    (broken,) = own.registry.broken
    assert broken.id == "one"
    assert "after = " in (folder / "one.py").read_text(encoding="utf-8").splitlines()[broken.line - 1]
    assert "two" in own.registry, "one that is broken is no reason not to show what comes after it"


async def test_while_a_file_is_tried_the_others_are_there_and_it_is_what_it_was(folder: Path) -> None:
    going_on = threading.Event()

    def fault(code: Code, given_up: threading.Event) -> None:
        if "hangs" in code.text:
            going_on.wait(60)

    path = write(folder)
    own = keeping(folder, fault=fault)
    await looked(own)
    write(folder, text=GOOD.replace("A good one", "It hangs"))
    write(folder, "other")
    await own.look()
    async with asyncio.timeout(30):
        while "other" not in own.registry:
            await asyncio.sleep(0.01)
    assert own.changing
    assert own.registry["good"].title == "A good one"
    going_on.set()
    await own.tried()
    assert own.registry["good"].title == "It hangs"
    assert not own.changing
    assert path.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [("import os\nos._exit(0)", "ended"), ("while True: pass", "slow"), ("1 / 0", "import")],
)
def test_a_file_that_hangs_or_ends_its_process_does_so_in_a_process_of_its_own(
    folder: Path, text: str, reason: str
) -> None:
    write(folder, text=text)
    (code,) = read(folder)
    assert isinstance(code, Code)
    begin = time.monotonic()
    fault = fault_of(code, threading.Event(), 30 if reason != "slow" else 2)
    assert fault is not None
    assert fault.reason == reason
    assert time.monotonic() - begin < 60


@pytest.mark.slow
def test_a_file_that_is_tried_is_let_go_when_the_server_ends(folder: Path) -> None:
    write(folder, text="while True: pass")
    (code,) = read(folder)
    assert isinstance(code, Code)
    given_up = threading.Event()
    given_up.set()
    fault = fault_of(code, given_up, 1e6)
    assert fault is not None
    assert fault.reason == "slow"
