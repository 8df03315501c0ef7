"""Numbers and dates said in Korean and in English, and pairs of them to translate, made on the fly.

Korean groups digits by fours (만, 억, 조), English by threes (thousand, million, billion), so a word seldom
stands for a word. 일 is left out before 십, 백 and 천, and before a leading 만: 만천백십, but 일억, and
일억일만. The sixth month is 유월, the tenth 시월.

A Korean token is a syllable, an English one a word, and thirty-four is two words: then each token says a part
of the value, and from where it is translated can be seen. Which values are held out is decided by the value
itself, so training never meets one of them; numbers below 100 never are, as their words must be learnt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from descent.kit.data.translation import END, HELD_OUT, MONTHS, PAD, SPECIAL, START

Said = Literal["numbers", "dates"]
Tongue = Literal["ko", "en"]
Value = int | date

BEYOND = 10**15  # numbers below are said
DIGITS = "영일이삼사오육칠팔구"
PLACES = ((1000, "천"), (100, "백"), (10, "십"), (1, ""))
MYRIADS = ((10**12, "조"), (10**8, "억"), (10**4, "만"), (1, ""))
MONTHS_SAID = ("일", "이", "삼", "사", "오", "유", "칠", "팔", "구", "시", "십일", "십이")
SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
THOUSANDS = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (1, ""))
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"} | {
    "nine": "ninth",
    "twelve": "twelfth",
}
FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)  # of the days that are drawn
SURE = 100  # numbers below are never held out


# Numbers


def korean_number(n: int) -> str:
    """천이백삼십사만오천육백칠십팔 for 12345678. 0 ≤ n < 10¹⁵."""
    assert 0 <= n < BEYOND, n
    said = ""
    for value, name in MYRIADS:
        if group := n // value % 10**4:
            said += ("" if group == 1 and name == "만" and not said else _four_digits(group)) + name
    return said or DIGITS[0]


@cache
def _four_digits(n: int) -> str:
    parts = ((n // value % 10, name) for value, name in PLACES)
    return "".join(("" if digit == 1 and name else DIGITS[digit]) + name for digit, name in parts if digit)


def english_number(n: int) -> str:
    """Two hundred thirty-four for 234, without "and". 0 ≤ n < 10¹⁵."""
    assert 0 <= n < BEYOND, n
    parts = [
        f"{_three_digits(group)} {name}".rstrip() for value, name in THOUSANDS if (group := n // value % 1000)
    ]
    return " ".join(parts) or SMALL[0]


@cache
def _three_digits(n: int) -> str:
    hundreds, rest = divmod(n, 100)
    words = [f"{SMALL[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(_two_digits(rest))
    return " ".join(words)


def _two_digits(n: int) -> str:
    if n < len(SMALL):
        return SMALL[n]
    tens, unit = divmod(n, 10)
    return TENS[tens - 2] + (f"-{SMALL[unit]}" if unit else "")


def read_korean_number(text: str) -> int | None:
    """The number that is said exactly so, blanks apart."""
    total = group = digit = 0
    places, myriads = ({name: value for value, name in table if name} for table in (PLACES, MYRIADS))
    said = "".join(text.split())
    for syllable in said:
        if syllable in DIGITS:
            digit = DIGITS.index(syllable)
        elif syllable in places:
            group, digit = group + (digit or 1) * places[syllable], 0
        elif syllable in myriads:
            total, group, digit = total + (group + digit or 1) * myriads[syllable], 0, 0
        else:
            return None
    return _if_said_so(total + group + digit, said, korean_number)


def read_english_number(text: str) -> int | None:
    """The number that is said exactly so; hyphens may be blanks."""
    total = group = 0
    thousands = {name: value for value, name in THOUSANDS if name}
    words = english_words(text)
    for word in words:
        if word in SMALL:
            group += SMALL.index(word)
        elif word in TENS:
            group += 10 * (TENS.index(word) + 2)
        elif word == "hundred":
            group *= 100
        elif word in thousands:
            total, group = total + group * thousands[word], 0
        else:
            return None
    return _if_said_so(total + group, " ".join(words), lambda n: " ".join(english_words(english_number(n))))


def _if_said_so(n: int, said: str, say: Callable[[int], str]) -> int | None:
    return n if n < BEYOND and say(n) == said else None


# Dates


def korean_date(day: date) -> str:
    """이천이십육 년 십일월 이십칠 일."""
    return f"{korean_number(day.year)} 년 {MONTHS_SAID[day.month - 1]}월 {korean_number(day.day)} 일"


def english_date(day: date) -> str:
    """November twenty-seventh, twenty twenty-six."""
    return f"{MONTHS[day.month - 1]} {english_ordinal(day.day)}, {english_year(day.year)}"


def english_ordinal(n: int) -> str:
    """Twenty-seventh for 27. 1 ≤ n < 100."""
    head, hyphen, last = _two_digits(n).rpartition("-")
    return head + hyphen + ORDINALS.get(last, f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def english_year(year: int) -> str:
    """Twenty twenty-six, nineteen oh five, nineteen hundred, two thousand five. 1000 ≤ year ≤ 9999."""
    assert 1000 <= year <= 9999, year
    century, rest = divmod(year, 100)
    if year % 1000 < 10:
        return english_number(year)
    if rest == 0:
        return f"{_two_digits(century)} hundred"
    return f"{_two_digits(century)} {'oh ' if rest < 10 else ''}{_two_digits(rest)}"


def read_korean_date(text: str) -> date | None:
    """The day that is said exactly so, blanks apart."""
    found = re.fullmatch(r"(.+)년(.+)월(.+)일", "".join(text.split()))
    if not found or found[2] not in MONTHS_SAID:
        return None
    year, day = read_korean_number(found[1]), read_korean_number(found[3])
    return None if year is None or day is None else _day(year, MONTHS_SAID.index(found[2]) + 1, day)


def read_english_date(text: str) -> date | None:
    """The day from 1000 to 9999 that is said exactly so; capitals, hyphens and the comma may be missing."""
    months, ordinals, years = _dates_in_english()
    words = english_words(text)
    for last in (2, 3):  # words of month and day
        day = ordinals.get(" ".join(words[1:last]))
        year = years.get(" ".join(words[last:]))
        if words[:1] and words[0] in months and day and year:
            return _day(year, months[words[0]], day)
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@cache
def _dates_in_english() -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Months, ordinals and years by what is said."""
    return (
        {name.lower(): n for n, name in enumerate(MONTHS, 1)},
        {" ".join(english_words(english_ordinal(n))): n for n in range(1, 32)},
        {" ".join(english_words(english_year(year))): year for year in range(1000, 10_000)},
    )


