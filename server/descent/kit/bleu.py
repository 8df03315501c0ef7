"""BLEU: how many runs of one to four words of what was said stand in what should have been said.

Source: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation" (ACL 2002), §2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

LONGEST_RUN = 4  # N: BLEU-4


def corpus_bleu(said: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> float:
    """BLEU-4 of sentences, each a list of words, with one reference each: from 0 to 1, without smoothing.

    The runs of all sentences are counted together: BP · exp((1/N) Σ log p_n), p_n being the share of runs of
    n words that stand in the reference, each as often as there at most, and BP = min(1, exp(1 − r/c)).
    """
    found, runs = [0] * LONGEST_RUN, [0] * LONGEST_RUN
    for sentence, reference in zip(said, wanted, strict=True):
        for n in range(1, LONGEST_RUN + 1):
            ours, theirs = (Counter(_runs(words, n)) for words in (sentence, reference))
            found[n - 1] += (ours & theirs).total()  # clipped
            runs[n - 1] += ours.total()
    if not all(found):
        return 0.0
    precision = sum(math.log(f / m) for f, m in zip(found, runs, strict=True)) / LONGEST_RUN
    c, r = (sum(map(len, sentences)) for sentences in (said, wanted))
    return math.exp(precision + min(0.0, 1 - r / c))


def _runs(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
