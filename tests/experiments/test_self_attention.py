"""Self-attention: every number against the formula written out, the mask, the root, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from descent.experiments.attention.self_attention import (
    SelfAttention,
    SelfAttentionExperiment,
    SelfAttentionKnobs,
    entropy,
    permitted,
    softmax_slope,
)
from descent.kit.data.gapped import GAP, Sentences
from descent.kit.data.translation import PAD
from driving import Driven, assert_steps_are_adams, break_weights, built


@torch.no_grad()
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("look", ["all", "past", "others"])
def test_attention_is_the_formula_written_out(look: Any, scaled: bool) -> None:
    torch.manual_seed(0)
    layer, d, h, T = SelfAttention(12, 3), 12, 3, 5
    x = torch.randn(T, d)
    allowed = permitted(torch.arange(2, 2 + T), look)
    attended = layer(x, allowed, scaled)
    heads = []
    for m in range(h):
        part = slice(m * d // h, (m + 1) * d // h)
        Q, K, V = (x @ W.weight[part].T for W in (layer.W_Q, layer.W_K, layer.W_V))
        torch.testing.assert_close(attended.Q[m], Q)
        z = torch.zeros(T, d // h)
        for i in range(T):
            scores = torch.tensor([float(q_k) for q_k in (Q[i] * K).sum(1)])
            if scaled:
                scores = scores / math.sqrt(d // h)
            may = [j for j in range(T) if look == "all" or (j <= i if look == "past" else j != i)]
            total = sum(math.exp(scores[j]) for j in may)
            for j in range(T):
                a = math.exp(scores[j]) / total if j in may else 0.0
                assert float(attended.weights[m, i, j]) == pytest.approx(a, abs=1e-5)
                assert (j in may) or float(attended.weights[m, i, j]) == 0.0, "exactly"
                z[i] += a * V[j]
        torch.testing.assert_close(attended.z[m], z)
        heads.append(z)
    torch.testing.assert_close(attended.joined, torch.cat(heads, 1) @ layer.W_O.weight.T)


def test_nothing_looks_at_padding_and_padding_changes_no_sentence() -> None:
    experiment, _ = built(SelfAttentionExperiment)
    tokens = torch.tensor([[2, 12, 24, PAD, PAD]])
    padded = experiment.model(tokens, "all", True)
    torch.testing.assert_close(padded[:, :3], experiment.model(tokens[:, :3], "all", True))
    assert experiment.model.attend(tokens, "all", True).weights[..., 3:].abs().max() == 0


def test_the_order_of_words_changes_nothing_but_the_order_of_rows() -> None:
    experiment, _ = built(SelfAttentionExperiment)
    tokens, order = torch.tensor([2, 9, 12, 30]), torch.tensor([2, 0, 3, 1])
    weights = experiment.model.attend(tokens, "all", True).weights
    moved = experiment.model.attend(tokens[order], "all", True).weights
    torch.testing.assert_close(moved, weights[:, order][:, :, order])


def test_slope_is_the_norm_of_softmaxs_jacobian_and_entropy_torchs() -> None:
    scores = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)) * 3
    for row in scores:
        jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(-1), row)
        assert float(softmax_slope(row)) == pytest.approx(float(jacobian.norm()), rel=1e-4)
        expected = torch.distributions.Categorical(logits=row).entropy()
        assert float(entropy(row.softmax(-1))) == pytest.approx(float(expected), rel=1e-4)


@torch.no_grad()
def test_scores_of_a_new_layer_have_the_variance_that_the_root_takes_out() -> None:
    torch.manual_seed(0)
    d = 256
    attended = SelfAttention(d, 1)(torch.randn(64, d), torch.ones(64, 64, dtype=torch.bool), True)
    assert float(attended.dot.var()) == pytest.approx(d, rel=0.25)
    assert float(attended.scaled.var()) == pytest.approx(1, rel=0.25)
    lines = Driven(SelfAttentionExperiment).look("why_the_root")
    variance = torch.as_tensor(lines.values)[0]
    sizes = torch.as_tensor(lines.x)
    torch.testing.assert_close(variance[0], sizes, rtol=0.2, atol=0)
    torch.testing.assert_close(variance[1], torch.ones_like(sizes), rtol=0.2, atol=0)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_gap_follows_from_the_rest_and_held_out_pairs_never_train(language: Any) -> None:
    sentences = Sentences(language)
    seen = []
    for held_out in (False, True):
        drawn = sentences.draw(2000, torch.Generator().manual_seed(0), held_out=held_out)
        assert (drawn.tokens.gather(1, drawn.places[:, None]) == GAP).all()
        whole = drawn.tokens.scatter(1, drawn.places[:, None], drawn.words[:, None])
        place = {name: sentences.order.index(name) for name in sentences.order}
        subject, thing, verb = (whole[:, place[name]] for name in ("subject", "object", "verb"))
        phrase = thing - sentences.first["object"]
        other = (subject - sentences.first["subject"] >= sentences.plain).long()
        assert (verb == sentences.first["verb"] + 2 * phrase + other).all()
        seen.append({(int(s), int(o)) for s, o in zip(subject, thing, strict=True)})
    assert not seen[0] & seen[1]
    assert (len(seen[0]), len(seen[1])) == (36, 12)


def test_a_word_of_no_sentence_has_a_token_of_its_own_and_always_the_same() -> None:
    sentences = Sentences("en")
    token = int(sentences.encode(["zebra"])[0])
    assert len(sentences.words) <= token < sentences.size
    assert sentences.encode(["a", "zebra"])[1] == token


def test_the_numbers_of_a_cell_add_up_to_what_the_map_shows() -> None:
    run = Driven(SelfAttentionExperiment, cell=(2, 1), stage="dot", head=2).train(20)
    shown = torch.as_tensor(run.look("scores").values)
    cell = torch.as_tensor(run.look("product").values)
    torch.testing.assert_close(cell[0, :-1] * cell[1, :-1], cell[2, :-1])
    assert float(cell[2, :-1].sum()) == pytest.approx(float(cell[2, -1]), rel=1e-4)
    assert float(cell[2, -1]) == pytest.approx(float(shown[2, 1]), rel=1e-4)
    parts = torch.as_tensor(run.look("weighted_sum").values)
    torch.testing.assert_close(parts[:-1].sum(0), parts[-1])
    weights = torch.as_tensor(run.change(stage="weights").look("scores").values)
    torch.testing.assert_close(weights.sum(1), torch.ones(5))
    v = torch.as_tensor(run.look("projections").values)[:, 8:]
    torch.testing.assert_close(parts[:-1], weights[2][:, None] * v)


def test_steps_are_adams_on_the_loss() -> None:
    (mine, knobs), (twin, _) = (built(SelfAttentionExperiment, d_model=8) for _ in range(2))
    assert_steps_are_adams(mine, twin, knobs)


def test_the_loss_on_unseen_pairs_is_torchs() -> None:
    run = Driven(SelfAttentionExperiment).train(1)
    experiment, _ = built(SelfAttentionExperiment)
    tokens, places, words = experiment.unseen
    logits = experiment.model(tokens, "all", True)[torch.arange(len(tokens)), places].detach()
    assert run.last("loss/test") == pytest.approx(float(F.cross_entropy(logits, words)), rel=1e-5)


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"sentence": "   "}, "sentence"),
        ({"sentence": "a " * 13}, "sentence"),
        ({"language": "ko", "korean": ""}, "korean"),
        ({"d_model": 10, "heads": 4}, "heads"),
    ],
)
def test_a_bad_sentence_is_refused_at_its_field(knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        SelfAttentionKnobs(**knobs)


def test_one_word_and_a_gap_or_a_cell_beyond_the_sentence_are_looked_at_all_the_same() -> None:
    for knobs in ({"sentence": "I"}, {"sentence": "I enjoy", "gap": 12, "cell": (11, 11), "head": 8}):
        for look in ("all", "past", "others"):
            run = Driven(SelfAttentionExperiment, allowed=look, **knobs)
            for panel in ("scores", "projections", "filled", "every_head"):
                run.look(panel)
            cell, parts = (torch.as_tensor(run.look(name).values) for name in ("product", "weighted_sum"))
            assert float(cell[2, :-1].sum()) == pytest.approx(float(cell[2, -1]), rel=1e-4, abs=1e-6)
            assert len(parts) == len(run.knobs.words) + 1
            torch.testing.assert_close(parts[:-1].sum(0), parts[-1])


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(SelfAttentionExperiment).train(3).change(cell=(2, 1), stage="weights")
    picture = run.look("scores")
    row = torch.as_tensor(picture.values)[2]
    found = {"key": picture.columns[int(row.argmax())], "percent": f"{100 * float(row.max()):.0f}"}
    assert picture.reading.values == {"query": picture.rows[2], **found}
    picture = run.look("product")
    score = float(picture.reading.values["score"].replace("−", "-"))
    assert score == pytest.approx(float(picture.values[2, -1]), rel=0.06)
    picture = run.look("weighted_sum")
    sizes = torch.as_tensor(picture.values)[:-1].norm(dim=1)
    assert picture.rows[int(sizes.argmax())] == f"a·v: {picture.reading.values['word']}"
    picture = run.look("filled")
    shown = {"word": picture.labels[0], "percent": f"{100 * float(picture.values[0, 0]):.0f}"}
    assert picture.reading.values == shown


def test_of_a_model_that_is_nowhere_nothing_is_read() -> None:
    run = Driven(SelfAttentionExperiment)
    with torch.no_grad():
        for parameter in run.experiment.model.parameters():
            parameter.fill_(float("nan"))
    for panel in ("scores", "product", "weighted_sum", "filled"):
        assert run.look(panel).reading is None


def test_what_is_said_of_the_heads_is_what_the_pictures_show() -> None:
    run = Driven(SelfAttentionExperiment).train(3)
    picture = run.look("projections")
    q, k, _ = torch.as_tensor(picture.values).chunk(3, 1)
    fits = q @ k.T
    query, key = divmod(int(fits.argmax()), len(k))
    said = picture.reading.values
    assert (said["query"], said["key"]) == (picture.rows[query], picture.rows[key])
    assert float(said["score"].replace("−", "-")) == pytest.approx(float(fits.max()), rel=0.06)
    picture = run.look("every_head")
    weights = torch.as_tensor(picture.weights)
    _, _, query, key = (int(place) for place in (weights == weights.max()).nonzero()[0])
    said = {"query": picture.queries[query], "key": picture.keys[key]}
    assert picture.reading.values == {**said, "percent": f"{100 * float(weights.max()):.0f}"}
    picture = run.look("why_the_root")
    raw, scaled = torch.as_tensor(picture.values)[0, :, -1].tolist()
    assert float(picture.reading.values["raw"]) == pytest.approx(raw, rel=0.06)
    assert float(picture.reading.values["scaled"]) == pytest.approx(scaled, rel=0.06)
    assert raw / scaled == pytest.approx(float(picture.x[-1]), rel=1e-3)  # d_k
    break_weights(run.experiment)
    assert run.look("projections").reading is run.look("every_head").reading is None
