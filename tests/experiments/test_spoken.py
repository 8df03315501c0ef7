"""Numbers and dates as they are said: by hand, read back, and never trained on where they are held out."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
import torch

from descent.kit.data.spoken import (
    FIRST,
    LAST,
    Spoken,
    english_date,
    english_number,
    english_words,
    english_year,
    is_held_out,
    korean_date,
    korean_number,
    placed_tokens,
    read_english_date,
    read_english_number,
    read_korean_date,
    read_korean_number,
)
from descent.kit.data.translation import END, PAD, START

NUMBERS = {
    0: ("영", "zero"),
    1: ("일", "one"),
    10: ("십", "ten"),
    11: ("십일", "eleven"),
    16: ("십육", "sixteen"),
    20: ("이십", "twenty"),
    21: ("이십일", "twenty-one"),
    40: ("사십", "forty"),
    99: ("구십구", "ninety-nine"),
    100: ("백", "one hundred"),
    101: ("백일", "one hundred one"),
    110: ("백십", "one hundred ten"),
    111: ("백십일", "one hundred eleven"),
    234: ("이백삼십사", "two hundred thirty-four"),
    1000: ("천", "one thousand"),
    1001: ("천일", "one thousand one"),
    1111: ("천백십일", "one thousand one hundred eleven"),
    2026: ("이천이십육", "two thousand twenty-six"),
    10_000: ("만", "ten thousand"),
    11_000: ("만천", "eleven thousand"),
    11_110: ("만천백십", "eleven thousand one hundred ten"),
    20_300: ("이만삼백", "twenty thousand three hundred"),
    100_000: ("십만", "one hundred thousand"),
    110_000: ("십일만", "one hundred ten thousand"),
    234_567: ("이십삼만사천오백육십칠", "two hundred thirty-four thousand five hundred sixty-seven"),
    1_000_000: ("백만", "one million"),
    10_000_000: ("천만", "ten million"),
    11_000_011: ("천백만십일", "eleven million eleven"),
    12_345_648: (
        "천이백삼십사만오천육백사십팔",
        "twelve million three hundred forty-five thousand six hundred forty-eight",
    ),
    100_000_000: ("일억", "one hundred million"),
    100_010_000: ("일억일만", "one hundred million ten thousand"),
    110_000_000: ("일억천만", "one hundred ten million"),
    1_000_000_000: ("십억", "one billion"),
    5_000_000_003: ("오십억삼", "five billion three"),
    1_000_000_000_000: ("일조", "one trillion"),
    20_003_000_400_000: ("이십조삼십억사십만", "twenty trillion three billion four hundred thousand"),
}
DAYS = {
    date(2026, 11, 27): ("이천이십육 년 십일월 이십칠 일", "November twenty-seventh, twenty twenty-six"),
    date(1999, 10, 9): ("천구백구십구 년 시월 구 일", "October ninth, nineteen ninety-nine"),
    date(1905, 6, 3): ("천구백오 년 유월 삼 일", "June third, nineteen oh five"),
    date(1900, 1, 1): ("천구백 년 일월 일 일", "January first, nineteen hundred"),
    date(2000, 2, 29): ("이천 년 이월 이십구 일", "February twenty-ninth, two thousand"),
    date(2005, 12, 12): ("이천오 년 십이월 십이 일", "December twelfth, two thousand five"),
    date(2010, 8, 20): ("이천십 년 팔월 이십 일", "August twentieth, twenty ten"),
    date(1945, 5, 31): ("천구백사십오 년 오월 삼십일 일", "May thirty-first, nineteen forty-five"),
    date(2099, 3, 2): ("이천구십구 년 삼월 이 일", "March second, twenty ninety-nine"),
}


@pytest.mark.parametrize("n", NUMBERS)
def test_numbers_are_said_as_by_hand(n: int) -> None:
    assert (korean_number(n), english_number(n)) == NUMBERS[n]


@pytest.mark.parametrize("day", DAYS)
def test_dates_are_said_as_by_hand(day: date) -> None:
    assert (korean_date(day), english_date(day)) == DAYS[day]


def test_years_of_other_centuries() -> None:
    said = {1066: "ten sixty-six", 1100: "eleven hundred", 2100: "twenty-one hundred", 3000: "three thousand"}
    assert {year: english_year(year) for year in said} == said


def test_every_number_is_read_back() -> None:
    drawn = random.Random(0)
    numbers = [*range(12_000), *(drawn.randrange(10 ** drawn.randint(4, 15)) for _ in range(4000))]
    for n in numbers:
        assert read_korean_number(korean_number(n)) == n
        assert read_english_number(english_number(n).replace("-", " ")) == n


def test_every_day_is_read_back() -> None:
    for n in range(0, (LAST - FIRST).days + 1, 7):
        day = FIRST + timedelta(n)
        assert read_korean_date(korean_date(day)) == day
        assert read_english_date(english_date(day).upper()) == day


@pytest.mark.parametrize(
    "text", ["", "백백", "일백", "일만", "십영", "만억", "억", "이 만 만", "둘", "오만삼만"]
)
def test_what_is_no_korean_number_is_not_read(text: str) -> None:
    assert read_korean_number(text) is None


@pytest.mark.parametrize(
    "text", ["", "hundred", "one two", "twenty eleven", "two hundred and six", "thousand one", "zero one"]
)
def test_what_is_no_english_number_is_not_read(text: str) -> None:
    assert read_english_number(text) is None


def test_days_that_are_none_are_not_read() -> None:
    for text in ("이천일 년 이월 이십구 일", "이천 년 육월 일 일", "이천 년 십월 일 일", "년월일", "이천"):
        assert read_korean_date(text) is None
    for text in ("February twenty-ninth, two thousand one", "June thirty-second, two thousand", "June", ""):
        assert read_english_date(text) is None


def test_tokens_know_where_they_stand() -> None:
    assert [*placed_tokens(" 이백 삼", "ko")] == [(2, "이"), (3, "백"), (5, "삼")]
    assert [*placed_tokens("Forty-one, x", "en")] == [(1, "forty"), (7, "one"), (12, "x")]


@pytest.mark.parametrize("said", ["numbers", "dates"])
@pytest.mark.parametrize("source", ["ko", "en"])
def test_every_pair_is_one_value_said_twice_and_held_out_values_never_train(said, source) -> None:
    spoken = Spoken(said, source, 9)
    seen = []
    for held_out in (False, True):
        drawn = spoken.draw(400, torch.Generator().manual_seed(0), held_out=held_out)
        values = set()
        for tokens, answer in zip(*drawn, strict=True):
            words = [t for t in tokens.tolist() if t != PAD]
            target = [t for t in answer.tolist() if t != PAD]
            assert (words[-1], target[0], target[-1]) == (END, START, END)
            value = spoken.source.read(" ".join(spoken.source.names(words[:-1])))
            assert value == spoken.target.read(spoken.target.written(target[1:-1]))
            assert is_held_out(value) is held_out
            values.add(value)
        seen.append(values)
    assert not seen[0] & seen[1]
    assert len(seen[1]) > 300


def test_one_of_ten_is_held_out_and_none_below_a_hundred() -> None:
    assert not any(map(is_held_out, range(100)))
    assert sum(map(is_held_out, range(100, 100_100))) == pytest.approx(10_000, rel=0.02)


def test_all_lengths_are_drawn_alike_often() -> None:
    spoken = Spoken("numbers", "en", 6)
    numbers = spoken._some(6000, torch.Generator().manual_seed(0))
    counts = torch.bincount(torch.tensor([len(str(n)) for n in numbers]))[1:]
    assert counts.tolist() == pytest.approx([1000] * 6, rel=0.12)


def test_tokens_are_written_as_the_value_is_said() -> None:
    for said, value in (("numbers", 21_045), ("dates", date(2031, 5, 31))):
        for source in ("ko", "en"):
            spoken = Spoken(said, source, 8)
            written = spoken.source.written(spoken.source.encode(value))
            assert spoken.source.read(written) == value
    english = Spoken("numbers", "en", 8).source
    assert english.written(english.encode(21_045)) == english_number(21_045)
    assert english_words("Twenty-one, two") == ["twenty", "one", "two"]
