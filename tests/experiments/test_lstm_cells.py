"""The LSTM's cells: texts and their properties, gates against PyTorch, the ranking, training and sampling."""

from __future__ import annotations

import io
import math
import random
import sysconfig
import tokenize
from pathlib import Path
from statistics import median

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

import driving
from descent.contract import KnobError
from descent.contract.panels import Ranking, Tokens, Traces
from descent.engine.observe import look
from descent.experiments.sequence.lstm_cells import (
    BEST,
    PROMPT,
    READ_OUT,
    SAMPLE,
    CellKnobs,
    LSTMCells,
    bits,
    write,
)
from descent.kit.data.text import OTHER, PROPERTIES, SHOWN, Text, generate, load, pasted, properties_of
from descent.kit.nn.gates import RECURRENT, Recurrent, accumulate, signals
from descent.kit.nn.reading import TextReader
from descent.kit.nn.tracking import auc, correlation, positive, ranks, read_out, switched, tracking
from descent.kit.text import rough
from driving import take as train

SMALL = {"corpus": "brackets", "feature": "quotes", "hidden": 16, "batch": 4, "length": 16}


def built(seed: int = 0, **knobs: object) -> tuple[LSTMCells, CellKnobs]:
    return driving.built(LSTMCells, seed, **(SMALL | knobs))


# Properties


def marks(text: str, name: str) -> str:
    """The text's characters as the property marks them: ^ where it is true."""
    return "".join("^" if value else "." for value in properties_of(text)[name].tolist())


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ('a = "b"; c', "quotes", "....^^...."),
        (r'"a\"b" c', "quotes", "^^^^^..."),
        ('"""a"b\n\n""" c', "quotes", "^^^^^^^^....."),
        ("r'a' it's x", "quotes", ".^^........"),
        ("“a” b", "quotes", "^^..."),
        ('"open\n\nnew', "quotes", "^^^^^....."),
        ("f(a[b], c) d", "brackets", ".^^^^^^^^..."),
        ('"(" + (a) # (', "brackets", "......^^....."),
        ('"# no" # yes\nx', "comment", ".......^^^^^.."),
        ("if a[:1]: b", "if", "^^^^^^^^..."),
        (" elif (a or\n b):", "if", ".^^^^^^^^^^^^^^."),
        ("x if a else b", "if", "............."),
        ('# if a:\n"if":', "if", "............."),
    ],
)
def test_a_property_marks_what_a_reader_would(text: str, name: str, expected: str) -> None:
    assert marks(text, name) == expected


def test_indentation_and_column_count_characters() -> None:
    found = properties_of("a\n  bc\n\n d")
    assert found["column"].tolist() == [1, 0, 1, 2, 3, 4, 0, 0, 1, 2]
    assert found["indentation"].tolist() == [0, 0, 1, 2, 2, 2, 0, 0, 1, 1]


@pytest.mark.parametrize("module", ["argparse", "shlex", "asyncio/events", "textwrap"])
def test_quotes_and_comments_are_those_that_pythons_tokenizer_finds(module: str) -> None:
    source = (Path(sysconfig.get_path("stdlib")) / f"{module}.py").read_text(encoding="utf-8")
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    quotes, comments = torch.zeros(len(source)), torch.zeros(len(source))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start, end = (lines[row - 1] + column for row, column in (token.start, token.end))
        if token.type == tokenize.STRING:
            bare = token.string.lstrip("rbfuRBFU")
            closing = 3 if bare[:3] in ('"""', "'''") else 1
            quotes[end - len(bare) : end - closing] = 1
        elif token.type == tokenize.COMMENT:
            comments[start:end] = 1
        elif tokenize.tok_name[token.type].startswith("FSTRING"):
            pytest.skip("this Python splits f-strings into tokens")
    found = properties_of(source)
    assert torch.equal(found["quotes"], quotes)
    assert torch.equal(found["comment"], comments)


def test_a_quote_that_opens_and_one_that_closes_alternate_in_generated_text() -> None:
    text = generate(5000, random.Random(1))
    assert text == generate(5000, random.Random(1))
    found = properties_of(text)
    inside = [character for character, quoted in zip(text, found["quotes"].tolist(), strict=True) if quoted]
    assert set("-") < set(inside)
    assert not set(" ,()\n.") & set(inside)
    assert text.count('"') % 2 == text.count("(") - text.count(")") == 0


