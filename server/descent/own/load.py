"""An experiment of one's own from the text of its file, in whichever process it is needed.

Nothing is read from disk: what was read once is what runs, however often the file is saved meanwhile.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import inspect
import linecache
import sys
import tomllib
import traceback
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import PurePath
from types import ModuleType
from typing import Any

from descent.checking import ContractError, checked, experiments_in
from descent.contract import panels
from descent.contract.entry import Broken, Code, Entry, Reason
from descent.lessons import Lesson, lesson_from
from descent.own.blame import line_in, line_of
from descent.registry import experiments

MODULE = "descent_own_"  # begins the name of an experiment's module, which so hides none that is installed


class NotLoaded(Exception):
    """The file gives no experiment."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(str(broken))
        self.broken = broken


def loaded(code: Code) -> Entry:
    """The experiment. Runs its file, which may do anything. Raises `NotLoaded`."""
    try:
        module = _run(code)
        return _checked(code, module)
    except NotLoaded:
        raise
    except SyntaxError as error:
        file = error.filename if error.filename in _files(code) else code.file
        said = f"{error.msg}\n{error.text.strip()}" if error.text else error.msg
        raise _not(code, "syntax", said, error.lineno or 0, file) from error
    except (Exception, SystemExit) as error:
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _files(code)
        ]
        file, line = (frames[-1].filename, frames[-1].lineno or 0) if frames else (code.file, 0)
        raise _not(code, "import", _said(error), line, file) from error


def not_loaded(code: Code, reason: Reason, detail: str, line: int = 0, file: str = "") -> Broken:
    """Why a file gives no experiment; `file`: the one to blame, if it is another."""
    shown = "/".join(PurePath(file).parts[-2:]) if file else code.shown
    return Broken(code.id, code.chapter, code.called, shown, line, reason, detail)


def _not(*told: Any) -> NotLoaded:
    return NotLoaded(not_loaded(*told))


def _said(error: BaseException) -> str:
    """An error as Python says it, with the way out where that is known."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, AttributeError | ImportError) and panels.__name__ in str(error):
        return f"{said}. Kinds of panels are {', '.join(_kinds())}"
    if isinstance(error, ModuleNotFoundError):
        name = error.name or "it"
        return (
            f"{said}. Install it for {sys.executable}; a file of yours beside this one is imported as _{name}"
        )
    return said


def _kinds() -> list[str]:
    """What declares a panel."""
    made = [name for name, value in vars(panels.declaration).items() if _declares(value)]
    return sorted([*made, panels.scalars.__name__])


def _declares(value: object) -> bool:
    return inspect.isfunction(value) and value.__qualname__ == "panel.<locals>.declare"


class _Beside(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds helpers that lie beside the experiment loaded last, after every installed module."""

    def __init__(self) -> None:
        self._texts: Mapping[str, tuple[str, str]] = {}  # file and text

    def offer(self, texts: Mapping[str, tuple[str, str]]) -> None:
        """Find these from now on, anew."""
        for name in {*self._texts, *texts}:
            if getattr(sys.modules.get(name), "__loader__", None) is self:
                del sys.modules[name]
        self._texts = texts
        if self not in sys.meta_path:
            sys.meta_path.append(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The helper's specification, if it is one."""
        if fullname not in self._texts:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=self._texts[fullname][0])

    def exec_module(self, module: ModuleType) -> None:
        """Run a helper's text."""
        file, text = self._texts[module.__name__]
        _execute(module, file, text)


_beside = _Beside()


def _execute(module: ModuleType, file: str, text: str) -> None:
    # Without a time of change it stays: tracebacks and scripts show what ran, not what was saved since.
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module.__file__ = file
    exec(compile(text, file, "exec"), vars(module))


def _files(code: Code) -> dict[str, str]:
    """The text of each of its Python files."""
    folder = PurePath(code.file).parent
    return {code.file: code.text, **{str(folder / f"{name}.py"): text for name, text in code.beside.items()}}


def _run(code: Code) -> ModuleType:
    name = MODULE + code.name
    folder = PurePath(code.file).parent
    _beside.offer({one: (str(folder / f"{one}.py"), text) for one, text in code.beside.items()})
    module = ModuleType(name)
    module.__package__ = code.package
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        _execute(module, code.file, code.text)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _checked(code: Code, module: ModuleType) -> Entry:
    found = list(experiments_in(module))
    if len(found) != 1:
        many = f"it defines {', '.join(cls.__name__ for cls in found)}; one experiment a file"
        none = "it defines no class derived from Experiment; a file of helpers has a name that begins with _"
        raise _not(
            code, "contract", many if found else none, line_in(code.text, found[-1].__name__) if found else 1
        )
    (cls,) = found
    lessons = {language: _lesson(code, language) for language in ("en", "ko")}
    english, korean = lessons["en"], lessons["ko"]
    if english is not None:
        lessons["ko"] = _instead(korean, english)
    try:
        entry = checked(
            cls,
            code.chapter,
            code.name,
            inspect.getdoc(module) or "",
            lesson_of=lessons.get,
            file_of=lambda language: f"{code.name}.{language}.md",
            translated=False,
        )
        if borrowed := set(cls.knobs_type.lenders().values()) - experiments().keys():
            raise ContractError(
                f"recorded={', '.join(map(repr, sorted(borrowed)))}: no experiment that comes "
                "with Descent has this id, and runs of others cannot be lent"
            )
    except ContractError as error:
        raise NotLoaded(
            _breach(code, cls.__name__, str(error).removeprefix(f"{module.__name__}: "))
        ) from error
    return Entry(**{**vars(entry), "code": code})


def _breach(code: Code, cls: str, detail: str) -> Broken:
    """What breaks the contract, and where: in the lesson if that is to blame."""
    for language, text in [*code.lessons.items(), ("en", "")]:
        lesson = f"{code.name}.{language}.md"
        file = str(PurePath(code.file).with_name(lesson))
        if detail == f"{lesson} is missing":
            return not_loaded(
                code, "lesson", f"{detail}; write it beside {code.name}.py, be it one sentence", 0, file
            )
        if detail.startswith((f"{lesson} ", f"{lesson}:", f"the story or end in {lesson}")):
            return not_loaded(code, "lesson", detail, line_of(text, detail), file)
    if detail.startswith("the docstring"):
        return not_loaded(code, "contract", detail, 1)
    return not_loaded(code, "contract", detail, line_in(code.text, cls, detail))


def _lesson(code: Code, language: str) -> Lesson | None:
    if language not in code.lessons:
        return None
    try:
        return lesson_from(code.lessons[language])
    except tomllib.TOMLDecodeError as error:
        file = str(PurePath(code.file).with_name(f"{code.name}.{language}.md"))
        detail = f"between its lines +++ it is not TOML: {error}"
        front = code.lessons[language].partition("\n+++\n")[0]
        line = line_of("", detail) or front.count(
            "\n"
        )  # TOML begins in the second line, and says none at its end
        raise _not(code, "lesson", detail, line + 1, file) from error


def _instead(lesson: Lesson | None, english: Lesson) -> Lesson:
    """A lesson with the English texts where it has none."""
    if lesson is None:
        return english
    words = _over(english.words, lesson.words)
    text = lesson if lesson.markdown.strip() else english
    return Lesson(html=text.html, words=words, markdown=text.markdown)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        nested = isinstance(value, Mapping) and isinstance(under, Mapping)
        both[key] = _over(under, value) if nested else value  # type: ignore[arg-type]
    return both
