"""A table from bytes: encodings, separators, decimal commas, dates, missing cells, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from descent.contract import KnobError
from descent.kit.data.table import MOST_BYTES, carried, read_table

PLAIN = "date,기온,load\n2024-01-01,1.5,-30\n2024-01-02,2.5,4e1\n2024-01-03,,50\n"
VALUES = [[1.5, -30.0], [2.5, 40.0], [math.nan, 50.0]]
DATES = ["2024-01-01", "2024-01-02", "2024-01-03"]


def same(values: torch.Tensor, expected: Sequence[Sequence[float]]) -> None:
    torch.testing.assert_close(values, torch.tensor(expected).float(), equal_nan=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_table_in_any_usual_encoding_is_read(encoding: str, line_end: str) -> None:
    table = read_table(PLAIN.replace("\n", line_end).encode(encoding), "pasted")
    same(table.values, VALUES)
    assert table.names == ["기온", "load"]
    assert table.labels == DATES
    assert table.dates == "date"
    assert table.roles == {"date": "date", "기온": "number", "load": "number"}
    assert table.found == {"sorted": 0, "gaps": 0, "missing": 1, "constant": 0}


def test_japanese_and_german_are_not_taken_for_korean() -> None:
    assert read_table("日付,気温\n2020-01-01,1.5\n".encode("shift-jis"), "pasted").names == ["気温"]
    assert read_table("Größe;Maß\n1,5;2\n".encode("cp1252"), "pasted").names == ["Größe", "Maß"]


def test_plain_letters_in_utf_16_are_no_utf_8() -> None:
    same(read_table("a,b\n1,2\n3,4\n".encode("utf-16-le"), "pasted").values, [[1, 2], [3, 4]])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_separator_is_found_out(separator: str) -> None:
    same(read_table(PLAIN.replace(",", separator).encode(), "pasted").values, VALUES)


def test_unless_it_separates_a_comma_is_a_decimal_mark() -> None:
    table = read_table(b"x;y\n0,5;1.234,25\n-1,5;3\n,5;12.000\n", "pasted")
    same(table.values, [[0.5, 1234.25], [-1.5, 3], [0.5, 12000]])
    same(read_table(b"t\n1,5\n2,25\n", "pasted").values, [[1.5], [2.25]])
    with pytest.raises(KnobError, match=r"row 2, column “y”: “1\.5”"):
        read_table(b"x;y\n1;1.5\n2;2,5\n", "pasted")
    with pytest.raises(KnobError, match="row 2, column “x”: “1,5”"):
        read_table(b'x,y\n"1,5",2\n3,4\n', "pasted")


def test_quoted_names_and_cells_may_hold_separators_and_line_ends() -> None:
    table = read_table(b'"temperature,\n\xc2\xb0C","a ""b"""\n"1.5",2\n3,"4"\n', "pasted")
    assert table.names == ["temperature, °C", 'a "b"']
    same(table.values, [[1.5, 2], [3, 4]])
    assert table.labels == ["2", "3"]


def test_rows_are_put_in_the_order_of_their_dates_and_gaps_counted() -> None:
    rows = ["2024-01-05,5", "2024-01-01,1", "2024-01-02,2", "2024-01-03,3", "2024-01-09,9"]
    table = read_table(("day,x\n" + "\n".join(rows)).encode(), "pasted")
    same(table.values, [[1], [2], [3], [5], [9]])
    assert table.labels[0] == "2024-01-01"
    assert table.found["sorted"] == 4
    assert table.found["gaps"] == 2


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], ["2016-07-01 00:00", "2016-07-01 01:00"]),
        (["2024/1/5", "2024/1/6"], ["2024-01-05", "2024-01-06"]),
        (["2024. 1. 5.", "2024. 1. 6."], ["2024-01-05", "2024-01-06"]),
        (["2024년 1월 5일", "2024년 1월 6일"], ["2024-01-05", "2024-01-06"]),
        (["05.01.2024", "06.01.2024"], ["2024-01-05", "2024-01-06"]),
        (["1/5/2024", "1/31/2024"], ["2024-01-05", "2024-01-31"]),
        (["5/1/2024", "31/1/2024"], ["2024-01-05", "2024-01-31"]),
        (["2024-01-05T10:30Z", "2024-01-05T11:30Z"], ["2024-01-05 10:30", "2024-01-05 11:30"]),
    ],
)
def test_dates_are_read_as_people_write_them(written: list[str], expected: list[str]) -> None:
    text = "x;when\n" + "".join(f"{n};{date}\n" for n, date in enumerate(written))
    assert read_table(text.encode(), "pasted").labels == expected