# Texts


@pytest.fixture(scope="module", params=["python", "prose", "brackets"])
def text(request: pytest.FixtureRequest) -> Text:
    return load(request.param, "")


@pytest.mark.slow
def test_a_text_shows_a_rich_part_of_what_is_held_out(text: Text) -> None:
    assert len(text.shown) == SHOWN
    held_out = text.held_out.unfold(0, SHOWN, 1)  # each window of that length
    assert (held_out == text.encode(text.shown)).all(1).any()
    assert len(text.train) > 5 * len(text.held_out)
    assert set(text.properties) == set(PROPERTIES)
    for name in ("quotes", "brackets"):
        assert 0.01 < text.properties[name].mean() < 0.95, name
    for codes in (text.train, text.held_out):
        assert codes.min() >= 0
        assert codes.max() < len(text.characters)


@pytest.mark.slow
def test_codes_are_places_in_the_vocabulary_and_rare_characters_become_one(text: Text) -> None:
    line = "and near (old)"
    assert text.decode(text.encode(line).tolist()) == line
    assert text.encode("猫").tolist() == [len(text.characters) - 1]
    assert text.characters[-1] == OTHER


def test_a_pasted_text_has_its_own_characters_and_its_end_is_shown() -> None:
    own = "가나다라 마바사 " * 100 + "끝."
    found = pasted(own)
    assert (found.rare, found.merged) == (2, pytest.approx(2 / len(own)))  # 끝 and . only stand at the end
    assert set(found.characters) == set(own[:-180]) | {OTHER}
    assert own.endswith(found.shown)
    assert len(found.train) + len(found.held_out) == len(own)
    assert len(found.held_out) == len(found.shown) == len(own) // 5


def test_shakespeare_is_read_once_it_was_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    with pytest.raises(KnobError, match="descent data fetch tiny-shakespeare") as caught:
        built(corpus="tiny-shakespeare")
    assert caught.value.knob == "corpus"
    place = tmp_path / "tiny-shakespeare"
    place.mkdir()
    speech = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n"
    (place / "input.txt").write_text(speech * 500)
    experiment, knobs = built(corpus="tiny-shakespeare")
    assert experiment.corpus.shown.startswith(("First Citizen:", "All:"))
    (row,) = train(experiment, knobs, 1)
    assert math.isfinite(row["bits/train"])


def syllables(count: int, length: int) -> str:
    """So many Hangul syllables, evenly from `count` different ones."""
    chance = random.Random(0)
    return "".join(chr(0xAC00 + chance.randrange(count)) for _ in range(length))


def test_a_page_in_a_large_script_is_read_whole() -> None:
    experiment, knobs = built(corpus="pasted", pasted=syllables(500, 6000), feature="column")
    assert (experiment.corpus.rare, experiment.corpus.merged) == (0, 0.0)
    assert experiment.even == pytest.approx(math.log2(500))
    assert not look(experiment, knobs, "text").notes
    assert OTHER not in experiment.corpus.decode(experiment.corpus.held_out.tolist())


def test_a_text_with_too_many_characters_says_what_share_was_merged_and_counts_its_bits() -> None:
    experiment, knobs = built(corpus="pasted", pasted=syllables(2000, 18_000), feature="column")
    merged = experiment.corpus.merged
    assert merged == pytest.approx(1 - 511 / 2000, abs=0.15)  # less: the commoner ones are kept
    (note,) = look(experiment, knobs, "text").notes
    assert note.values == {"percent": round(100 * merged), "sign": OTHER, "rare": experiment.corpus.rare}
    # Nothing can be learned from such a text: no loss may say that less than log₂ 2000 bits are enough.
    with torch.no_grad():
        experiment.model.output.weight.zero_()
        codes = experiment.corpus.train.bincount(minlength=len(experiment.corpus.characters))
        experiment.model.output.bias.copy_((codes / codes.sum()).clamp(min=1e-9).log())
    row = experiment.step(knobs)
    for name in ("bits/train", "bits/held-out", "bits/even"):
        assert float(row[name]) > math.log2(2000) - 0.3, name


