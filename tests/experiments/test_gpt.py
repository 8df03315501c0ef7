"""GPT: its attention and its mask written out, the logit lens, what it writes, bits, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from descent.contract import KnobError
from descent.contract.panels import Heatmap
from descent.experiments.attention.gpt import READ, GPTExperiment, GPTKnobs, heads_of
from descent.kit.data.text import ALICE, OTHER
from descent.kit.nn.decoder import GPT, CausalAttention, continuation
from driving import Driven, break_weights, built, change, take

OWN = {"corpus": "pasted", "length": 16, "d_model": 32, "batch_size": 4}  # quick to build


def small(seed: int = 0) -> GPT:
    torch.manual_seed(seed)
    return GPT(20, 12, 24, 3, 3, True)


@torch.no_grad()
def test_attention_is_the_formula_written_out_and_what_is_seen_is_its_weights() -> None:
    torch.manual_seed(0)
    d, h, T = 12, 3, 5
    layer, x, seen = CausalAttention(12, 3), torch.randn(1, T, d), list[torch.Tensor]()
    found = layer(x, None, seen, None)
    heads = []
    for m in range(h):
        parts = [slice(n * d + m * d // h, n * d + (m + 1) * d // h) for n in range(3)]
        Q, K, V = (x[0] @ layer.W_QKV.weight[part].T + layer.W_QKV.bias[part] for part in parts)
        z = torch.zeros(T, d // h)
        for i in range(T):
            scores = [math.exp(float(Q[i] @ K[j]) / math.sqrt(d // h)) for j in range(i + 1)]
            for j in range(T):
                a = scores[j] / sum(scores) if j <= i else 0.0
                assert float(seen[0][0, m, i, j]) == pytest.approx(a, abs=1e-5)
                assert j <= i or float(seen[0][0, m, i, j]) == 0.0, "exactly"
                z[i] += a * V[j]
        heads.append(z)
    expected = torch.cat(heads, 1) @ layer.W_O.weight.T + layer.W_O.bias
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_comes_later_changes_nothing_earlier() -> None:
    model = small()
    tokens = torch.randint(20, (2, 12), generator=torch.Generator().manual_seed(0))
    logits = model(tokens)
    for place in range(12):
        other = tokens.clone()
        other[:, place] = (other[:, place] + 1) % 20
        changed = model(other)
        assert torch.equal(changed[:, :place], logits[:, :place]), "bit for bit"
        assert not torch.equal(changed[:, place], logits[:, place])


@torch.no_grad()
def test_the_lens_on_the_last_layer_is_the_output_and_on_the_embedding_no_layer() -> None:
    model, stream = small(), list[torch.Tensor]()
    tokens = torch.randint(20, (1, 12), generator=torch.Generator().manual_seed(0))
    logits = model(tokens, None, stream)
    assert len(stream) == 4
    assert torch.equal(model.read(stream[-1]), logits)
    embedded = model.W_E(tokens) + model.W_P.weight
    expected = F.layer_norm(embedded, (24,)) @ model.W_U.weight.T
    torch.testing.assert_close(model.read(stream[0]), expected, atol=1e-5, rtol=1e-4)
    run = Driven(GPTExperiment, **OWN, prompt="Alice was")
    values = torch.as_tensor(run.look("lens").values)
    shown = run.experiment.pairs.encode("Alice was")
    p = run.experiment.model(shown[None]).softmax(2)[0, :-1]
    torch.testing.assert_close(values[-1], p.gather(1, shown[1:, None])[:, 0])
    assert list(run.look("lens").columns) == list("lice␣was")


def test_a_cell_of_the_lens_says_the_likeliest_token_and_its_colour_is_the_right_ones() -> None:
    run = Driven(GPTExperiment, **OWN, prompt="Alice was\nbe").train(30)
    experiment, picture = run.experiment, run.look("lens")
    shown, stream = experiment.pairs.encode("Alice was\nbe"), list[torch.Tensor]()
    with torch.no_grad():
        experiment.model(shown[None], None, stream)
        for row, x in enumerate(stream):
            p = (experiment.model.norm(x) @ experiment.model.W_U.weight.T).softmax(2)[0]
            names = [experiment.names[int(i)] for i in p.argmax(1)[:-1]]
            assert list(picture.texts[row]) == [name.replace(" ", "␣").replace("\n", "↵") for name in names]
            right = p[torch.arange(len(shown) - 1), shown[1:]]
            torch.testing.assert_close(torch.as_tensor(picture.values)[row], right)
    assert len({text for row in picture.texts for text in row}) > 1
    alone = run.change(prompt="A").look("lens")
    assert [len(row) for row in alone.texts] == [1] * len(stream), "what it would say after the only token"


def test_the_lens_shows_so_many_tokens_as_can_be_read() -> None:
    repeating = Driven(GPTExperiment, corpus="repeats", period=9).look("lens")
    shown = Driven(GPTExperiment, corpus="repeats", period=9).look("text").tokens
    assert list(repeating.columns) == list(shown[1 : READ + 1]), "the first of them: both periods are seen"
    prompt = "".join(ALICE.split())[:64]
    picture = Driven(GPTExperiment, **OWN | {"length": 64}, prompt=prompt).look("lens")
    assert "".join(picture.columns) == prompt[-READ:]
    assert [len(row) for row in picture.texts] == [READ] * len(picture.rows)


def test_a_long_pair_is_cut_where_the_lens_says_it() -> None:
    own = {**OWN, "pasted": (ALICE[:200] + "=" * 128) * 12, "tokens": "pairs", "merges": 20}
    run = Driven(GPTExperiment, **own, prompt="a" + "=" * 64)
    assert max(map(len, run.experiment.names)) == 64
    assert list(run.look("lens").columns) == ["=" * Heatmap.LONGEST_TEXT]


@torch.no_grad()
def test_a_head_that_is_off_adds_nothing_and_the_others_what_they_did() -> None:
    model, T = small(), 12
    tokens = torch.randint(20, (2, T), generator=torch.Generator().manual_seed(0))
    keep = torch.ones(3, 3)
    torch.testing.assert_close(model(tokens, keep), model(tokens))
    keep[1, 2] = 0
    without = small()
    without.blocks[1].attention.W_O.weight[:, 16:24] = 0  # what head 3 of layer 2 is read by
    torch.testing.assert_close(model(tokens, keep), without(tokens))


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_what_is_written_is_drawn_from_the_model_given_the_tokens_before(temperature: float) -> None:
    model, read = small(), torch.tensor([3, 4, 5])
    draws = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()
    tokens, chances = continuation(model, read, draws, None, temperature, 0, 1.0)
    whole, start = [*read.tolist(), *tokens.tolist()], 0
    for i, (draw, chance) in enumerate(zip(draws, chances.tolist(), strict=True), 3):
        if i - start > 12:
            start += 6  # the older half is forgotten
        p = model(torch.tensor([whole[start:i]]))[0, -1].softmax(0)
        assert chance == pytest.approx(float(p[whole[i]]), rel=1e-3)
        if temperature == 0:
            assert whole[i] == int(p.argmax())
        else:
            total = (p.log() / temperature).softmax(0).cumsum(0)
            assert float(total[whole[i]]) >= draw - 1e-4
            assert whole[i] == 0 or float(total[whole[i] - 1]) <= draw + 1e-4


@pytest.mark.parametrize("tokens", ["characters", "pairs"])
def test_steps_are_adams_and_bits_are_per_character(tokens: str) -> None:
    (mine, knobs), (twin, _) = (built(GPTExperiment, **OWN, tokens=tokens) for _ in range(2))
    reference = torch.optim.Adam(twin.model.parameters(), knobs.lr)
    for n in range(4):
        (row,) = take(mine, knobs, 1)
        twin.step_index = n
        windows = twin._batch(knobs)
        loss = twin.objectives(knobs)[""].loss()
        expected = F.cross_entropy(twin.model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        text = "".join(twin.names[token] for token in windows[:, 1:].flatten().tolist())
        in_bits = float(loss.detach()) / math.log(2) * windows[:, 1:].numel() / len(text)
        assert row["bits/train"] == pytest.approx(in_bits, rel=1e-5)
        reference.zero_grad()
        loss.backward()
        reference.step()
    # Not weight by weight: the keys' biases change no output, and Adam makes steps of their rounding errors.
    torch.testing.assert_close(mine.model(windows[:, :-1]), twin.model(windows[:, :-1]), atol=1e-3, rtol=1e-3)


def test_the_held_out_end_of_a_text_is_measured_and_never_trained_on() -> None:
    run = Driven(GPTExperiment, **OWN)
    experiment = run.experiment
    train, measured = experiment.train.tolist(), experiment.measured
    assert experiment.pairs.decode(train) == ALICE[: len(train)]
    held_out = experiment.pairs.decode(experiment.pairs.encode(ALICE[len(train) :]).tolist())
    for window in measured.tolist():
        assert experiment.pairs.decode(window) in held_out
    logits = experiment.model(measured[:, :-1]).flatten(0, 1)
    expected = F.cross_entropy(logits, measured[:, 1:].flatten()) / math.log(2)
    assert run.train(1).last("bits/held-out") == pytest.approx(expected.item(), rel=1e-5)


def test_random_sequences_differ_at_each_step_and_only_repeats_count_for_the_second_time() -> None:
    knobs: dict[str, Any] = {"corpus": "repeats", "length": 24, "d_model": 16, "batch_size": 8}
    run = Driven(GPTExperiment, **knobs)
    experiment = run.experiment
    first = experiment._batch(run.knobs)
    losses = experiment._losses(experiment.measured, None).detach()
    counted = []
    for row, loss in zip(experiment.measured.tolist(), losses, strict=True):
        period = next(n for n in range(6, 13) if row[n:] == row[:-n])
        counted += loss[period:].tolist()  # of the tokens from period + 1 on
    run.train(1)
    expected = sum(counted) / len(counted) / math.log(2)
    assert run.last("bits/second") == pytest.approx(expected, rel=1e-4)
    assert not torch.equal(experiment._batch(run.knobs), first)


@torch.no_grad()
def test_the_cost_of_a_head_is_what_the_loss_rises_by_and_none_for_one_that_is_off() -> None:
    with torch.enable_grad():
        run = Driven(GPTExperiment, **OWN).train(20).change(off=["1.2"])
    experiment, knobs = run.experiment, run.knobs
    cost = torch.as_tensor(run.look("cost").values)
    assert cost.isnan().flatten().tolist() == [head == "1.2" for head in heads_of(knobs)]
    windows = experiment.measured[:8]
    both = change(experiment, knobs, off=["1.2", "2.1"])
    bits = [
        experiment._bits(experiment._losses(windows, experiment._keep(k)), windows) for k in (knobs, both)
    ]
    assert float(cost[1, 0]) == pytest.approx(float(bits[1] - bits[0]), abs=1e-6)
    assert list(run.look("head_history").series) == heads_of(knobs)
    assert torch.as_tensor(run.look("head_history").values).shape == (2, 8, 1)


def test_candidates_show_what_is_drawn_from() -> None:
    run = Driven(GPTExperiment, **OWN, temperature=0.0)
    p, drawn = torch.as_tensor(run.look("candidates").values)
    assert p.tolist() == sorted(p.tolist(), reverse=True)
    assert drawn.tolist() == [1.0] + [0.0] * (len(p) - 1)
    p, drawn = torch.as_tensor(run.change(temperature=1.0, top_k=3).look("candidates").values)
    torch.testing.assert_close(drawn[:3], p[:3] / p[:3].sum())
    assert drawn[3:].sum() == 0


@pytest.mark.parametrize("prompt", ["A", "Alice " * 166, "한글 Ω\n", "\t", "A" * 17])
@pytest.mark.slow
def test_any_prompt_is_gone_on_from_and_what_is_not_read_is_said(prompt: str) -> None:
    run = Driven(GPTExperiment, **OWN, prompt=prompt).train(2)
    for panel in ("text", "candidates", "lens", "attention", "cost", "head_history"):
        run.look(panel)
    text = run.look("text")
    notes = [note.text for note in text.notes]
    assert any("last {n} tokens" in note for note in notes) == (len(prompt) > 16)
    assert any("nowhere" in note for note in notes) == bool(set(prompt) - set(ALICE))
    read = int(torch.as_tensor(text.marks).sum())
    assert read == min(len(prompt), 16)
    if "Ω" in prompt:
        assert "".join(text.tokens[:read]) == f"{OTHER * 2} {OTHER}\n"
        assert text.notes[0].values["strange"] == "Ω글한"


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "a" * 2001}, "prompt"),
        ({"corpus": "pasted", "pasted": ""}, "pasted"),
        ({"corpus": "pasted", "pasted": "ab" * 1000}, "pasted"),
        ({"corpus": "pasted", "pasted": "the quick brown fox"}, "pasted"),
        ({"corpus": "pasted", "pasted": ALICE * 20}, "pasted"),
        ({"d_model": 64, "heads": 3}, "heads"),
        ({"off": ["3.1"]}, "off"),
        ({"heads": 2, "off": ["1.3"]}, "off"),
        ({"temperature": -1.0}, "temperature"),
    ],
)
def test_bad_knobs_are_refused_at_their_field(knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        GPTKnobs(**knobs)


def test_a_pasted_text_of_too_few_pairs_is_refused_at_its_field() -> None:
    few = ALICE[:400]
    with pytest.raises(KnobError) as caught:
        built(GPTExperiment, corpus="pasted", pasted=few, tokens="pairs", merges=1000)
    assert caught.value.knob == "pasted"
    experiment, knobs = built(GPTExperiment, corpus="pasted", pasted=few, batch_size=2)
    take(experiment, knobs, 2)


def test_korean_text_of_ones_own_is_read_in_pairs() -> None:
    text = "나는 오늘도 학교에 갔다. 너는 어제도 도서관에 갔다. 우리는 내일도 공원에 간다. " * 30
    run = Driven(GPTExperiment, corpus="pasted", pasted=text, tokens="pairs", length=16).train(3)
    shown = run.change(prompt="나는 내일").look("text")
    assert "".join(shown.tokens).startswith("나는 내일")
    assert not shown.notes


@pytest.mark.slow
def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(GPTExperiment).train(2)
    picture = run.look("candidates")
    assert picture.reading.values["token"] == picture.labels[0]
    assert picture.reading.values["percent"] in (f"{100 * float(picture.values[0, 0]):.0f}", "<1")
    picture = run.look("lens")
    for key, row in (("first", 0), ("last", -1)):
        share = float(torch.as_tensor(picture.values)[row].mean())
        assert picture.reading.values[key] == (f"{100 * share:.0f}" if share >= 0.01 else "<1")
    picture = run.look("cost")
    layer, head = (picture.reading.values[key] - 1 for key in ("layer", "head"))
    assert picture.values[layer, head] == torch.as_tensor(picture.values).nan_to_num(-9).max()
    picture = run.look("attention")
    last = picture.weights[-1][:, -1].amax(0)
    assert picture.reading.values["key"] == picture.keys[int(last.argmax())]


def test_where_nothing_follows_the_prompt_or_every_head_is_off_nothing_is_read() -> None:
    run = Driven(GPTExperiment, layers=1, heads=1, prompt="a")
    assert run.look("lens").reading is None
    assert run.change(off=["1.1"]).look("cost").reading is None


def test_what_is_said_of_what_it_writes_and_its_heads_is_what_the_pictures_show() -> None:
    run = Driven(GPTExperiment, **OWN)
    assert run.look("head_history").reading is None  # none has been looked at yet
    run.train(26)
    tokens = torch.as_tensor(run.look("text").values)
    mean = 100 * float(tokens.nanmean())
    assert run.look("text").reading.values == {"percent": f"{mean:.0f}" if mean >= 1 else "<1"}
    picture = run.look("head_history")
    last = torch.as_tensor(picture.values)[0, :, -1]
    head = heads_of(run.knobs)[int(last.argmax())]
    assert picture.reading.values == {"head": head, "percent": f"{100 * float(last.max()):.0f}"}
    break_weights(run.experiment)
    assert run.look("text").reading is None
