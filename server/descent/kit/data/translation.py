"""Texts to translate character by character, made on the fly: words to copy, reverse or sort, and dates.

A pair is a source that ends with `END`, and a target between `START` and `END`; both are filled up with
`PAD`. Which pairs are held out is decided by the text itself, so training never meets one of them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

import numpy as np
import torch

PAD, START, END = 0, 1, 2
SPECIAL = ("·", "⊢", "⊣")  # how these three are shown
HELD_OUT = 10  # one text of ten is never trained on

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
DATE_CHARACTERS = "".join(sorted(set("".join(MONTHS)))) + "0123456789년월일 ,.-"
LONGEST_DATE = len("September 30, 2049")
FIRST_DAY, DAYS = date(1950, 1, 1), (date(2050, 1, 1) - date(1950, 1, 1)).days
ISO = len("2024-03-05")
FORMATS = (  # a pattern for reading each of the forms in `written`
    r"(?P<year>\d{4})년 (?P<month>\d{1,2})월 (?P<day>\d{1,2})일",
    r"(?P<year>\d{4})\.(?P<month>\d{1,2})\.(?P<day>\d{1,2})",
    r"(?P<name>[A-Z][a-z]+) (?P<day>\d{1,2}), (?P<year>\d{4})",
    r"(?P<day>\d{1,2}) (?P<name>[A-Z][a-z]{2}) (?P<year>\d{4})",
)

Pairs = tuple[torch.Tensor, torch.Tensor]  # sources (B, S) and targets (B, T + 1), int64


class Task(ABC):
    """A vocabulary and the pairs made of it. `source`, `target`: the most tokens of an input, an output."""

    source: int
    target: int

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self.size = len(SPECIAL) + len(characters)

    def encode(self, text: str) -> torch.Tensor:
        """The tokens of a source, `END` included, (S,)."""
        return torch.tensor([len(SPECIAL) + self.characters.index(letter) for letter in text] + [END])

    def names(self, tokens: torch.Tensor) -> list[str]:
        """Each of `tokens` (T,) as it is shown."""
        shown = (*SPECIAL, *self.characters)
        return [shown[token] for token in tokens.tolist()]

    @abstractmethod
    def answer(self, text: str) -> str | None:
        """The right output for `text`, None if there is none."""

    @abstractmethod
    def pairs(self, size: int, generator: torch.Generator, *, held_out: bool) -> Pairs:
        """`size` random pairs, all of them held out or none."""


class Words(Task):
    """Random words of 1 to `length` letters, to be copied, reversed or sorted."""

    def __init__(self, task: str, length: int) -> None:
        super().__init__(LETTERS)
        self.task = task
        self.length = length
        self.source = self.target = length + 1

    def answer(self, text: str) -> str:
        """The word copied, reversed or sorted."""
        return {"copy": text, "reverse": text[::-1], "sort": "".join(sorted(text))}[self.task]

    def pairs(self, size: int, generator: torch.Generator, *, held_out: bool) -> Pairs:
        """A word is held out if Σ i·cᵢ is a multiple of ten, cᵢ being the number of its i-th letter."""
        lengths = torch.randint(1, self.length + 1, (size, 1), generator=generator)
        words = torch.randint(len(LETTERS), (size, self.length), generator=generator)
        place = torch.arange(self.length).expand(size, -1)
        inside = place < lengths
        rest = (words * inside * (place + 1)).sum(dim=1) % HELD_OUT
        if held_out:  # the first letter counts once, so that moving it makes the sum fit
            words[:, 0] -= rest
            words[:, 0] += HELD_OUT * (words[:, 0] < 0)
        else:  # the next letter of the alphabet adds 1, and a after z takes 25
            words[:, 0] = (words[:, 0] + (rest == 0)) % len(LETTERS)
        match self.task:
            case "reverse":
                answers = words.gather(1, (lengths - 1 - place).clamp(min=0))
            case "sort":
                answers = words.masked_fill(~inside, len(LETTERS)).sort(dim=1).values
            case _:
                answers = words
        source, target = torch.full((2, size, self.length + 1), PAD)
        for tokens, letters in ((source, words), (target, answers)):
            tokens[:, :-1] = (letters + len(SPECIAL)) * inside
            tokens.scatter_(1, lengths, END)
        return source, torch.cat([torch.full((size, 1), START), target], dim=1)


class Dates(Task):
    """Days from 1950 to 2049, as written in Korean or English, to be written as in ISO 8601."""

    def __init__(self) -> None:
        super().__init__(DATE_CHARACTERS)
        self.source, self.target = LONGEST_DATE + 1, ISO + 1

    def answer(self, text: str) -> str | None:
        """The day in ISO 8601, if `text` is a day in one of the known forms."""
        return iso(text)

    def pairs(self, size: int, generator: torch.Generator, *, held_out: bool) -> Pairs:
        """A day is held out, in all its forms, if the hash of its number is a multiple of ten."""
        sources, targets, days = calendar()
        chosen = days[held_out][torch.randint(len(days[held_out]), (size,), generator=generator)]
        form = torch.randint(len(FORMATS), (size,), generator=generator)
        return sources[form, chosen].long(), targets[chosen].long()


def written(day: date) -> tuple[str, ...]:
    """`day` in each of the forms, in the order of `FORMATS`."""
    y, m, d, month = day.year, day.month, day.day, MONTHS[day.month - 1]
    return f"{y}년 {m}월 {d}일", f"{y}.{m}.{d}", f"{month} {d}, {y}", f"{d} {month[:3]} {y}"


def iso(text: str) -> str | None:
    """2024-03-05 for a text such as "2024년 3월 5일" or "March 5, 2024"; None where it is no such day."""
    for pattern in FORMATS:
        if found := re.fullmatch(pattern, text, re.ASCII):
            part = found.groupdict()
            names = MONTHS if "," in text else [month[:3] for month in MONTHS]
            try:
                month = int(part["month"]) if "month" in part else names.index(part["name"]) + 1
                return date(int(part["year"]), month, int(part["day"])).isoformat()
            except ValueError:
                return None
    return None


@cache
def calendar() -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Sources (forms, days, S) and targets (days, T + 1), int8; the days trained on, and those held out."""
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    forms = [_table(form, LONGEST_DATE) for form in zip(*map(written, days), strict=True)]
    targets = _table([day.isoformat() for day in days], ISO)
    number = torch.arange(DAYS)
    held_out = (number * 2654435761 >> 16) % HELD_OUT == 0
    start = torch.full((DAYS, 1), START, dtype=torch.int8)
    return torch.stack(forms), torch.cat([start, targets], dim=1), (number[~held_out], number[held_out])


def _table(texts: Sequence[str], width: int) -> torch.Tensor:
    """The tokens of each text, `END` and `PAD` included, int8 (N, `width` + 1)."""
    marked = np.array([f"{text}\n" for text in texts], f"U{width + 1}")  # \n stands for END, \0 fills up
    codes = marked.view(np.uint32).reshape(len(texts), width + 1)
    token = np.zeros(max(map(ord, DATE_CHARACTERS)) + 1, np.int8)
    token[[0, ord("\n")]] = PAD, END
    token[list(map(ord, DATE_CHARACTERS))] = len(SPECIAL) + np.arange(len(DATE_CHARACTERS))
    return torch.from_numpy(token[codes])