def test_line_ends_of_other_systems_and_letters_in_parts_are_read_as_one_character() -> None:
    knobs = CellKnobs(corpus="pasted", pasted="여기\r\n거기\r" * 500 + "e\u0301\u1100\u1161")
    assert set(knobs.pasted) == set("여기거\n\u00e9\uac00")
    assert len(knobs.pasted) == 6 * 500 + 2


def test_marks_joiners_and_signs_of_its_own_kind_can_be_in_a_text() -> None:
    own = "नमस्ते 👩\u200d🔬 שלום\0\t" + OTHER + "\ufeff. "
    experiment, knobs = built(corpus="pasted", pasted=own * 100)
    shown = look(experiment, knobs, "text")
    assert len(shown.tokens) == len(shown.values)
    assert experiment.corpus.decode(experiment.corpus.encode(own).tolist()) == own


def test_half_a_surrogate_pair_is_refused_at_the_field() -> None:
    with pytest.raises(ValidationError) as refused:
        CellKnobs(corpus="pasted", pasted="a\ud83d" * 2000)
    assert [(error["loc"], error["type"]) for error in refused.value.errors(include_input=False)] == [
        (("pasted",), "string_unicode")
    ]


def test_a_property_that_is_nowhere_in_the_text_crowns_no_cell() -> None:
    experiment, knobs = built(corpus="pasted", pasted="abc\n" * 500, feature="quotes")
    table = look(experiment, knobs, "cells")
    assert torch.as_tensor(table.values).isnan().all()
    assert torch.as_tensor(table.baseline).isnan().all()
    text = look(experiment, knobs, "text")
    assert "choose another" in text.notes[0].text
    assert torch.as_tensor(text.values).std() > 0  # a cell that moves
    tracked = torch.as_tensor(look(experiment, knobs, "tracked").values)
    assert tracked.isnan().any(0).tolist() == [True, True, True, True, True, False]
    column = knobs.model_copy(update={"feature": "column"})
    assert not look(experiment, column, "text").notes
    assert not torch.as_tensor(look(experiment, column, "cells").values).isnan().any()


# Gates


def stacked(kind: str, layers: int, inputs: int = 5, hidden: int = 7) -> tuple[nn.RNNBase, list[Recurrent]]:
    """PyTorch's module of some layers, and modules of one layer each with the same weights."""
    torch.manual_seed(1)
    whole: nn.RNNBase = RECURRENT[kind](inputs, hidden, num_layers=layers)
    parts = [RECURRENT[kind](hidden if n else inputs, hidden) for n in range(layers)]
    for number, part in enumerate(parts):
        part.load_state_dict({name: getattr(whole, f"{name[:-1]}{number}") for name in part.state_dict()})
    return whole, parts


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", list(RECURRENT))
@torch.no_grad()
def test_recomputed_signals_give_the_h_and_c_of_pytorch_at_every_position(kind: str, layers: int) -> None:
    whole, parts = stacked(kind, layers)
    x = 2 * torch.randn(50, 5)
    state = None
    below = x
    found = []
    for part in parts:
        found.append(signals(part, below))
        below = found[-1]["h"]
    for t in range(len(x)):
        _, state = whole(x[t : t + 1], state)
        h, c = state if isinstance(state, tuple) else (state, None)
        for number, signal in enumerate(found):
            torch.testing.assert_close(signal["h"][t], h[number], rtol=0, atol=1e-5)
            if c is not None:
                torch.testing.assert_close(signal["c"][t], c[number], rtol=0, atol=1e-5)
    names = {"lstm": ["i", "f", "g", "o", "c", "h"], "gru": ["r", "z", "n", "h"], "rnn": ["h"]}
    assert list(found[0]) == names[kind]


@pytest.mark.parametrize("kind", list(RECURRENT))
@torch.no_grad()
def test_the_signals_of_one_cell_are_its_columns(kind: str) -> None:
    _, (layer, _) = stacked(kind, 2)
    x = torch.randn(20, 5)
    whole = signals(layer, x)
    for name, values in signals(layer, x, slice(3, 4)).items():
        torch.testing.assert_close(values, whole[name][:, 3:4])


