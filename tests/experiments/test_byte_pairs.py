"""Byte pair encoding: against the algorithm written out, and there and back."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from descent.kit.data.pairs import WORD, byte_pairs, in_tokens
from descent.kit.data.text import ALICE, OTHER, characters_of, prose_parts


def test_each_merge_is_of_the_most_frequent_pair_as_in_the_papers_algorithm() -> None:
    """Algorithm 1: count all pairs anew each time, and merge the most frequent one in every word."""
    pairs = byte_pairs(ALICE, characters_of(ALICE, 512), 150)
    words = [list(word) for word in WORD.findall(ALICE)]
    for a, b in pairs.merged:
        counts = Counter(pair for word in words for pair in pairwise(word))
        merged = (pairs.tokens[a], pairs.tokens[b])
        assert counts[merged] == max(counts.values()) >= 2
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == merged:
                    word[i : i + 2] = ["".join(merged)]
                i += 1
    assert len(pairs.merged) == 150
    assert pairs.encode(ALICE).tolist() == [pairs.tokens.index(token) for word in words for token in word]


@pytest.mark.parametrize("merges", [0, 1, 50, 1000])
def test_there_and_back(merges: int) -> None:
    pairs = byte_pairs(ALICE, characters_of(ALICE, 512), merges)
    codes = pairs.encode(ALICE)
    assert pairs.decode(codes.tolist()) == ALICE
    assert len(codes) <= len(ALICE)
    assert len(pairs.tokens) == len(set(pairs.tokens)) <= len(characters_of(ALICE, 512)) + merges


@given(st.text(max_size=200))
@pytest.mark.slow
def test_any_text_comes_back_but_for_characters_there_are_none_of(text: str) -> None:
    pairs = byte_pairs(ALICE, characters_of(ALICE, 512), 100)
    known = set(pairs.tokens)
    expected = "".join(character if character in known else OTHER for character in text)
    assert pairs.decode(pairs.encode(text).tolist()) == expected


def test_no_token_reaches_across_words_and_none_holds_the_sign_for_other_characters() -> None:
    text = f"ab{OTHER}{OTHER} ab{OTHER}{OTHER} the cat, the cat; x1y 1\n\n    the"
    pairs = byte_pairs(text, characters_of(text, 100), 1000)
    for token in pairs.tokens:
        assert WORD.fullmatch(token)
        assert OTHER not in token or token == OTHER


def test_real_text_shrinks_and_comes_back() -> None:
    train, held_out, _ = prose_parts()
    pairs, codes, unseen = in_tokens(train, held_out, 112, 200)
    assert len(codes) < 0.6 * len(train)
    assert len(unseen) < 0.6 * len(held_out)
    kept = set(pairs.tokens)
    assert pairs.decode(unseen.tolist()) == re.sub(
        r"(?s).", lambda m: m[0] if m[0] in kept else OTHER, held_out
    )
