"""Sequence to sequence: scores and steps against the formulas written out, the beam, forcing, refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from descent.experiments.sequence.seq2seq import (
    BIN,
    FEWEST,
    MOST,
    READ,
    TITLES,
    Seq2Seq,
    Seq2SeqKnobs,
    wrong_tokens,
)
from descent.kit.data.spoken import english_words, is_held_out
from descent.kit.data.translation import END, PAD
from descent.kit.nn.beam import beam_search
from driving import Driven, built, take


@pytest.fixture(scope="module")
def small() -> Driven:
    """A run of some steps, so that no weight is as it began."""
    return Driven(Seq2Seq, width=16, batch_size=16).train(8)


def gru(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    """One step of a GRU, from its weights, as PyTorch's documentation has it."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    last = "" if isinstance(cell, torch.nn.GRUCell) else "_l0"
    W_i, W_h, b_i, b_h = (getattr(cell, name + last) for name in names)
    (i_r, i_z, i_n), (h_r, h_z, h_n) = (W_i @ x + b_i).chunk(3), (W_h @ h + b_h).chunk(3)
    z = torch.sigmoid(i_z + h_z)
    return (1 - z) * torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n) + z * h


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
def test_scores_and_outputs_are_the_formulas_written_out(small: Driven, name: Any) -> None:
    model = small.experiment.models[name]
    sources, targets = small.experiment.unseen
    for n in (0, 3):
        source = sources[n][sources[n] != PAD]
        h, start = model.encoder(source[None])
        h, s = h[0], start[0]
        logits, _, weights = model.decode(
            model.embedding(targets[n : n + 1, :6]), start, model.encode(source[None])
        )
        for i, token in enumerate(targets[n, :6]):
            y = model.embedding.weight[token]
            if name == "none":
                s = gru(model.gru, y, s)
                torch.testing.assert_close(logits[0, i], model.W_o(s))
                continue
            if name == "luong":
                s = gru(model.gru, y, s)
                e = torch.stack([s @ (model.W_a.weight @ h_j) for h_j in h])
            else:
                W_a, U_a, v = model.W_a.weight, model.U_a.weight, model.v.weight[0]
                e = torch.stack([v @ torch.tanh(W_a @ s + U_a @ h_j) for h_j in h])
            a = [math.exp(e_j) / sum(math.exp(e_k) for e_k in e) for e_j in e]
            torch.testing.assert_close(weights[0, i], torch.tensor(a))
            c = sum(a_j * h_j for a_j, h_j in zip(a, h, strict=True))
            if name == "luong":
                read = torch.tanh(model.W_c.weight @ torch.cat([c, s]))
            else:
                s = gru(model.cell, torch.cat([y, c]), s)
                read = torch.cat([s, y, c])
            torch.testing.assert_close(logits[0, i], model.W_o(read))