@torch.no_grad()
def test_gates_are_those_of_the_equations() -> None:
    torch.manual_seed(2)
    layer, x = nn.LSTM(3, 4), torch.randn(1, 3)
    found = signals(layer, x)
    z = layer.weight_ih_l0 @ x[0] + layer.bias_ih_l0 + layer.bias_hh_l0  # h_0 = 0
    i, f, g, o = z.view(4, 4)
    for name, expected in (("i", i.sigmoid()), ("f", f.sigmoid()), ("g", g.tanh()), ("o", o.sigmoid())):
        torch.testing.assert_close(found[name][0], expected)
    torch.testing.assert_close(found["c"][0], i.sigmoid() * g.tanh())


def test_accumulating_forgets_and_adds() -> None:
    kept = torch.tensor([[0.9], [0.5], [0.0]])
    assert accumulate(kept, torch.ones(3, 1)).flatten().tolist() == [1, 1.5, 1]


# Tracking


def test_correlation_and_auc_are_those_of_their_definitions() -> None:
    torch.manual_seed(3)
    values = torch.randn(60, 4).mul(3).round()  # with ties
    prop = (torch.rand(60) < 0.4).float()
    table = torch.corrcoef(torch.cat([values.t(), prop[None]]))[-1, :-1].abs()
    torch.testing.assert_close(correlation(values, prop[:, None])[:, 0], table)
    for number, found in enumerate(auc(ranks(values), prop[:, None])[:, 0].tolist()):
        yes, no = values[prop == 1, number], values[prop == 0, number]
        difference = (yes[:, None] - no).sign()
        area = ((difference + 1) / 2).mean().item()
        assert found == pytest.approx(max(area, 1 - area))


def test_what_is_constant_is_tracked_by_nothing() -> None:
    values, constant = torch.randn(30, 2), torch.ones(30)
    assert correlation(values, constant[:, None]).tolist() == [[0], [0]]
    assert positive(constant).sum() == 0
    assert auc(ranks(values), positive(constant)[:, None]).tolist() == [[0.5], [0.5]]
    assert correlation(torch.ones(30, 1), values).tolist() == [[0, 0]]


def test_large_means_above_the_median_and_for_a_frequent_yes_the_yes() -> None:
    assert positive(torch.tensor([1.0, 2, 3, 4])).tolist() == [0, 0, 1, 1]
    assert positive(torch.tensor([1.0, 1, 1, 0])).tolist() == [1, 1, 1, 0]
    assert positive(torch.tensor([0.0, 0, 0, 1])).tolist() == [0, 0, 0, 1]


def smooth(length: int, cells: int, seed: int) -> Tensor:
    """Random columns that change slowly, as cells do."""
    noise = torch.randn(length, cells, generator=torch.Generator().manual_seed(seed))
    return accumulate(torch.full_like(noise, 0.95), noise).div(8).tanh()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_cells_find_nothing_above_chance(seed: int) -> None:
    values = smooth(2000, 64, seed)
    prop = (smooth(2000, 1, seed + 100)[:, 0] > 0).float()
    figures, chance = tracking(values, ranks(values), prop)
    assert (figures.amax(0) < chance).all()
    guess = read_out(values, prop)
    assert correlation(guess[:, None], prop[:, None]).item() < 0.4


def test_a_planted_column_is_first_and_far_above_chance() -> None:
    values = smooth(2000, 64, 3)
    prop = properties_of(generate(2000, random.Random(4)))["quotes"][:2000]
    values[:, 40] = 0.8 - 1.6 * prop + 0.1 * values[:, 40]
    figures, chance = tracking(values, ranks(values), prop)
    assert figures.argmax(0).tolist() == [40, 40]
    assert figures[40, 1] > 0.99
    assert (figures[40] > chance + 0.2).all()


def test_the_read_out_finds_what_is_spread_over_cells_and_guesses_only_what_it_has_not_seen() -> None:
    values, prop = smooth(2000, 32, 5), (smooth(2000, 1, 6)[:, 0] > 0).float()
    direction = torch.randn(32, generator=torch.Generator().manual_seed(7))
    spread = values + 0.5 * prop[:, None] * direction
    figures, _ = tracking(spread, ranks(spread), prop)
    found = correlation(read_out(spread, prop)[:, None], prop[:, None]).item()
    assert found > 0.9 > figures[:, 0].max()
    other, unseen = prop.clone(), slice(250, 500)  # the second of eight blocks
    other[unseen] = 1 - other[unseen]  # what a block is does not touch the guess about it
    assert torch.equal(read_out(spread, prop)[unseen], read_out(spread, other)[unseen])
    assert not torch.equal(read_out(spread, prop)[:250], read_out(spread, other)[:250])