def test_years_alone_are_numbers_and_constant_columns_are_counted() -> None:
    table = read_table(b"year,x,y\n2020,1,7\n2021,2,7\n2022,3,\n\n,,\n", "pasted")
    assert table.dates == ""
    assert table.found == {"sorted": 0, "gaps": 0, "missing": 1, "constant": 1}
    same(table.values, [[2020, 1, 7], [2021, 2, 7], [2022, 3, math.nan]])


@pytest.mark.parametrize("absent", ["", "NA", "n/a", "NaN", "null", "-", "?", "결측"])
def test_what_stands_for_nothing_is_missing(absent: str) -> None:
    same(read_table(f"x,y\n1,2\n{absent},3\n".encode(), "pasted").values, [[1, 2], [math.nan, 3]])


def test_the_value_before_stands_for_what_is_missing() -> None:
    nan = math.nan
    values = torch.tensor([[nan, 1.0], [2.0, nan], [nan, nan], [nan, 4.0], [8.0, nan]])
    same(carried(values), [[2, 1], [2, 1], [2, 1], [2, 4], [8, 4]])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"a,b\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "not a text"),
        (bytes(range(256)) * 8, "not a text"),
        (b"PK\3\4\x14\0\6\0\x08\0\0\0!\0" * 20, "not a text"),
        (b"a,b\n1,2\n" + b" " * MOST_BYTES, "bytes"),
        (b"a,b\n1,2\n3,warm\n", "row 3, column “b”: “warm” is no number"),
        (b"a,b\n1,2\n3,inf\n", "row 3, column “b”: “inf” is no number"),
        (b"a,b\n1,2\n3,1e400\n", "row 3, column “b”: “1e400” is no number"),
        (b"a,b\n1,2\n3\n", "row 3 has 1 cells"),
        (b"a,b\n1,2\n3,4,5\n", "row 3 has 3 cells"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both named “a”"),
        (b"a,,c\n1,2,3\n", "column 2 has no name"),
        (b"a,b\n1,\n2,\n", "column “b” has no number"),
        (b"date\n2024-01-01\n2024-01-02\n", "no column of numbers"),
        (
            b"date,x\n2024-01-01,1\n2024-01-02,2\n2024-02-30,3\n",
            "row 4, column “date”: “2024-02-30” is no date",
        ),
        (b"date,x\n2024-01-01,1\n2024-01-02,2\n,3\n", "row 4, column “date”: “” is no date"),
        (b'a,b\n1,"2\n3,4\n', "opened in row 2 is never closed"),
        (b",".join(b"%d" % n for n in range(101)) + b"\n" + b",".join([b"1"] * 101), "101 columns"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(content: bytes, sentence: str) -> None:
    with pytest.raises(KnobError, match=sentence) as refused:
        read_table(content, "pasted")
    assert refused.value.knob == "pasted"


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(KnobError, match="200001 rows"):
        read_table(b"x\n" + b"1\n" * 200_001, "pasted")


def test_one_row_is_a_table_and_a_trailing_separator_no_column() -> None:
    same(read_table(b"a;b;\n1;2;\n", "pasted").values, [[1, 2]])
