"""Texts to read character by character, and what is true of each character in them.

Three texts need no download: source code of Python's standard library, the prose of its language reference
(`pydoc_data`) and generated lines with quotes and brackets. Shakespeare is fetched, and the learner can paste
another.
"""

from __future__ import annotations

import random
import re
import sysconfig
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent.contract import KnobError
from descent.kit.data.missing import place_of
from descent.kit.data.own import decoded, own_place

MODULES = """
    argparse ast bdb calendar configparser contextlib enum fileinput ipaddress mailbox numbers pprint queue
    selectors shlex tracemalloc weakref _collections_abc collections/__init__ concurrent/futures/_base
    html/parser json/encoder asyncio/base_events asyncio/base_subprocess asyncio/events asyncio/futures
    asyncio/locks asyncio/proactor_events asyncio/queues asyncio/selector_events asyncio/sslproto
    asyncio/streams asyncio/tasks asyncio/transports asyncio/unix_events asyncio/windows_events
    multiprocessing/context multiprocessing/managers multiprocessing/pool multiprocessing/queues
    multiprocessing/shared_memory multiprocessing/synchronize unittest/case unittest/loader unittest/main
    unittest/runner unittest/suite xml/dom/expatbuilder xml/dom/minidom xml/dom/pulldom xml/dom/xmlbuilder
    xml/sax/expatreader xml/sax/saxutils
"""  # written alike: classes and docstrings, few tables
SHOWN = 2000  # characters of the held-out text that the panels show
VOCABULARY = 112  # characters a network can tell apart; the rarer ones become OTHER
OWN_VOCABULARY = 512  # of a text of the learner's own: nearly all there is in some pages of Korean or Chinese
OTHER = "▯"
SHORT_FILE = "its {have} characters are too few: bring {least} or more, or paste them"
WORDS = """
    air and bird blue cat cold day door ear east fire fish gold green hand hat ice ink joy june king land leaf
    moon near night oak old pear pond rain river salt sea snow star sun tea three tree under wind winter wood
    yes zero
"""
# The opening of Lewis Carroll, "Alice's Adventures in Wonderland" (1865).
ALICE = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to
do: once or twice she had peeped into the book her sister was reading, but it had no pictures or
conversations in it, “and what is the use of a book,” thought Alice “without pictures or
conversations?”