def test_a_cell_wired_to_track_quotes_is_ranked_first() -> None:
    """One cell is set by hand: “ writes +1 into c, ” writes −1, and anything else leaves c alone."""
    parts = generate(15_000, random.Random(0)).split('"')
    own = "".join(part + "“”"[number % 2] for number, part in enumerate(parts))
    experiment, knobs = built(corpus="pasted", pasted=own, hidden=32)
    cell = 21
    layer = experiment.model.layers[0]
    assert isinstance(layer, nn.LSTM)
    with torch.no_grad():
        experiment.model.embedding.weight[:, :2] = 0
        for place, mark in enumerate("“”"):
            experiment.model.embedding.weight[experiment.corpus.encode(mark), place] = 1
        #                          i              f              g          o
        for gate, wired in enumerate(((20, 20, -10), (-20, -20, 10), (5, -5, 0), (0, 0, 9))):
            row = gate * knobs.hidden + cell
            layer.weight_ih_l0[row] = 0
            layer.weight_hh_l0[row] = 0
            layer.weight_ih_l0[row, :2] = torch.tensor(wired[:2]).float()
            layer.bias_ih_l0[row], layer.bias_hh_l0[row] = wired[2], 0
    table = look(experiment, knobs, "cells")
    assert isinstance(table, Ranking)
    values = torch.as_tensor(table.values)[:-1]
    assert values.argmax(0).tolist() == [cell, cell]
    assert (values[cell] > 0.99).all()
    assert (values[cell] > torch.as_tensor(table.baseline) + 0.2).all()


def test_a_cell_is_switched_on_by_a_stretch_if_it_is_on_there_and_off_beside_it() -> None:
    on, off, late, negative = torch.zeros(20), torch.zeros(20), torch.zeros(20), torch.zeros(20)
    on[8:12], off[:], late[10:14], negative[8:12] = 0.9, 0.9, 0.9, -0.9
    where, shares = switched(torch.stack([on, off, late, negative, 0.2 * on], 1), 8, 12, 0.3)
    assert shares.tolist() == [[1, 1], [1, 0], [0.5, 0.75], [1, 1], [0, 1]]
    assert where.sum(0).tolist() == [4, 20, 4, 4, 0]
    _, at_the_edge = switched(on[:, None], 0, 20, 0.3)
    assert at_the_edge[0, 1] == 1  # nothing is beside it


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_what_is_on_in_one_quote_is_on_in_the_others(seed: int) -> None:
    experiment, knobs = built(seed, hidden=48, batch=16, length=64, lr=0.01, cell=BEST)
    train(experiment, knobs, 250)
    inside = experiment.properties["quotes"]
    edges = F.pad(inside, (1, 1)).diff().nonzero()[:, 0].tolist()
    quotes = [quote for quote in zip(edges[::2], edges[1::2], strict=True) if quote[1] - quote[0] > 8]
    shares = []
    for start, stop in quotes[2:7]:
        marked = knobs.model_copy(update={"stretch": (start + 2, stop)})
        text, table = look(experiment, marked, "text"), look(experiment, marked, "cells")
        there = torch.as_tensor(text.marks).bool()
        best = torch.as_tensor(table.values)[:-1, 0].argmax()
        assert table.chosen == best
        assert table.columns == ["both", "on inside", "off beside"]
        assert there[start + 4 : stop].float().mean() > 0.5
        there[start + 2 : stop] = False
        shares.append(float(inside[there].mean()))
        (note,) = text.notes
        assert note.values["places"] == int((F.pad(there, (1, 0)).int().diff() > 0).sum())
    assert median(shares) > 0.8


# Training


def test_bits_per_character_are_the_cross_entropy_in_base_two() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3, 9), torch.randint(9, (6, 3))
    expected = -logits.log_softmax(-1).gather(-1, targets[..., None]).mean() / math.log(2)
    torch.testing.assert_close(bits(logits, targets), expected)
    assert bits(torch.zeros(4, 8), torch.arange(4)).item() == pytest.approx(3)


