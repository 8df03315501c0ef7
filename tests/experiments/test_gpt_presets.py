"""What the presets of gpt say is to be seen, and that switching heads off undoes what they do."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import pytest
import torch

from claims import SEEDS, claim, preset
from descent.experiments.attention.gpt import SAMPLE, GPTExperiment
from driving import Driven


@cache
def on_characters(seed: int) -> Driven:
    """The defaults after 300 steps."""
    return Driven(GPTExperiment, seed).train(301)


@cache
def on_repeats(seed: int) -> Driven:
    """The preset of induction heads after 400 steps."""
    return preset(GPTExperiment, "induction", seed).train(401)


@cache
def on_repeats_for_long(seed: int) -> Driven:
    """The same after 700 steps."""
    return deepcopy(on_repeats(seed)).train(300)


def sample(driven: Driven) -> str:
    return "".join(driven.look("text").tokens[-SAMPLE:])


def variety(text: str) -> float:
    """The share of all passages of eight characters that are different ones."""
    passages = [text[i : i + 8] for i in range(len(text) - 7)]
    return len(set(passages)) / len(passages)


def surely(driven: Driven) -> float:
    """The mean probability of what it wrote."""
    return float(torch.as_tensor(driven.look("text").values)[-SAMPLE:].mean())


@claim(GPTExperiment, "pairs")
def test_pairs_are_fewer_and_cost_less_per_character(driven: Driven) -> None:
    characters = on_characters(driven.experiment.seed)
    assert len(driven.experiment.train) < len(characters.experiment.train) / 2
    assert driven.train(301).last("bits/held-out") < characters.last("bits/held-out") - 0.5


@claim(GPTExperiment, "greedy")
def test_the_likeliest_goes_round_in_a_circle(driven: Driven) -> None:
    trained = on_characters(driven.experiment.seed)
    assert trained.knobs.model_copy(update={"temperature": 0.0}) == driven.knobs
    drawn = sample(trained)
    trained.change(temperature=0.0)
    likeliest = sample(trained)
    trained.change(temperature=0.8)
    assert variety(likeliest) < 0.35 < 0.5 < variety(drawn)
    circle = likeliest[-100:]
    assert any(circle[n:] == circle[:-n] for n in range(1, 60))


@claim(GPTExperiment, "nucleus")
def test_the_nucleus_alone_is_written_twice_as_surely(driven: Driven) -> None:
    trained = on_characters(driven.experiment.seed)
    assert trained.knobs.model_copy(update={"temperature": 1.5, "top_p": 0.5}) == driven.knobs
    trained.change(temperature=1.5)
    hot = surely(trained)
    trained.change(top_p=0.5)
    cut = surely(trained)
    trained.change(temperature=0.8, top_p=1.0)
    assert hot < 0.25
    assert cut > 1.9 * hot


@claim(GPTExperiment, "induction")
def test_the_second_time_turns_blue_as_a_head_of_layer_2_finds_what_followed(driven: Driven) -> None:
    trained = on_repeats(driven.experiment.seed)
    assert trained.knobs == driven.knobs
    p = torch.as_tensor(trained.look("text").values)
    assert p[17:].mean() > 0.8  # the first repeated token says only that it repeats
    assert p[1:16].mean() < 0.2
    scores = trained.experiment.scores  # (n, 2, L, h)
    assert scores[-1, 1, 1].max() > 0.7
    assert scores[-1, 1, 0].max() < 0.2
    assert scores[-1, 0, 0].max() > 3 * scores[0, 0, 0].max(), "layer 1 turns to the token before"
    weights = torch.as_tensor(trained.look("attention").weights)[1]  # (h, T, T) of layer 2
    assert max(float(head[40, 40 - 16 + 1] + head[40, 40 - 32 + 1]) for head in weights) > 0.7
    later = on_repeats_for_long(driven.experiment.seed)
    assert later.experiment.scores[-1, 0, 0].max() > 0.75, "three quarters on the token before"
    assert later.experiment.scores[-1, 1, 1].max() > 0.9
    assert later.last("bits/second") < trained.last("bits/second") / 2, "it falls once more"


@claim(GPTExperiment, "one-layer")
def test_with_one_layer_the_second_time_stays_hard(driven: Driven) -> None:
    driven.train(401)
    assert driven.last("bits/second") > 3
    assert driven.experiment.scores[:, 1].max() < 0.2
    assert on_repeats(driven.experiment.seed).last("bits/second") < 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lens_says_is_right_more_often_layer_by_layer(seed: int) -> None:
    experiment, stream = on_characters(seed).experiment, list[torch.Tensor]()
    windows = experiment.measured
    with torch.no_grad():
        experiment.model(windows[:, :-1], None, stream)
        said = [experiment.model.read(x).argmax(2) for x in stream]
    right = [float((tokens == windows[:, 1:]).float().mean()) for tokens in said]
    assert right[0] < 0.2
    assert 0.35 < right[1] < 0.49
    assert 0.49 < right[2] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_without_its_previous_token_head_nothing_is_found_and_without_one_of_two_that_find_it_costs_more(
    seed: int,
) -> None:
    trained = deepcopy(on_repeats_for_long(seed))

    def second(*off: str) -> float:
        trained.change(off=list(off))
        return float(trained.experiment._measure(trained.knobs)["bits/second"])

    before, scores = second(), trained.experiment.scores[-1]  # (2, L, h)
    assert scores[1, 1].min() > 0.7, "both heads of layer 2 are induction heads"
    previous = f"1.{int(scores[0, 0].argmax()) + 1}"
    assert second(previous) > 5, "a guess costs log₂ 32"
    for head in ("2.1", "2.2"):
        assert 2 * before < second(head) < 0.6
    assert second("2.1", "2.2") > 3
    second(previous)
    assert trained.train(300).last("bits/second") < 1.5, "the other head of layer 1 learns its work"


@pytest.mark.slow
def test_python_source_costs_under_2_2_bits_per_character_within_two_minutes() -> None:
    """On one quiet thread 700 steps take about 25 s."""
    trained = deepcopy(on_characters(0)).train(400)
    assert trained.last("bits/held-out") < 2.2