So she was considering in her own mind (as well as she could, for the hot day made her feel very
sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble of
getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her.

There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to
hear the Rabbit say to itself, “Oh dear! Oh dear! I shall be late!” (when she thought it over
afterwards, it occurred to her that she ought to have wondered at this, but at the time it all
seemed quite natural); but when the Rabbit actually took a watch out of its waistcoat-pocket, and
looked at it, and then hurried on, Alice started to her feet, for it flashed across her mind that
she had never before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, and
burning with curiosity, she ran across the field after it, and fortunately was just in time to see
it pop down a large rabbit-hole under the hedge.

In another moment down went Alice after it, never once considering how in the world she was to get
out again.
"""
PREFIXES = ("r", "b", "f", "u", "rb", "br", "fr", "rf")  # of Python's string literals
PAIRS = {"“": "”", "‘": "’", "«": "»"}  # quotes that say whether they open or close
PROPERTIES = ("quotes", "brackets", "comment", "if", "indentation", "column")


@dataclass(frozen=True)
class Text:
    """A text as character codes. `shown` is a part of the held-out text; `properties` are true of it.

    `rare` different characters are too rare for the vocabulary and became `OTHER`: `merged` of the text, 0…1.
    """

    characters: str  # the vocabulary: code i is characters[i]
    train: Tensor  # (N,) int64
    held_out: Tensor  # (M,) int64, never trained on
    shown: str  # T characters
    properties: Mapping[str, Tensor]  # (T,) float each, see `properties_of`
    rare: int = 0
    merged: float = 0.0

    def encode(self, text: str) -> Tensor:
        """The codes (T,) int64 of a string; what is not in the vocabulary becomes `OTHER`."""
        return torch.from_numpy(_codes(text, self.characters))

    def decode(self, codes: Sequence[int]) -> str:
        """The string of a list of codes."""
        return "".join(self.characters[code] for code in codes)

    def streams(self, rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """The text for training cut into `rows` side by side: (N, rows), and the character after each."""
        length = (len(self.train) - 1) // rows
        codes = self.train[: rows * length + 1].to(device)
        inputs, targets = (part.view(rows, length).t().contiguous() for part in (codes[:-1], codes[1:]))
        return inputs, targets

    def windows(self, count: int, length: int, device: torch.device) -> Tensor:
        """Pieces of the held-out text at equal distances, side by side: (length + 1, count), or shorter."""
        codes = self.held_out.to(device)
        length = min(length, len(codes) - 1)
        starts = torch.linspace(0, len(codes) - 1 - length, count, device=device).long()
        return codes[starts + torch.arange(length + 1, device=device)[:, None]]


def properties_of(text: str) -> dict[str, Tensor]:
    """Properties of each character of `text`: float (T,) each, by the names in `PROPERTIES`.

    A state that has read a character knows whether the *next* one is inside. So the opening mark of a quote
    or bracket counts as inside and the closing one does not. `quotes`, `brackets`, `comment` and `if` are
    0 or 1; `indentation` counts blanks and `column` the characters read since the line began. Python's rules
    hold, except that an apostrophe within a word opens nothing and that a blank line ends a simple string
    that was never closed.
    """
    inside: dict[str, list[int]] = {name: [] for name in PROPERTIES}
    quote, escaped, brackets, comment, condition = "", False, 0, False, False
    indentation = column = 0
    leading = True  # only blanks so far on this line
    word = ""  # the letters just before this character
    skip = 0
    for at, character in enumerate(text):
        column += 1
        if character == "\n":
            leading, indentation, column, comment = True, 0, 0, False
            condition = condition and bool(brackets or quote)
            if len(quote) == 1 and not escaped and text[at + 1 : at + 2] == "\n":
                quote = ""
        elif leading and character in " \t":
            indentation += 1
        started, leading = leading, leading and character in " \t\n"
        if skip:
            skip -= 1  # the second and third mark of a triple quote
        elif comment:
            pass
        elif quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif text.startswith(quote, at):
                skip, quote = len(quote) - 1, ""
        elif character == "#":
            comment = True
        elif character in PAIRS:
            quote = PAIRS[character]
        elif character == '"' or (character == "'" and (not word or word.lower() in PREFIXES)):
            quote = character * 3 if text.startswith(character * 3, at) else character
            skip = len(quote) - 1
        elif character in "([{":
            brackets += 1
        elif character in ")]}":
            brackets = max(brackets - 1, 0)
        elif started and not brackets and re.match(r"(el)?if\b", text[at : at + 5]):
            condition = True
        elif character == ":" and not brackets and text[at + 1 : at + 2] != "=":
            condition = False
        word = word + character if character.isalnum() or character == "_" else ""
        values = (bool(quote), brackets > 0, comment, condition, indentation, column)
        for name, value in zip(PROPERTIES, values, strict=True):
            inside[name].append(int(value))
    return {name: torch.tensor(values, dtype=torch.float32) for name, values in inside.items()}


class Parts(NamedTuple):
    """A text to train on, and one that is held out; after each match of `seam` something begins."""

    train: str
    held_out: str
    seam: str


@lru_cache(maxsize=1)
def python_parts() -> Parts:
    """Modules of the standard library; the last tenth of each is held out. Raises `OSError` without them."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [path for name in MODULES.split() if (path := folder / f"{name}.py").is_file()]
    if not files:
        raise FileNotFoundError(f"no Python source in {folder}")
    sources = [path.read_text(encoding="utf-8") for path in files]
    return _parted(sources, seam=r"\n(?= {0,4}(class|def) \w+.*:\n)")


@lru_cache(maxsize=1)
def prose_parts() -> Parts:
    """Python's language reference as `help()` prints it. Raises `ImportError` without `pydoc_data`."""
    from pydoc_data.topics import topics

    return _parted([topics[name] for name in sorted(topics)], seam=r"\n\n(?=\S)")


@lru_cache(maxsize=1)
def shakespeare_parts(place: Path) -> Parts:
    """Tiny Shakespeare, from the folder it was fetched to; the last tenth is held out. Raises `OSError`."""
    return _parted([(place / "input.txt").read_text(encoding="utf-8")], seam=r"\n\n(?=\S)")


def parts_of(name: str, own: str, folders: Sequence[Path] = ()) -> Parts:
    """The text "python", "prose" or "tiny-shakespeare", or else `own`, as it is read; see `load`.

    Of "file", `own` is the digest.
    """
    match name:
        case "python":
            return python_parts()
        case "prose":
            return prose_parts()
        case "tiny-shakespeare":
            return shakespeare_parts(place_of(name, folders, "corpus"))
        case "file":
            own = file_text(own_place(own, folders, "file"))
    cut = len(own) - shown_of(len(own))
    return Parts(own[:cut], own[cut:], "")


@lru_cache(maxsize=1)
def python_source() -> Text:
    """See `python_parts`."""
    return _text(python_parts())


@lru_cache(maxsize=1)
def reference_prose() -> Text:
    """See `prose_parts`."""
    return _text(prose_parts())


@lru_cache(maxsize=1)
def quotes_and_brackets() -> Text:
    """Half a million generated characters. See `generate`."""
    return _text(_parted([generate(500_000, random.Random(0))], seam=r"\n"))


@lru_cache(maxsize=1)
def shakespeare(place: Path) -> Text:
    """See `shakespeare_parts`."""
    return _text(shakespeare_parts(place))


def load(name: str, own: str, folders: Sequence[Path] = ()) -> Text:
    """The text "python", "prose" or "brackets", "tiny-shakespeare" and "file", of which `own` is the digest,
    from one of `folders`, or else `own`.

    Raises `OSError` or `ImportError` where this Python lacks it, `KnobError` for the knob `corpus` where it
    was not fetched, for `file` where that is gone, or no text.
    """
    match name:
        case "python":
            return python_source()
        case "prose":
            return reference_prose()
        case "brackets":
            return quotes_and_brackets()
        case "tiny-shakespeare":
            return shakespeare(place_of(name, folders, "corpus"))
        case "file":
            return pasted(file_text(own_place(own, folders, "file")))
    return pasted(own)


def generate(length: int, chance: random.Random) -> str:
    """Lines of words with quotes and nested brackets, the same for the same `chance`.

    The same words stand everywhere. Only what separates them differs: a hyphen within quotes, a comma within
    brackets, else a blank. To know which comes next, one has to remember across a whole word.
    """

    words = WORDS.split()

    def item(depth: int) -> str:
        kind = chance.random()
        if kind < 0.3:
            return '"' + "-".join(chance.choices(words, k=chance.randint(2, 6))) + '"'
        if kind < 0.5 and depth < 2:
            return "(" + ",".join(item(depth + 1) for _ in range(chance.randint(2, 4))) + ")"
        return chance.choice(words)

    lines: list[str] = []
    while length > 0:
        lines.append(" ".join(item(0) for _ in range(chance.randint(3, 6))) + ".\n")
        length -= len(lines[-1])
    return "".join(lines)


def cleaned(text: str) -> str:
    """A text as it is read: line ends as in Unix, letters and their marks composed where Unicode can."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


@lru_cache(maxsize=4)
def pasted(text: str) -> Text:
    """A text of the learner's own. Its end is held out and shown, see `shown_of`."""
    train, held_out, _ = parts_of("pasted", text)
    return _from(train, held_out, held_out, OWN_VOCABULARY)


@lru_cache(maxsize=1)
def file_text(place: Path) -> str:
    """The text in a file that the learner brought. Raises `KnobError` for `file` where it is too short."""
    text = cleaned(decoded(place.read_bytes(), "file"))
    if len(text) < (least := 5 * SHOWN):
        raise KnobError("file", SHORT_FILE, reason="short-file", have=len(text), least=least)
    return text


def shown_of(length: int) -> int:
    """How many characters of a pasted text of `length` characters are held out and shown."""
    return min(SHOWN, length // 5)


def _parted(texts: Sequence[str], seam: str) -> Parts:
    """Hold out what follows the last place in each text's first nine tenths that matches `seam`."""
    train, held_out = [], []
    for text in texts:
        cuts = [match.end() for match in re.finditer(seam, text[: len(text) * 9 // 10])]
        cut = cuts[-1] if cuts else len(text)
        train.append(text[:cut])
        held_out.append(text[cut:])
    return Parts("".join(train), "".join(held_out), seam)


def _text(parts: Parts) -> Text:
    return _from(parts.train, parts.held_out, _richest(parts.held_out, parts.seam))


def characters_of(text: str, most: int) -> str:
    """The characters that a network can tell apart, `most` at most: the frequent ones, and `OTHER`."""
    counts = Counter(text)
    counts.pop(OTHER, None)
    return "".join(sorted(character for character, _ in counts.most_common(most - 1))) + OTHER


def _from(train: str, held_out: str, shown: str, vocabulary: int = VOCABULARY) -> Text:
    characters = characters_of(train, vocabulary)
    parts = [torch.from_numpy(_codes(part, characters)) for part in (train, held_out)]
    rare = len((set(train) | set(held_out)) - set(characters[:-1]))
    others = sum(int((codes == len(characters) - 1).sum()) for codes in parts)
    merged = others / max(1, len(train) + len(held_out))
    return Text(characters, parts[0], parts[1], shown, properties_of(shown), rare, merged)


def _richest(text: str, seam: str) -> str:
    """The `SHOWN` characters after a `seam` in which the most marked passages of all kinds begin."""
    found = properties_of(text)
    starts = torch.tensor([0, *(match.end() for match in re.finditer(seam, text[:-SHOWN]))])
    inside = torch.stack([found[name] for name in ("quotes", "brackets", "comment", "if")])
    begun = (inside.diff(prepend=torch.zeros(len(inside), 1)) > 0).cumsum(1)
    counts = begun[:, starts + SHOWN - 1] - begun[:, starts]
    best = counts.log1p().sum(0).argmax()  # the logarithm prefers some of each kind to many of one
    return text[starts[best] : starts[best] + SHOWN]


def _codes(text: str, characters: str) -> np.ndarray:
    """int64 (T,): each character's place in `characters`, whose last one stands for all others."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    known = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    table = np.full(0x110000, len(characters) - 1, np.int64)
    table[known] = np.arange(len(characters))
    return table[points]