def test_batches_are_consecutive_chunks_of_each_stream_and_depend_on_the_step_alone() -> None:
    experiment, knobs = built()
    again, _ = built()
    train(again, knobs, 3)
    length = knobs.length
    for n in (0, 1, 5, experiment.chunks - 1):
        inputs, targets = experiment.batch(n, length)
        assert inputs.shape == targets.shape == (length, knobs.batch)
        assert torch.equal(targets[:-1], inputs[1:])
        assert torch.equal(inputs, again.batch(n, length)[0])
        assert torch.equal(inputs, experiment.batch(n + experiment.chunks, length)[0])
    assert torch.equal(experiment.batch(0, length)[1][-1], experiment.batch(1, length)[0][0])
    assert torch.equal(experiment.batch(0, length)[0][:, 0], experiment.corpus.train[:length])


@pytest.mark.parametrize("kind", list(RECURRENT))
def test_the_state_goes_on_from_chunk_to_chunk_and_begins_anew_with_the_streams(kind: str) -> None:
    experiment, knobs = built(kind=kind, lr=1e-5)
    inputs, targets = experiment.batch(0, knobs.length)
    following, their_targets = experiment.batch(1, knobs.length)
    with torch.no_grad():
        logits, _ = experiment.model(torch.cat([inputs, following]))
        alone = bits(experiment.model(following)[0], their_targets).item()
    expected = [bits(logits[:16], targets).item(), bits(logits[16:], their_targets).item()]
    found = [row["bits/train"] for row in train(experiment, knobs, 2)]
    assert found == pytest.approx(expected, abs=2e-3)
    assert abs(alone - expected[1]) > 1e-4
    experiment.step_index = experiment.chunks
    with torch.no_grad():
        expected_again = bits(experiment.model(inputs)[0], targets).item()
    assert train(experiment, knobs, 1)[0]["bits/train"] == pytest.approx(expected_again, abs=1e-6)