# Pairs


def english_words(text: str) -> list[str]:
    """Its words, in small letters."""
    return [word.lower() for word in re.findall(r"[^\s,-]+", text)]


def placed_tokens(text: str, tongue: Tongue) -> Iterator[tuple[int, str]]:
    """Its tokens, each with the place of its first character, from 1."""
    pattern = r"\S" if tongue == "ko" else r"[^\s,-]+"
    return ((found.start() + 1, found[0].lower()) for found in re.finditer(pattern, text))


SAY: dict[tuple[Said, Tongue], Callable[..., str]] = {
    ("numbers", "ko"): korean_number,
    ("numbers", "en"): english_number,
    ("dates", "ko"): korean_date,
    ("dates", "en"): english_date,
}
READ: dict[tuple[Said, Tongue], Callable[[str], Value | None]] = {
    ("numbers", "ko"): read_korean_number,
    ("numbers", "en"): read_english_number,
    ("dates", "ko"): read_korean_date,
    ("dates", "en"): read_english_date,
}


class SpokenPairs(NamedTuple):
    """Sources (B, S) that end with `END`, and targets (B, T + 1) between `START` and `END`, both padded."""

    sources: Tensor
    targets: Tensor


class Vocabulary:
    """The tokens of what is said in one language, the three special ones first."""

    def __init__(self, said: Said, tongue: Tongue, digits: int) -> None:
        self.say, self.read, self.tongue = SAY[said, tongue], READ[said, tongue], tongue
        values: Sequence[Value]
        if said == "numbers":
            values = [*range(SURE), *(10**n for n in range(digits))]
        else:
            values = [*(date(2000, 1, 1) + timedelta(n) for n in range(366))]
            values += [date(year, 1, 1) for year in range(FIRST.year, LAST.year + 1)]
        tokens = (token for value in values for token in self.split(self.say(value)))
        self.tokens = [*SPECIAL, *dict.fromkeys(tokens)]
        self.index = {token: n for n, token in enumerate(self.tokens)}

    def split(self, text: str) -> list[str]:
        """A text's tokens."""
        return list("".join(text.split())) if self.tongue == "ko" else english_words(text)

    def encode(self, value: Value) -> list[int]:
        """Tokens of a value, without special ones."""
        return [self.index[token] for token in self.split(self.say(value))]

    def names(self, tokens: Sequence[int]) -> list[str]:
        """How tokens are shown."""
        return [self.tokens[token] for token in tokens]

    def written(self, tokens: Sequence[int]) -> str:
        """Tokens as one text."""
        if self.tongue == "ko":
            return "".join(self.names(tokens))
        units = "|".join([*SMALL[1:10], *map(english_ordinal, range(1, 10))])
        return re.sub(rf"({'|'.join(TENS)}) ({units})\b", r"\1-\2", " ".join(self.names(tokens)))


