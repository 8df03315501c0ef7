"""Sentences with a gap: which word is missing follows from the others.

The verb tells the object and the object the verb, wherever they stand; whether the subject is honoured
(Korean) or a third person (English) tells the verb's form. Adverbs and adjectives tell nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from descent.kit.data.translation import PAD

Language = Literal["en", "ko"]
GAP = 1  # a token, after the padding's; then come the words
GAP_SIGN = "_"
STRANGERS = 16  # tokens for words that are in no sentence


class Grammar(NamedTuple):
    """`subjects`: of the plain verb, and of its other form; `phrases`: object, verb, its other form."""

    order: tuple[str, ...]
    subjects: tuple[list[str], list[str]]
    adverbs: list[str]
    kinds: list[str]
    phrases: list[tuple[str, str, str]]


GRAMMARS: dict[Language, Grammar] = {
    "en": Grammar(
        ("subject", "adverb", "verb", "kind", "object"),
        (["I", "you", "we"], ["she", "grandmother", "everyone"]),
        ["today", "often", "alone", "gladly"],
        ["good", "new", "old", "short"],
        [
            ("books", "read", "reads"), ("songs", "sing", "sings"), ("pictures", "draw", "draws"),
            ("letters", "write", "writes"), ("films", "watch", "watches"), ("bread", "bake", "bakes"),
            ("music", "hear", "hears"), ("language", "enjoy", "enjoys"),
        ],
    ),
    "ko": Grammar(
        ("subject", "adverb", "kind", "object", "verb"),
        (["나는", "너는", "친구는"], ["할머니께서는", "선생님께서는", "어머니께서는"]),
        ["오늘", "자주", "혼자", "기꺼이"],
        ["좋은", "새", "오래된", "짧은"],
        [
            ("책을", "읽는다", "읽으신다"), ("노래를", "부른다", "부르신다"),
            ("그림을", "그린다", "그리신다"), ("편지를", "쓴다", "쓰신다"),
            ("영화를", "본다", "보신다"), ("빵을", "굽는다", "구우신다"),
            ("음악을", "듣는다", "들으신다"), ("처리를", "즐겨한다", "즐겨하신다"),
        ],
    ),
}  # fmt: skip


class Gapped(NamedTuple):
    """Sentences with a gap: `tokens` (N, 5), padded; where the gap is, and the word that fills it, (N,)."""

    tokens: Tensor
    places: Tensor
    words: Tensor


class Sentences:
    """Sentences of a language. A quarter of the pairs of subject and phrase are held out."""

    def __init__(self, language: Language) -> None:
        grammar = GRAMMARS[language]
        plain, other = grammar.subjects
        self.order = grammar.order
        self.subjects = len(plain) + len(other)
        self.plain = len(plain)
        columns = {
            "subject": [*plain, *other],
            "adverb": grammar.adverbs,
            "kind": grammar.kinds,
            "object": [phrase[0] for phrase in grammar.phrases],
            "verb": [verb for phrase in grammar.phrases for verb in phrase[1:]],
        }
        self.words = ["", GAP_SIGN, *(word for column in columns.values() for word in column)]
        self.token = {word: token for token, word in enumerate(self.words)}
        self.first = {name: self.token[column[0]] for name, column in columns.items()}
        self.count = {name: len(column) for name, column in columns.items()}
        pairs = torch.cartesian_prod(torch.arange(self.subjects), torch.arange(self.count["object"]))
        held = (pairs[:, 0] + 3 * pairs[:, 1]) % 4 == 0
        self._pairs = {True: pairs[held], False: pairs[~held]}

    @property
    def size(self) -> int:
        """Tokens, strangers included."""
        return len(self.words) + STRANGERS

    def draw(self, n: int, generator: torch.Generator, *, held_out: bool) -> Gapped:
        """So many sentences, half of them without their verb, half without their object."""
        pairs = self._pairs[held_out]
        subject, phrase = pairs[torch.randint(len(pairs), (n,), generator=generator)].T
        words = {
            "subject": self.first["subject"] + subject,
            "object": self.first["object"] + phrase,
            "verb": self.first["verb"] + 2 * phrase + (subject >= self.plain),
        }
        for name in ("adverb", "kind"):  # every other sentence has one
            which = torch.randint(2 * self.count[name], (n,), generator=generator)
            words[name] = torch.where(which < self.count[name], self.first[name] + which, PAD)
        tokens = torch.stack([words[name] for name in self.order], 1)  # (N, 5)
        place = {name: self.order.index(name) for name in ("verb", "object")}
        no_verb = torch.rand(n, generator=generator) < 0.5
        places = torch.where(no_verb, place["verb"], place["object"])
        hidden = tokens.gather(1, places[:, None])[:, 0]
        return Gapped(tokens.scatter(1, places[:, None], GAP), places, hidden)

    def encode(self, words: Sequence[str]) -> Tensor:
        """Tokens (T,); a word that is in no sentence has one of the strangers' tokens, always the same."""
        strange = (zlib.crc32(word.encode()) % STRANGERS + len(self.words) for word in words)
        return torch.tensor([self.token.get(word, other) for word, other in zip(words, strange, strict=True)])
