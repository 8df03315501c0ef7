"""Transformer: attention, masks and positions as in the paper, and what its tasks are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

import driving
from descent.contract import KnobError
from descent.experiments.attention.transformer import (
    LETTER_TASKS,
    TransformerExperiment,
    TransformerKnobs,
    loss_of,
    warmed_up,
)
from descent.kit.data.translation import (
    DAYS,
    END,
    FIRST_DAY,
    FORMATS,
    PAD,
    START,
    Dates,
    Task,
    Words,
    written,
)
from descent.kit.nn.transformer import MultiHeadAttention, Transformer, positional_encoding, unpadded
from driving import Driven
from driving import take as train

SMALL = {"d_model": 16, "heads": 2, "layers": 2, "d_ff": 32, "batch_size": 16}


def built(seed: int = 0, **knobs: object) -> tuple[TransformerExperiment, TransformerKnobs]:
    return driving.built(TransformerExperiment, seed, **(SMALL | knobs))


def model(layers: int = 2) -> Transformer:
    torch.manual_seed(0)
    return Transformer(size=12, longest=9, d=16, h=4, d_ff=32, layers=layers).eval()


def sentences(rows: int, length: int) -> torch.Tensor:
    return torch.randint(3, 12, (rows, length), generator=torch.Generator().manual_seed(1))


def texts(task: Task, tokens: torch.Tensor) -> list[str]:
    return ["".join(task.names(row)).strip("·⊢⊣") for row in tokens]


# The model


def test_attention_seen_is_the_attention_used() -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(16, 4)
    x, y = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    allowed = torch.rand(3, 1, 5, 7) < 0.7
    allowed[..., 0] = True  # no row is left without a key
    seen: list[torch.Tensor] = []
    fused = layer(x, y, allowed, seen)
    (weights,) = seen
    V = layer.W_V(y).view(3, 7, 4, 4).permute(0, 2, 1, 3)
    explicit = layer.W_O((weights @ V).permute(0, 2, 1, 3).reshape(3, 5, 16))
    assert (explicit - fused).abs().max() < 1e-5
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4, 5))
    assert (weights[~allowed.expand_as(weights)] == 0).all()
    assert torch.equal(fused, layer(x, y, allowed))  # looking changes nothing


def test_multi_head_attention_equals_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(16, 4), torch.nn.MultiheadAttention(16, 4, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.W_Q.weight, ours.W_K.weight, ours.W_V.weight]))
        theirs.out_proj.weight.copy_(ours.W_O.weight)
    x, y = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    padding = torch.tensor([7, 4, 1])[:, None] <= torch.arange(7)
    seen: list[torch.Tensor] = []
    mixed = ours(x, y, ~padding[:, None, None], seen)
    expected, weights = theirs(x, y, y, key_padding_mask=padding, average_attn_weights=False)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(seen[0], weights)


def test_layers_equal_torchs_post_norm_transformer() -> None:
    ours = model(layers=1)
    encoder, decoder = ours.encoder[0], ours.decoder[0]
    settings = {"d_model": 16, "nhead": 4, "dim_feedforward": 32, "batch_first": True, "dropout": 0.0}
    names = {"feed_forward.0": "linear1", "feed_forward.2": "linear2"}
    names |= {f"norm_{i}": f"norm{i}" for i in (1, 2, 3)}

    def copied(layer: torch.nn.Module, theirs: torch.nn.Module, attentions: dict[str, str]) -> None:
        state = {key: torch.zeros_like(value) for key, value in theirs.state_dict().items()}
        for key, value in layer.state_dict().items():
            module, _, kind = key.rpartition(".")
            if module in names:
                state[f"{names[module]}.{kind}"] = value
        for mine, name in attentions.items():
            attention = layer.get_submodule(mine)
            state[f"{name}.in_proj_weight"] = torch.cat(
                [attention.W_Q.weight, attention.W_K.weight, attention.W_V.weight]
            )
            state[f"{name}.out_proj.weight"] = attention.W_O.weight
        theirs.load_state_dict(state)

    torch_encoder = torch.nn.TransformerEncoderLayer(**settings)
    torch_decoder = torch.nn.TransformerDecoderLayer(**settings)
    copied(encoder, torch_encoder, {"attention": "self_attn"})
    copied(decoder, torch_decoder, {"self_attention": "self_attn", "cross_attention": "multihead_attn"})
    x, y = torch.randn(2, 6, 16), torch.randn(2, 4, 16)
    everywhere, past = torch.ones(1, 6, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool).tril()
    torch.testing.assert_close(encoder(x, everywhere), torch_encoder(x))
    torch.testing.assert_close(decoder(y, x, past, everywhere), torch_decoder(y, x, tgt_mask=~past))


def test_positions_are_encoded_by_the_papers_formula() -> None:
    encoded = positional_encoding(20, 12)
    for position in range(20):
        for i in range(6):
            angle = position / 10000 ** (2 * i / 12)
            assert encoded[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert encoded[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_the_decoder_does_not_see_ahead() -> None:
    transformer, source, target = model(), sentences(2, 6), sentences(2, 8)
    other = target.clone()
    other[:, 5] = target[:, 5] % 9 + 3
    assert (other[:, 5] != target[:, 5]).all()
    before, after = transformer(source, target), transformer(source, other)
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=1e-6, rtol=0)
    assert ((before[:, 5:] - after[:, 5:]).abs().amax(dim=2) > 1e-3).all()


def test_the_decoder_sees_all_of_the_source() -> None:
    transformer, source, target = model(), sentences(1, 6), sentences(1, 4)
    before = transformer(source, target)
    for place in range(6):
        other = source.clone()
        other[:, place] = source[:, place] % 9 + 3
        assert ((before - transformer(other, target)).abs().amax(dim=2) > 1e-4).all()


def test_padding_changes_no_output_and_gets_no_attention() -> None:
    transformer, source, target = model(), sentences(2, 6), sentences(2, 5)
    padded = F.pad(source, (0, 3), value=PAD)
    torch.testing.assert_close(transformer(padded, target), transformer(source, target), atol=1e-5, rtol=0)
    seen: list[torch.Tensor] = []
    transformer.decode(target, transformer.encode(padded, seen), padded, seen)
    assert len(seen) == 2 + 2 * 2
    for weights in (*seen[:2], *seen[3::2]):
        assert (weights[..., 6:] == 0).all()
    assert unpadded(padded).sum() == source.numel()


def test_padded_targets_are_left_out_of_the_loss() -> None:
    logits, wanted = torch.randn(2, 5, 12), sentences(2, 5)
    wanted[0, 3:] = PAD
    rows = torch.cat([logits[0, :3], logits[1]]).log_softmax(dim=1)
    expected = -rows.gather(1, wanted[wanted != PAD][:, None])
    torch.testing.assert_close(loss_of(logits, wanted, 0.0), expected.mean())
    smooth = 0.9 * expected[:, 0] - 0.1 * rows.mean(dim=1)
    torch.testing.assert_close(loss_of(logits, wanted, 0.1), smooth.mean())


def test_writing_takes_the_likeliest_token_until_the_end_or_the_limit() -> None:
    transformer = model()
    for source in sentences(20, 6)[:, None]:
        output = transformer.write(source, 7)
        assert output[0, 0] == START
        likeliest = transformer(source, output[:, :-1]).argmax(dim=2)
        assert torch.equal(likeliest, output[:, 1:])
        ends = (output[0] == END).nonzero().flatten().tolist()
        assert ends in ([], [output.shape[1] - 1])
        assert output.shape[1] <= 8
        assert ends or output.shape[1] == 8


def test_the_rate_is_the_papers_up_to_scale() -> None:
    for n in (1, 50, 99, 100, 101, 5000):
        paper = 64**-0.5 * min(n**-0.5, n * 100**-1.5)
        assert warmed_up(0.01, n, 100) == pytest.approx(0.01 * paper * math.sqrt(64 * 100))
    assert max(warmed_up(0.01, n, 100) for n in range(1, 1000)) == warmed_up(0.01, 100, 100) == 0.01


# The tasks


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize(
    ("name", "answer"),
    [("copy", str), ("reverse", lambda word: word[::-1]), ("sort", lambda word: "".join(sorted(word)))],
)
def test_words_have_the_right_answers(name: str, answer: Callable[[str], str], held_out: bool) -> None:
    task = Words(name, 8)
    source, target = task.pairs(500, torch.Generator().manual_seed(0), held_out=held_out)
    words = texts(task, source)
    assert texts(task, target) == [answer(word) for word in words] == [task.answer(w) for w in words]
    assert {len(word) for word in words} == set(range(1, 9))
    for tokens, extra in ((source, 1), (target, 2)):
        lengths = torch.tensor([len(word) for word in words]) + extra
        assert torch.equal((tokens != PAD).sum(dim=1), lengths)
        assert (tokens.gather(1, lengths[:, None] - 1) == END).all()
        assert ((tokens == END).sum(dim=1) == 1).all()
    assert (target[:, 0] == START).all()
    for word, row in zip(words, source, strict=True):
        assert torch.equal(task.encode(word), row[: len(word) + 1])


def test_words_held_out_are_never_trained_on_and_use_all_letters() -> None:
    task = Words("copy", 8)

    def is_held_out(word: str) -> bool:
        return sum(i * (ord(c) - ord("a")) for i, c in enumerate(word, 1)) % 10 == 0

    for held_out in (False, True):
        words = texts(task, task.pairs(3000, torch.Generator().manual_seed(2), held_out=held_out)[0])
        assert {is_held_out(word) for word in words} == {held_out}
        for place in (0, 3):
            assert len({word[place] for word in words if len(word) > 3}) == 26


def read(text: str) -> date:
    for form in ("%Y년 %m월 %d일", "%Y.%m.%d", "%B %d, %Y", "%d %b %Y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            pass
    raise AssertionError(text)


@pytest.mark.parametrize("held_out", [False, True])
def test_dates_have_the_right_answers(held_out: bool) -> None:
    task = Dates()
    source, target = task.pairs(2000, torch.Generator().manual_seed(0), held_out=held_out)
    sources, targets = texts(task, source), texts(task, target)
    days = [read(text) for text in sources]
    assert targets == [day.isoformat() for day in days] == [task.answer(text) for text in sources]
    forms = [written(day).index(text) for text, day in zip(sources, days, strict=True)]
    assert set(forms) == set(range(len(FORMATS)))
    assert min(days).year < 1955
    assert max(days).year > 2044
    for text, row in zip(sources, source, strict=True):
        assert torch.equal(task.encode(text), row[: len(text) + 1])
        assert not row[len(text) + 1 :].any()


def test_days_held_out_are_a_tenth_and_never_trained_on() -> None:
    task = Dates()
    trained, unseen = (
        {text for n in range(40) for text in texts(task, task.pairs(2000, generator(n), held_out=held)[1])}
        for held in (False, True)
    )
    assert not trained & unseen
    assert len(unseen) == pytest.approx(DAYS / 10, rel=0.05)
    assert len(trained) > 0.8 * DAYS


def generator(n: int) -> torch.Generator:
    return torch.Generator().manual_seed(n)


@pytest.mark.parametrize(
    "text",
    [
        "2024년 2월 30일",
        "2023.2.29",
        "Mars 5, 2024",
        "Mar 5, 2024",
        "5 March 2024",
        "May 5 2024",
        "2024-03-05",
    ],
)
def test_what_is_no_date_has_no_answer(text: str) -> None:
    assert Dates().answer(text) is None


def test_first_and_last_day_are_there() -> None:
    days = [date.fromordinal(FIRST_DAY.toordinal() + n) for n in (0, DAYS - 1)]
    assert days == [date(1950, 1, 1), date(2049, 12, 31)]


# The experiment


@pytest.mark.parametrize("task", [*LETTER_TASKS, "dates"])
def test_batches_depend_on_seed_and_step_alone(task: str) -> None:
    (first, _), (again, _), (other, _) = (built(seed, task=task) for seed in (3, 3, 4))

    def batch(experiment: TransformerExperiment, n: int) -> list[list[int]]:
        return experiment.task.pairs(8, experiment.generator(n), held_out=False)[0].tolist()

    expected = batch(first, 5)
    batch(again, 2)
    torch.rand(7)
    assert batch(again, 5) == expected
    assert batch(other, 5) != expected
    assert batch(first, 6) != expected


@pytest.mark.parametrize("task", [*LETTER_TASKS, "dates"])
def test_panels_show_whole_rows_and_nothing_ahead(task: str) -> None:
    experiment, knobs = built(task=task)
    experiment.model.eval()
    with torch.no_grad():
        pictures = [
            experiment.cross_attention(knobs),
            experiment.encoder_attention(knobs),
            experiment.decoder_attention(knobs),
        ]
        output = experiment.output(knobs)
    cross, encoder, decoder = pictures
    for picture in pictures:
        weights = torch.as_tensor(picture.weights)
        assert weights.shape[:2] == (2, 2)
        torch.testing.assert_close(weights.sum(dim=3), torch.ones(weights.shape[:3]))
    ahead = torch.as_tensor(decoder.masked).bool()
    assert torch.equal(ahead, torch.ones_like(ahead).triu(1))
    assert (torch.as_tensor(decoder.weights)[:, :, ahead] == 0).all()
    assert list(cross.keys) == list(encoder.keys) == list(encoder.queries)
    assert "".join(cross.keys) == experiment.text(knobs) + "⊣"
    assert list(decoder.queries) == ["⊢", *cross.queries[:-1]]
    assert "".join(cross.queries) == f"{experiment.task.answer(experiment.text(knobs))}⊣"
    assert 0 <= torch.as_tensor(output.values).min() <= torch.as_tensor(output.values).max() <= 1


def test_where_there_is_no_right_output_the_models_own_is_attended() -> None:
    experiment, knobs = built(task="dates", date="May 35, 2024")
    experiment.model.eval()
    with torch.no_grad():
        assert list(experiment.cross_attention(knobs).queries) == list(experiment.output(knobs).tokens)


def test_typing_changes_the_panels_at_once_and_not_the_training() -> None:
    (typed, knobs), (alone, _) = built(), built()
    other = knobs.model_copy(update={"word": "cab"})
    train(typed, knobs, 2)
    train(alone, knobs, 2)
    assert "".join(typed.encoder_attention(other).keys) == "cab⊣"
    assert train(typed, other, 2) == train(alone, knobs, 2)


def test_wrong_tokens_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, knobs = built(word="abc")

    def marks(tokens: list[int]) -> list[int]:
        output = torch.tensor([[START, *tokens]])
        monkeypatch.setattr(experiment.model, "write", lambda source, most: output)
        return torch.as_tensor(experiment.output(knobs).marks).tolist()

    a, b, c = 3, 4, 5
    assert marks([c, b, a, END]) == [0, 0, 0, 0]
    assert marks([c, a, a, END]) == [0, 1, 0, 0]
    assert marks([c, END]) == [0, 1]
    assert marks([c, b, a, a, END]) == [0, 0, 0, 1, 1]


def test_a_text_that_is_no_date_is_translated_but_not_marked() -> None:
    experiment, knobs = built(task="dates", date="May May")
    assert not torch.as_tensor(experiment.output(knobs).marks).any()


@pytest.mark.parametrize(
    ("knobs", "field", "message"),
    [
        ({"heads": 3}, "heads", "a width of 64 does not divide among 3 heads: choose 1, 2, 4, 8"),
        ({"word": ""}, "word", "type at least one character"),
        ({"word": "Ab c"}, "word", "knows no “ ”, “A”: use the letters a to z"),
        ({"word": "abcdefghijk"}, "word", "it has 11 letters, the longest word 10: shorten it"),
        ({"task": "dates", "date": ""}, "date", "type at least one character"),
        ({"task": "dates", "date": "5/3/2024"}, "date", "knows no “/”: write a date such as March 5, 2024"),
    ],
)
def test_bad_input_names_its_field_and_the_way_out(
    knobs: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TransformerKnobs(**knobs)
    (error,) = caught.value.errors()
    refusal = error["ctx"]["error"]
    assert isinstance(refusal, KnobError)
    assert refusal.knob == field
    assert re.search(message, str(refusal))


def test_a_text_no_model_could_take_is_refused() -> None:
    with pytest.raises(ValidationError, match="word"):
        TransformerKnobs(word="a" * 17)
    with pytest.raises(ValidationError, match="date"):
        TransformerKnobs(date="September 30, 2049 ")


@pytest.mark.parametrize("task", [*LETTER_TASKS, "dates"])
@pytest.mark.parametrize("length", [8, 16])
def test_the_texts_to_begin_with_fit_every_task_and_length(task: str, length: int) -> None:
    TransformerKnobs(task=task, length=length)


def test_dropout_follows_its_knob_and_only_in_training() -> None:
    experiment, knobs = built(dropout=0.5)
    source, target = experiment.unseen[0], experiment.unseen[1][:, :-1]
    assert not torch.equal(*(experiment.model(source, target) for _ in range(2)))
    assert experiment.measure(knobs) == experiment.measure(knobs)
    changed = knobs.model_copy(update={"dropout": 0.0})
    experiment.changed(changed, {"dropout"})
    assert torch.equal(*(experiment.model(source, target) for _ in range(2)))


@pytest.mark.slow
def test_an_output_counts_as_a_whole_exactly_if_greedy_writing_is_right() -> None:
    experiment, knobs = built(task="copy", length=8, d_model=32, batch_size=64, lr=5e-3, warmup=50)
    train(experiment, knobs, 150)
    source, target = experiment.unseen
    share = float(experiment.measure(knobs)["acc/sequence"])
    experiment.model.eval()
    with torch.no_grad():
        right = 0
        for one, wanted in zip(source, target, strict=True):
            trimmed = one[one != PAD][None]
            right += experiment.model.write(trimmed, 9)[0].tolist() == wanted[wanted != PAD].tolist()
    assert 0 < right < len(source)
    assert share == pytest.approx(right / len(source))


@pytest.mark.slow
def test_a_short_training_on_copy_lowers_the_loss() -> None:
    experiment, knobs = built(task="copy", d_model=32, batch_size=64, lr=5e-3, warmup=50)
    rows = train(experiment, knobs, 181)
    assert rows[180]["loss/test"] < 0.5 * rows[0]["loss/test"]
    assert rows[180]["acc/token"] > 0.5 > 0.2 > rows[0]["acc/token"]
    assert set(rows[1]) == {"loss/train", "lr"}


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(TransformerExperiment).train(3)
    for panel, rows in (("cross_attention", slice(None)), ("encoder_attention", slice(None))):
        picture = run.look(panel)
        values, last = picture.reading.values, picture.weights[-1][:, rows]
        largest = (last == last.max()).nonzero()[0].tolist()
        seen = {"query": picture.queries[largest[1]], "key": picture.keys[largest[2]]}
        assert values == {**seen, "percent": f"{100 * float(last.max()):.0f}"}
    picture = run.look("decoder_attention")
    last = picture.weights[-1][:, -1].amax(0)
    assert picture.reading.values["key"] == picture.keys[int(last.argmax())]
    picture = run.look("output")
    assert picture.reading.values == {
        "right": int((torch.as_tensor(picture.marks) == 0).sum()), "all": len(picture.tokens)
    }  # fmt: skip


def test_of_a_model_that_is_nowhere_no_look_is_read() -> None:
    run = Driven(TransformerExperiment)
    with torch.no_grad():
        for parameter in run.experiment.model.parameters():
            parameter.fill_(math.nan)
    for panel in ("cross_attention", "encoder_attention", "decoder_attention"):
        assert run.look(panel).reading is None


def test_components_that_keep_their_sign_are_counted() -> None:
    run = Driven(TransformerExperiment, **SMALL)
    table = torch.as_tensor(run.look("positional_encoding").values)
    still = [column for column in table.T.tolist() if min(column) >= 0 or max(column) <= 0]
    said = run.look("positional_encoding").reading.values
    assert said == {"still": len(still), "all": 16, "n": len(table)}
    assert 0 < len(still) < 16