def test_a_step_is_adams_on_the_clipped_gradient() -> None:
    experiment, knobs = built(clip=0.01)
    torch.manual_seed(0)
    twin = TextReader("lstm", len(experiment.corpus.characters), 16, 1)
    optimizer = torch.optim.Adam(twin.parameters(), knobs.lr)
    inputs, targets = experiment.batch(0, knobs.length)
    F.cross_entropy(twin(inputs)[0].flatten(0, 1), targets.flatten()).backward()
    norm = nn.utils.clip_grad_norm_(twin.parameters(), 0.01)
    optimizer.step()
    (row,) = train(experiment, knobs, 1)
    assert row["gradient/norm"] == pytest.approx(norm.item(), rel=1e-4)
    for ours, theirs in zip(experiment.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_training_learns_and_a_cell_comes_to_track_quotes() -> None:
    experiment, knobs = built(hidden=48, batch=16, length=64, lr=0.01)
    rows = train(experiment, knobs, 251)
    assert rows[0]["bits/held-out"] > 4.5
    assert rows[-1]["bits/held-out"] < 1.7
    table = look(experiment, knobs, "cells")
    assert isinstance(table, Ranking)
    best = torch.as_tensor(table.values)[:-1].amax(0)
    assert best[1] > 0.9
    assert (best > torch.as_tensor(table.baseline)).all()


# Sampling


@pytest.mark.slow
def test_samples_follow_the_temperature() -> None:
    class Fixed(nn.Module):
        """The same logits after any text."""

        def forward(self, codes: Tensor, state: object = None) -> tuple[Tensor, object]:
            return torch.tensor([0.0, 1.0, 2.0]).expand(len(codes), 3), state

    model, read = Fixed(), torch.zeros(1, dtype=torch.long)

    def drawn(temperature: float) -> tuple[Tensor, Tensor]:
        return write(model, read, 4000, temperature, torch.Generator().manual_seed(0))  # type: ignore[arg-type]

    for temperature in (0.5, 1.0, 2.0):
        codes, given = drawn(temperature)
        shares = codes.bincount(minlength=3) / len(codes)
        expected = (torch.tensor([0.0, 1.0, 2.0]) / temperature).softmax(0)
        torch.testing.assert_close(shares, expected, rtol=0, atol=0.03)
        torch.testing.assert_close(given, torch.tensor([0.0, 1.0, 2.0]).softmax(0)[codes])
    assert drawn(0.05)[0].unique().tolist() == [2]


def test_a_cold_sample_takes_the_likeliest_character_each_time() -> None:
    experiment, knobs = built()
    train(experiment, knobs, 20)
    read = experiment.shown[:50]
    with torch.no_grad():
        codes, _ = write(experiment.model, read, 30, 1e-6, torch.Generator().manual_seed(0))
        logits, _ = experiment.model(torch.cat([read, codes]))  # read at once, without carrying a state
    assert torch.equal(logits[49:-1].argmax(-1), codes)


# Panels


@pytest.mark.parametrize("kind", list(RECURRENT))
@pytest.mark.parametrize("cell", [0, READ_OUT])
def test_panels_show_the_cell_that_was_chosen(kind: str, cell: int) -> None:
    experiment, knobs = built(kind=kind, layers=2, layer=0, cell=cell, position=99)
    text, gates = look(experiment, knobs, "text"), look(experiment, knobs, "gates")
    assert isinstance(text, Tokens)
    assert isinstance(gates, Traces)
    values, curves = torch.as_tensor(text.values), torch.as_tensor(gates.values)
    assert text.position == gates.position == 99
    assert values.shape == (SHOWN,)
    assert values.abs().max() <= 1
    assert values.std() > 0
    last = curves[-1]
    if cell == READ_OUT:
        assert text.name == "linear read-out"
        torch.testing.assert_close(last, values)
        return
    signal = dict(zip(gates.names, curves, strict=True))
    torch.testing.assert_close(signal["c"].tanh() if kind == "lstm" else signal["h"], values)
    with torch.no_grad():
        experiment.model.output.weight.zero_()
        experiment.model.output.weight[0, cell] = 1
        experiment.model.output.bias.zero_()
        h = experiment.model(experiment.shown)[0][:, 0]
    torch.testing.assert_close(last, h, rtol=0, atol=1e-5)
    for curve, (low, high) in zip(curves, gates.ranges, strict=True):
        assert low <= curve.min()
        assert curve.max() <= high


@pytest.mark.parametrize("kind", list(RECURRENT))
def test_at_first_the_best_cell_is_shown_and_it_is_the_first_of_the_ranking(kind: str) -> None:
    experiment, knobs = built(kind=kind, cell=BEST)
    table = look(experiment, knobs, "cells")
    text, gates = look(experiment, knobs, "text"), look(experiment, knobs, "gates")
    best = int(torch.as_tensor(table.values)[:-1, 0].argmax())
    assert table.chosen == best
    same = knobs.model_copy(update={"cell": best})
    torch.testing.assert_close(text.values, look(experiment, same, "text").values)
    torch.testing.assert_close(gates.values, look(experiment, same, "gates").values)
    assert text.name == look(experiment, same, "text").name


@pytest.mark.parametrize("cell", [BEST, 3, READ_OUT])
def test_a_cell_is_compared_with_the_best_by_every_property(cell: int) -> None:
    experiment, knobs = built(cell=cell)
    chosen, best = torch.as_tensor(look(experiment, knobs, "tracked").values)
    table = look(experiment, knobs, "cells")
    figures = torch.as_tensor(table.values)[:, 0]
    place = list(experiment.properties).index(knobs.feature)
    torch.testing.assert_close(best[place], figures[:-1].max())
    row = {BEST: figures[:-1].argmax(), READ_OUT: len(figures) - 1}.get(cell, cell)
    torch.testing.assert_close(chosen[place], figures[row], rtol=0, atol=0.1 if cell == READ_OUT else 1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_what_is_said_of_the_cell_is_what_the_pictures_show(kind: str) -> None:
    experiment, knobs = built(kind=kind)
    train(experiment, knobs, 5)
    picture, said = driving.said_of(experiment, knobs, "text")
    values, marked = torch.as_tensor(picture.values), torch.as_tensor(picture.marks).bool()
    assert said == {
        "inside": rough(float(values[marked].mean())),
        "outside": rough(float(values[~marked].mean())),
    }
    picture, said = driving.said_of(experiment, knobs, "tracked")
    most = int(torch.as_tensor(picture.values)[0].nan_to_num(-1).argmax())
    assert said == {"property": picture.labels[most], "r": rough(float(picture.values[0, most]))}
    picture, said = driving.said_of(experiment, knobs, "gates")
    shares = dict(zip(picture.names, 100 * torch.as_tensor(picture.values)[:, knobs.position], strict=True))
    whole = {
        "lstm": lambda: {"kept": f"{shares['f']:.0f}", "taken": f"{shares['i']:.0f}"},
        "gru": lambda: {"kept": f"{shares['z']:.0f}", "taken": f"{100 - shares['z']:.0f}"},
        "rnn": dict,
    }
    assert said == whole[kind]()
    picture, said = driving.said_of(experiment, knobs, "sample")
    assert said == {"percent": f"{100 * torch.as_tensor(picture.values).nanmean():.0f}"}
    picture, said = driving.said_of(experiment, knobs, "cells")
    r = torch.as_tensor(picture.values)[:-1, 0]
    assert said == {
        "cell": int(r.argmax()),
        "r": rough(float(r.max())),
        "chance": rough(float(picture.baseline[0])),
    }
    assert look(experiment, driving.change(experiment, knobs, stretch=(2, 9)), "cells").reading is None


def test_of_cells_that_are_none_nothing_is_said() -> None:
    experiment, knobs = built()
    driving.break_weights(experiment)
    for panel in ("text", "tracked", "gates", "sample", "cells"):
        assert look(experiment, knobs, panel).reading is None, panel


def test_the_ranking_can_pick_any_row() -> None:
    experiment, knobs = built()
    table = look(experiment, knobs, "cells")
    assert isinstance(table, Ranking)
    for row in table.ids:
        CellKnobs(**(SMALL | {"cell": row}))
    assert len(table.ids) == knobs.hidden + 1
    assert table.names[-1] == "linear read-out"


def test_the_sample_goes_on_after_the_position() -> None:
    experiment, knobs = built(position=99)
    sample = look(experiment, knobs, "sample")
    assert isinstance(sample, Tokens)
    assert str(sample.tokens)[:PROMPT] == experiment.corpus.shown[100 - PROMPT : 100]
    assert len(sample.tokens) == PROMPT + SAMPLE
    assert torch.as_tensor(sample.marks).tolist() == [1] * PROMPT + [0] * SAMPLE
    again = look(experiment, knobs, "sample")
    assert isinstance(again, Tokens)
    assert again.tokens == sample.tokens


# Bad input


@pytest.mark.parametrize(
    ("knobs", "field", "message"),
    [
        ({"cell": 140}, "cell", "cell 140 does not exist; the layer has 128 cells, 0 to 127"),
        ({"layer": 2}, "layer", "layer 2 does not exist; the top one of this network is layer 1"),
        ({"layer": 3, "layers": 2}, "layer", "layer 3 does not exist.*is layer 2"),
        ({"corpus": "pasted", "pasted": ""}, "pasted", "0 characters are too few.*take 1282. Paste more"),
        ({"corpus": "pasted", "pasted": "a" * 1281}, "pasted", "1281 characters are too few"),
        (
            {"stretch": (7, 7)},
            "stretch",
            "7 to 7 is no stretch of the 2000 characters shown; 0, 0 marks none",
        ),
        ({"stretch": (9, 7)}, "stretch", "9 to 7 is no stretch"),
        (
            {"corpus": "pasted", "pasted": "ab" * 800, "position": 320},
            "position",
            "character 320 does not exist; the text shown has 320 characters, 0 to 319",
        ),
    ],
)
def test_knobs_that_do_not_go_together_are_refused_at_the_field(
    knobs: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        CellKnobs(**knobs)  # type: ignore[arg-type]
    (error,) = caught.value.errors()
    assert error["ctx"]["error"].knob == field


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("cell", -3),
        ("layer", -1),
        ("position", -1),
        ("clip", 0.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValidationError) as caught:
        CellKnobs(**{name: value})  # type: ignore[arg-type]
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


def test_the_shortest_text_that_is_accepted_trains() -> None:
    own = {"corpus": "pasted", "pasted": "abcd " * 17 + "e", "batch": 4, "length": 16, "position": 16}
    experiment, knobs = built(**own)
    (row,) = train(experiment, knobs, 1)
    assert all(map(math.isfinite, row.values()))


def test_a_text_this_python_lacks_is_refused_at_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Text:
        raise FileNotFoundError("no Python source in /nowhere")

    monkeypatch.setattr("descent.experiments.sequence.lstm_cells.load", missing)
    with pytest.raises(KnobError, match="no Python source in /nowhere") as caught:
        built(corpus="python")
    assert caught.value.knob == "corpus"
