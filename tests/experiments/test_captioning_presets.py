"""What captioning learns in the 300 steps that are taken in 15 s, and what its presets say is to be seen."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch

from claims import SEEDS, claim
from descent.experiments.sequence.captioning import TWINS, Captioning, same
from descent.kit.data.scenes import SCENE_COLOURS, SCENE_SHAPES, draw_scenes, on_objects
from driving import Driven

STEPS = 301


@lru_cache
def trained(seed: int) -> Any:
    """The default, trained; look knobs may be changed, since they touch no training."""
    return Driven(Captioning, seed).train(STEPS)


def looked(run: Driven) -> tuple[list[str], torch.Tensor]:
    """The words, and the share of the weights on the object that English names first, and on the other."""
    mass = run.look("mass")
    return list(mass.columns), torch.as_tensor(mass.values)


@claim(Captioning, "korean")
def test_in_korean_it_looks_first_at_what_english_names_last(run: Driven) -> None:
    run.train(STEPS)
    words, on = looked(run)
    assert words[1] == "파란"
    assert float(on[1, 1]) > 0.5


@claim(Captioning, "twins")
def test_of_two_alike_it_looks_at_the_one_it_speaks_of(run: Driven) -> None:
    after = trained(run.experiment.seed).change(**TWINS)
    words, on = looked(after)
    first = words.index("cross")
    assert float(on[0, first]) > 0.5
    assert float(on[1, words.index("cross", first + 1)]) > 0.5


@claim(Captioning, "without")
def test_a_mean_says_few_captions_right(run: Driven) -> None:
    after = trained(run.experiment.seed)
    assert after.last("exact/mean") < 0.1
    assert after.last("exact/attention") > after.last("exact/mean")
    assert after.last("exact/seen") > 0.4
    assert after.last("bleu/attention") > after.last("bleu/mean") + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_by_a_word_for_an_object_it_looks_at_that_object(seed: int) -> None:
    run = trained(seed)
    scenes = draw_scenes(300, torch.Generator().manual_seed(7), held_out=True)
    captions = run.experiment.captions
    wanted = captions.encode(scenes)[:, 1:]
    said, _, weights = run.experiment._captioned("attention", scenes)
    right = same(said, wanted)
    shares, words = on_objects(weights, scenes)[right], wanted[right]
    chance = on_objects(torch.full_like(weights, 1 / 36), scenes).mean((0, 1))
    for kind in (SCENE_COLOURS, SCENE_SHAPES):
        of_kind = torch.isin(words, torch.tensor([captions.words.index(word) for word in kind]))
        for k in (0, 1):  # the object named first, and the other one
            found = of_kind & (of_kind.cumsum(1) == k + 1)
            mean = float(shares[..., k][found].mean())
            assert mean > 0.7, (k, mean)
            assert mean > 5 * float(chance[k])


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
def test_nine_captions_of_ten_are_right_on_pairs_never_seen(seed: int) -> None:
    run = Driven(Captioning, seed)
    run.experiment.racing = ["attention"]
    run.train(1800)
    scenes = draw_scenes(600, torch.Generator().manual_seed(7), held_out=True)
    said, *_ = run.experiment._captioned("attention", scenes)
    wanted = run.experiment.captions.encode(scenes)[:, 1:]
    assert float(same(said, wanted).float().mean()) >= 0.9
