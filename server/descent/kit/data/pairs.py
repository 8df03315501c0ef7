"""Byte pair encoding: the pairs of neighbours that a text has most often become tokens of their own.

Begin with characters; again and again, the two tokens that stand side by side most often are merged into one.
Pairs are counted within words, to which the blank before them belongs, so no token reaches across words.

Source: Sennrich, Haddow, Birch 2016, arXiv:1508.07909, §3.2 and algorithm 1. Letters with the blank before
them, digits, signs and blanks as words: as in the code of GPT-2 (Radford et al. 2019, §2.2).
Departures: characters instead of bytes, so what a text lacks has no token.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from descent.kit.data.text import OTHER, characters_of

WORD = re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")
Pair = tuple[int, int]


class BytePairs:
    """Characters and what was merged of them. `tokens`: the text of each token, the characters first."""

    def __init__(self, characters: str, merges: Iterable[Pair]) -> None:
        self.tokens = list(characters)
        self.merged: dict[Pair, int] = {}  # the token that a pair becomes, in the order of learning
        for pair in merges:
            self.merged[pair] = len(self.tokens)
            self.tokens.append(self.tokens[pair[0]] + self.tokens[pair[1]])
        self.index = {character: i for i, character in enumerate(characters)}

    def encode(self, text: str) -> Tensor:
        """The tokens (T,) int64 of a text; a character it does not have becomes `OTHER`."""
        known: dict[str, list[int]] = {}
        codes: list[int] = []
        for word in WORD.findall(text):
            if word not in known:
                known[word] = self._word(word)
            codes += known[word]
        return torch.tensor(codes, dtype=torch.long)

    def _word(self, word: str) -> list[int]:
        tokens = [self.index.get(character, self.index[OTHER]) for character in word]
        while pairs := [pair for pair in pairwise(tokens) if pair in self.merged]:
            first = min(pairs, key=lambda pair: self.merged[pair])  # the pair that was merged first
            tokens = joined(tokens, first, self.merged[first])
        return tokens

    def decode(self, codes: Sequence[int]) -> str:
        """The text of these tokens."""
        return "".join(self.tokens[code] for code in codes)


def joined(tokens: Sequence[int], pair: Pair, new: int) -> list[int]:
    """`tokens` with `new` wherever the pair stood, from left to right."""
    found: list[int] = []
    i = 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            found.append(new)
            i += 2
        else:
            found.append(tokens[i])
            i += 1
    return found


def byte_pairs(text: str, characters: str, merges: int) -> BytePairs:
    """Learn up to `merges` pairs of a text, fewer where no pair stands in it twice; none with `OTHER`."""
    plain = BytePairs(characters, [])
    counted = Counter(WORD.findall(text))
    words = [plain._word(word) for word in counted]
    times = list(counted.values())
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # words that have, or once had, the pair

    def count(n: int, sign: int) -> None:
        for pair in pairwise(words[n]):
            if plain.index[OTHER] not in pair:
                counts[pair] += sign * times[n]
                where[pair].add(n)

    for n in range(len(words)):
        count(n, 1)
    found: list[Pair] = []
    while len(found) < merges and counts:
        best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
        if counts[best] < 2:
            break
        new = len(characters) + len(found)
        found.append(best)
        for n in where.pop(best):
            count(n, -1)
            words[n] = joined(words[n], best, new)
            count(n, 1)
        del counts[best]
    return BytePairs(characters, found)


@lru_cache(maxsize=2)
def in_tokens(train: str, held_out: str, most: int, merges: int) -> tuple[BytePairs, Tensor, Tensor]:
    """Pairs of at most so many characters, learnt of a text for training; its and a held-out one's tokens."""
    pairs = byte_pairs(train, characters_of(train, most), merges)
    return pairs, pairs.encode(train), pairs.encode(held_out)
