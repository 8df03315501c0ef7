"""Thins pictures and checkpoints to their room: the further back, the sparser."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from descent.store.records import Kept

EASE = 0.9  # thinned down to this part of the room, so as not to begin again at once


def surplus(kept: Sequence[Kept], room: int) -> list[Kept]:
    """Which of `kept` (by step) to drop so that the rest takes at most `room` bytes; none while it does.

    Each panel keeps its first and its last. Of the others, the one that leaves the smallest gap for its age
    goes first: with a gap g between its neighbours and an age a, counted in steps from the newest, the
    smallest g / a. What is left lies exponentially sparser into the past.
    """
    total = sum(one.size for one in kept)
    if total <= room:
        return []
    newest = kept[-1].step
    panels: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(kept):
        panels[one.panel].append(index)
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for indices in panels.values():
        for left, right in pairwise(indices):
            after[left], before[right] = right, left

    def rank(index: int) -> float:
        age = newest - kept[index].step
        gap = kept[after[index]].step - kept[before[index]].step
        return gap / (age + 1)

    heap = [(rank(index), index) for index in range(len(kept)) if index in before and index in after]
    heapq.heapify(heap)
    dropped: dict[int, Kept] = {}
    while heap and total > room * EASE:
        ranked, index = heapq.heappop(heap)
        if index in dropped:
            continue
        if ranked != (now := rank(index)):  # a neighbour went meanwhile
            heapq.heappush(heap, (now, index))
            continue
        dropped[index] = kept[index]
        total -= kept[index].size
        left, right = before[index], after[index]
        after[left], before[right] = right, left
    return list(dropped.values())