@torch.no_grad()
def test_the_encoder_reads_both_ways_and_begins_with_both_ends(small: Driven) -> None:
    encoder = small.experiment.models["none"].encoder
    tokens = small.experiment.spoken.encode("이만삼")
    h, start = encoder(tokens[None])
    ends = []
    for way, order in (("", range(4)), ("_reverse", range(3, -1, -1))):
        cell = torch.nn.GRUCell(8, 8)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(cell, name).copy_(getattr(encoder.gru, f"{name}_l0{way}"))
        state = torch.zeros(8)
        for j in order:
            state = gru(cell, encoder.embedding.weight[tokens[j]], state)
            torch.testing.assert_close(h[0, j, 8:] if way else h[0, j, :8], state)
        ends.append(state)
    torch.testing.assert_close(start[0], torch.tanh(encoder.W_s(torch.cat(ends))))


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
def test_padding_changes_nothing(small: Driven, name: Any) -> None:
    model = small.experiment.models[name]
    sources, targets = small.experiment.unseen
    together = model(sources[:20], targets[:20, :-1])
    for n in range(20):
        alone = model(sources[n : n + 1][:, sources[n] != PAD], targets[n : n + 1, :-1])
        torch.testing.assert_close(together[n], alone[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
def test_all_forced_step_by_step_is_the_parallel_pass(small: Driven, name: Any) -> None:
    model = small.experiment.models[name]
    source, given = small.experiment.unseen.sources, small.experiment.unseen.targets[:, :-1]
    stepwise = model(source, given, torch.ones_like(given, dtype=torch.bool))
    torch.testing.assert_close(stepwise, model(source, given), atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
def test_nothing_forced_is_what_the_network_writes_by_itself(small: Driven, name: Any) -> None:
    model, experiment = small.experiment.models[name], small.experiment
    given = experiment.unseen.targets[:, :-1]
    free = model(experiment.unseen.sources, given, torch.zeros_like(given, dtype=torch.bool)).argmax(2)
    for n in range(20):
        source = experiment.unseen.sources[n]
        (greedy,) = model.search(source[source != PAD], 1, given.shape[1])
        assert free[n].tolist()[: len(greedy.tokens)] == greedy.tokens


def test_the_share_that_is_forced_is_the_knobs(small: Driven) -> None:
    knobs = small.knobs.model_copy(update={"forcing": 0.3, "batch_size": 256})
    forced = small.experiment._coming(knobs)[1]
    assert float(forced.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert small.experiment._coming(small.knobs)[1] is None


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
@pytest.mark.slow
def test_a_beam_of_one_is_greedy_and_a_wider_one_never_less_likely(small: Driven, name: Any) -> None:
    model, experiment = small.experiment.models[name], small.experiment
    pairs = experiment._drawn(70, -5, held_out=True)
    for source in pairs.sources:
        source = source[source != PAD]
        (greedy,) = model.search(source, 1, 12)
        memory = model.encode(source[None])
        s, token, written, total = memory.start, torch.tensor([1]), [], 0.0
        while len(written) < 12 and written[-1:] != [END]:
            logits, s, _ = model.decode(model.embedding(token)[:, None], s, memory)
            chances = logits[0, 0].log_softmax(0)
            chances[PAD] = -torch.inf  # which is no token to write
            token = chances.argmax()[None]
            written.append(int(token))
            total += float(chances.max())
        assert greedy.tokens == written
        assert greedy.score == pytest.approx(total, abs=1e-3)
        wide = model.search(source, 4, 12)
        scores = [hypothesis.score for hypothesis in wide]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] >= greedy.score - 1e-4
        assert len({tuple(hypothesis.tokens) for hypothesis in wide}) == len(wide) == 4


@torch.no_grad()
@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("steps", [0, 8])
def test_greedy_for_many_texts_at_once_is_a_beam_of_one_for_each(
    small: Driven, name: Any, steps: int
) -> None:
    run = small if steps else Driven(Seq2Seq, width=16)
    model, sources = run.experiment.models[name], run.experiment.unseen.sources[:12]
    tokens, chances = model.greedy(sources, 12)
    for n, source in enumerate(sources):
        (greedy,) = model.search(source[source != PAD], 1, 12)
        length = len(greedy.tokens)
        assert tokens[n, :length].tolist() == greedy.tokens
        assert not tokens[n, length:].any(), "nothing after the end"
        assert float(chances[n, :length].log().sum()) == pytest.approx(greedy.score, abs=1e-3)


def test_a_beam_finds_what_greedy_misses_and_keeps_what_it_would_drop() -> None:
    """Chains of tokens by hand: what follows depends on the token before."""

    def chain(first: list[float], second: dict[int, list[float]]) -> Any:
        def advance(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            ending = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
            rows = [first if t == 1 else second.get(t, ending) for t in tokens.tolist()]
            return torch.tensor(rows).log(), state

        return advance

    state = torch.zeros(1, 1)
    # Greedily 3 (0.6), then at best 0.5: 0.3. By 4: 0.4 × 0.9 = 0.36.
    better = chain([0, 0, 0, 0.6, 0.4, 0], {3: [0, 0, 0.5, 0, 0, 0.5], 4: [0, 0, 0.9, 0, 0, 0.1]})
    (greedy,) = beam_search(better, state, 1, 9)
    assert (greedy.tokens[0], greedy.score) == (3, pytest.approx(math.log(0.3)))
    best = beam_search(better, state, 2, 9)[0]
    assert (best.tokens, best.score) == ([4, END], pytest.approx(math.log(0.36)))
    # Greedily 3 (0.4), then the end (0.2). Two keep 4 5 and 5 4 (0.29 each), which have no good end.
    worse = chain(
        [0, 0, 0, 0.4, 0.3, 0.3],
        {3: [0, 0, 0.5, 0.5, 0, 0], 4: [0, 0, 0.0, 0.02, 0, 0.98], 5: [0, 0, 0.02, 0, 0.98, 0]},
    )
    (greedy,) = beam_search(worse, state, 1, 4)
    found = beam_search(worse, state, 2, 4)
    assert found[0].score >= greedy.score


@pytest.mark.slow
def test_an_exact_output_is_one_that_it_writes_by_itself() -> None:
    run = Driven(Seq2Seq, digits=7, width=32, batch_size=32).train(76)
    experiment = run.experiment
    for place, name in enumerate(TITLES):
        experiment._tested()
        for n in range(30):
            source, target = experiment.unseen.sources[n], experiment.unseen.targets[n]
            (greedy,) = experiment.models[name].search(source[source != PAD], 1, MOST)
            right = greedy.tokens == target[1:][target[1:] != PAD].tolist()
            assert bool(experiment.right[place, n]) is right
    assert 0 < float(experiment.right.mean()) < 1


def test_all_begin_with_one_encoder_and_take_steps_of_adam_on_the_same_pairs() -> None:
    (mine, knobs), (twin, _) = (built(Seq2Seq, width=16, batch_size=8) for _ in range(2))
    embeddings = [model.encoder.embedding.weight for model in mine.models.values()]
    assert all(torch.equal(weight, embeddings[0]) for weight in embeddings)
    references = {name: torch.optim.Adam(model.parameters(), knobs.lr) for name, model in twin.models.items()}
    for n in range(3):
        (row,) = take(mine, knobs, 1)
        twin.step_index = n
        drawn = twin.spoken.draw(8, twin.generator(n), held_out=False)
        for name, model in twin.models.items():
            logits = model(drawn.sources, drawn.targets[:, :-1])
            loss = F.cross_entropy(logits.mT, drawn.targets[:, 1:], ignore_index=PAD)
            assert row[f"loss/{name}"] == pytest.approx(loss.item(), rel=1e-5)
            references[name].zero_grad()
            loss.backward()
            references[name].step()
    for name in TITLES:
        for one, other in zip(mine.models[name].parameters(), twin.models[name].parameters(), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("knobs", "field", "said"),
    [
        ({"korean": "  "}, "korean", "it is empty"),
        ({"korean": "이백 둘"}, "korean", "at character 4: the networks know no “둘”"),
        ({"korean": "234"}, "korean", "at character 1: the networks know no “2”"),
        ({"korean": "백" * 27}, "korean", "27 tokens: use at most 26"),
        ({"korean": "백" * 1000}, "korean", "at most 120 characters"),
        ({"korean": "천구백 년"}, "korean", "at character 5: the networks know no “년”"),
        (
            {"source": "en", "english": "two hundred and six"},
            "english",
            "at character 13: the networks know no “and”",
        ),
        ({"source": "en", "english": ",-,"}, "english", "it is empty"),
        ({"source": "en", "english": "six " * 250}, "english", "at most 240 characters"),
        ({"said": "dates", "korean_date": "이천 해"}, "korean_date", "at character 4"),
        ({"said": "dates", "source": "en", "english_date": "Maytember"}, "english_date", "“maytember”"),
    ],
)
def test_a_bad_text_is_refused_at_its_field_with_the_place(
    knobs: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Seq2SeqKnobs(**knobs)
    assert field in str(refused.value)
    assert said in str(refused.value)


def test_only_the_text_in_use_is_looked_at() -> None:
    Seq2SeqKnobs(english="nonsense", korean_date="")


def test_the_texts_at_first_are_held_out() -> None:
    for said in ("numbers", "dates"):
        for source in ("ko", "en"):
            run = Driven(Seq2Seq, said=said, source=source, width=8)
            value = run.experiment.spoken.source.read(run.knobs.text)
            assert is_held_out(value)
            assert run.experiment.spoken.answer(run.knobs.text) is not None


def test_panels_show_what_the_networks_write(small: Driven) -> None:
    small.change(beam=4, shown="luong")
    answer = english_words(small.knobs.english)
    for name in ("bahdanau", "luong"):
        picture = small.look(name)
        assert picture.queries == [*answer, "⊣"]
        assert "".join(picture.keys) == "천이백삼십사만오천육백사십팔⊣"
        torch.testing.assert_close(torch.as_tensor(picture.weights).sum(3), torch.ones(1, 1, 12))
    ranking, outputs = small.look("candidates"), small.look("outputs")
    found = small.experiment.models["luong"].search(small.experiment.spoken.encode(small.knobs.text), 4, MOST)
    assert ranking.values[:, 0].tolist() == pytest.approx([math.exp(h.score) for h in found], rel=1e-4)
    rows = " ".join(outputs.tokens).split("\n")
    assert [row.strip().startswith(title) for row, title in zip(rows, TITLES.values(), strict=False)] == [
        True
    ] * 3
    begin = outputs.tokens.index("Luong")
    chances = torch.as_tensor(outputs.values)[begin + 1 :]
    assert float(chances.log().sum()) == pytest.approx(found[0].score, abs=0.01)


def rows_of(picture: Any) -> list[tuple[list[str], Tensor, Tensor]]:
    """Tokens, probabilities and marks of each row, and no sign at its end."""
    ends = [i + 1 for i, token in enumerate(picture.tokens) if token.endswith("\n")]
    rows = []
    for first, last in zip([0, *ends], ends, strict=False):
        tokens = [token.rstrip("\n") for token in picture.tokens[first:last]]
        rows.append(
            (tokens, *(torch.as_tensor(part)[first:last] for part in (picture.values, picture.marks)))
        )
    return rows


@pytest.mark.parametrize("source", ["ko", "en"])
def test_the_same_held_out_texts_are_translated_at_every_step_short_to_long(source: Any) -> None:
    run = Driven(Seq2Seq, source=source, digits=7, width=32, batch_size=32)
    spoken, seen = run.experiment.spoken, []
    for steps in (0, 101):
        run.train(steps)
        rows = rows_of(run.look("held_out"))
        assert len(rows) == READ * (1 + len(TITLES))
        headings = [tokens for tokens, *_ in rows[:: 1 + len(TITLES)]]
        seen.append(headings)
        right = dict.fromkeys(TITLES, 0)
        for n, (text, *wanted) in enumerate(headings):
            value = spoken.source.read(text)
            assert is_held_out(value)
            answer = spoken.answer(text)
            assert [token for token in wanted if token] == spoken.target.names(answer)
            for place, (name, title) in enumerate(TITLES.items(), 1):
                tokens, chances, marks = rows[n * (1 + len(TITLES)) + place]
                (greedy,) = run.experiment.models[name].search(spoken.encode(text), 1, MOST)
                kept = greedy.tokens[:-1] if greedy.tokens[-1] == END else greedy.tokens
                assert [token for token in tokens if token] == [title, *spoken.target.names(kept)]
                assert float(chances[1:].log().sum()) == pytest.approx(greedy.score, abs=1e-3)
                right[name] += greedy.tokens == [*answer, END]
                assert bool(marks.any()) is (greedy.tokens != [*answer, END])
        assert run.look("held_out").reading.values == {"all": READ, **right}
    assert seen[0] == seen[1]
    lengths = [len(spoken.encode(text)) for text, *_ in seen[0]]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[1] < lengths[-1]
    if source == "ko":  # the other way is learnt later
        assert right["bahdanau"] > 0


@pytest.mark.parametrize(
    ("output", "marked"),
    [
        ([3, 4, 5, 2], []),
        ([3, 6, 5, 2], [1]),
        ([3, 7, 4, 5, 2], [1]),
        ([3, 5, 2], [1]),  # what is missing is marked at what comes next
        ([3, 4, 5], [2]),  # or at the end
        ([6, 7, 7, 7], [0, 1, 2, 3]),
    ],
)
def test_a_mark_is_where_the_output_has_to_be_mended(output: list[int], marked: list[int]) -> None:
    assert [i for i, wrong in enumerate(wrong_tokens(output, [3, 4, 5, 2])) if wrong] == marked


def test_by_length_is_the_share_of_those_so_long(small: Driven) -> None:
    small.experiment._tested()
    lines, experiment = small.look("by_length"), small.experiment
    lengths = (experiment.unseen.sources != PAD).sum(1) - 1
    for k, x in enumerate(lines.x.tolist()):
        inside = (lengths - x).abs() < BIN / 2
        for place in range(3):
            few = int(inside.sum()) < FEWEST
            expected = torch.tensor(torch.nan) if few else experiment.right[place, inside].mean()
            torch.testing.assert_close(lines.values[0, place, k], expected, equal_nan=True)


def test_what_is_no_number_is_translated_without_a_mark(small: Driven) -> None:
    small.change(korean="백백만")
    assert max(small.look("outputs").marks.tolist()) == 0
    assert not small.look("candidates").names[0].startswith(("✓", "✗"))
    queries = small.look("bahdanau").queries
    assert queries == small.experiment.spoken.target.names(
        small.experiment.models["bahdanau"]
        .search(small.experiment.spoken.encode("백백만"), small.knobs.beam, MOST)[0]
        .tokens
    )


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Seq2Seq).train(2)
    picture = run.look("bahdanau")
    weights = picture.weights[0, 0]
    query, key = (weights == weights.max()).nonzero()[0].tolist()
    share = f"{100 * float(weights.max()):.0f}"
    assert picture.reading.values == {
        "query": picture.queries[query],
        "key": picture.keys[key],
        "percent": share,
    }
    picture = run.look("outputs")
    marks = torch.as_tensor(picture.marks)
    ends = [i + 1 for i, token in enumerate(picture.tokens) if token.endswith("\n")]
    right = sum(not marks[first:last].any() for first, last in zip([0, *ends], ends, strict=False))
    assert picture.reading.values == {"right": right, "all": 3}


def test_of_a_network_that_is_nowhere_no_look_is_read() -> None:
    run = Driven(Seq2Seq)
    with torch.no_grad():
        for parameter in run.experiment.models["luong"].parameters():
            parameter.fill_(float("nan"))
    assert run.look("luong").reading is None


def test_what_is_said_of_lengths_and_candidates_is_what_the_pictures_show(small: Driven) -> None:
    ranking = small.look("candidates")
    first, *others = ranking.values[:, 0].tolist()
    share = 100 * first / (first + sum(others))
    assert ranking.reading.values["percent"] in (f"{share:.0f}", ">99")
    assert ranking.reading.values["n"] == 1 + len(others)
    kept = small.experiment.right
    try:
        assert small.look("by_length").reading is None  # as yet all are wrong
        small.experiment.right = torch.stack([torch.zeros_like(kept[0]), kept[1], torch.ones_like(kept[2])])
        said = small.look("by_length").reading.values
        assert (said["high"], said["most"], said["least"]) == ("Luong", "100", "0")
    finally:
        small.experiment.right = kept
