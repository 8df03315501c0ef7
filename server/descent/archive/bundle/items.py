"""The items of a long JSON array, one after the other, from a file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

CHUNK = 1 << 16
BLANK = " \t\r\n"


def items(file: BinaryIO) -> Iterator[Any]:
    """Each item of the array in `file`. Raises `ValueError` for anything else, and for an invalid item."""
    decoder = json.JSONDecoder()
    utf8 = codecs.getincrementaldecoder("utf-8")()
    text, at, chunk = "", 0, CHUNK

    def more() -> bool:
        nonlocal text, at
        data = file.read(chunk)
        text, at = text[at:] + utf8.decode(data, final=not data), 0
        return bool(data)

    def sign() -> str:
        nonlocal at
        while True:
            while at < len(text) and text[at] in BLANK:
                at += 1
            if at < len(text) or not more():
                return text[at : at + 1]

    if sign() != "[":
        raise ValueError("Input should be a valid array")
    at += 1
    first = True
    while (begin := sign()) != "]":
        if not first:
            if begin != ",":
                raise ValueError("it is no array of JSON")
            at += 1
            sign()
        first, chunk = False, CHUNK
        while True:
            try:
                item, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                end = -1
            # A number that ends where the text does may go on.
            if 0 <= end < len(text):
                break
            chunk *= 2
            if not more():
                if end < 0:
                    raise ValueError("it is no array of JSON")
                break
        at = end
        yield item
    at += 1
    if sign():
        raise ValueError("there is more behind the array")
