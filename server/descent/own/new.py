"""Begins an experiment of one's own: its file and its lessons, which run as they are."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from descent.own.places import NAME

TEMPLATE = files("descent.own") / "template"
WORDS = ("title", "name")  # in the template, for what is written after a dollar sign


class NotBegun(Exception):
    """The experiment cannot be begun; the argument says why."""


def begin(name: str, folder: Path, taken: set[str]) -> list[Path]:
    """Write the files of an experiment that is none of `taken`; returns their paths. Raises `NotBegun`."""
    stem = name.removesuffix(".py").replace("-", "_")
    if not NAME.fullmatch(stem):
        raise NotBegun(f"{name!r} is no name of an experiment: a to z, 0 to 9 and _, a letter first")
    if stem.replace("_", "-") in taken:
        raise NotBegun(f"an experiment {stem.replace('_', '-')!r} comes with Descent; choose another name")
    contents = {
        folder / f"{stem}.py": "experiment.py.txt",
        folder / f"{stem}.en.md": "lesson.en.md",
        folder / f"{stem}.ko.md": "lesson.ko.md",
    }
    for path in contents:
        if path.exists():
            raise NotBegun(f"{path} is there already")
    words = {
        "title": stem.replace("_", " ").capitalize(),
        "name": "".join(part.capitalize() for part in stem.split("_")),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, template in contents.items():
        path.write_text(filled((TEMPLATE / template).read_text(encoding="utf-8"), words), encoding="utf-8")
    return list(contents)


def filled(text: str, words: dict[str, str]) -> str:
    """The template with its words; a dollar sign before anything else is a formula's."""
    return re.sub(
        rf"\$(?:({'|'.join(WORDS)})\b|{{({'|'.join(WORDS)})}})", lambda m: words[m[1] or m[2]], text
    )