vocabulary = cache(Vocabulary)


class Spoken:
    """Values said in one language, to be said in the other."""

    def __init__(self, said: Said, source: Tongue, digits: int) -> None:
        self.said, self.digits = said, digits
        self.source = vocabulary(said, source, digits)
        self.target = vocabulary(said, "en" if source == "ko" else "ko", digits)

    def draw(self, size: int, generator: torch.Generator, *, held_out: bool) -> SpokenPairs:
        """Random pairs, all of them held out or none. A number's length is drawn before its digits."""
        values: list[Value] = []
        while len(values) < size:
            values += [value for value in self._some(size, generator) if is_held_out(value) is held_out]
        return self.pairs(values[:size])

    def _some(self, size: int, generator: torch.Generator) -> Sequence[Value]:
        if self.said == "dates":
            days = torch.randint((LAST - FIRST).days + 1, (size,), generator=generator)
            return [FIRST + timedelta(day) for day in days.tolist()]
        digits = torch.randint(self.digits, (size,), generator=generator)
        low = 10**digits * (digits > 0)
        share = torch.rand(size, generator=generator, dtype=torch.float64)
        numbers: list[int] = (low + share * (10 ** (digits + 1) - low)).long().tolist()
        return numbers

    def pairs(self, values: Sequence[Value]) -> SpokenPairs:
        """These values, said in both languages."""
        return SpokenPairs(
            padded_rows([[*self.source.encode(value), END] for value in values]),
            padded_rows([[START, *self.target.encode(value), END] for value in values]),
        )

    def encode(self, text: str) -> Tensor:
        """The tokens of a source, `END` included, (S,)."""
        return torch.tensor([*(self.source.index[token] for token in self.source.split(text)), END])

    def answer(self, text: str) -> list[int] | None:
        """The tokens of the right translation, without special ones; None where there is none."""
        value = self.source.read(text)
        said = None if value is None else self.target.split(self.target.say(value))
        if said is None or not {*said} <= self.target.index.keys():
            return None
        return [self.target.index[token] for token in said]


def is_held_out(value: Value) -> bool:
    """Whether it is never trained on: one of ten, by a hash."""
    n = value if isinstance(value, int) else value.toordinal()
    return n >= SURE and (n * 0x9E3779B1 & 0xFFFFFFFF) * HELD_OUT < 1 << 32


def padded_rows(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of different length, filled up with `PAD`: (N, the longest)."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
