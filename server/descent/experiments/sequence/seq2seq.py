"""Sequence to sequence.

Numbers and dates said in Korean are to be said in English, or the other way round. Three networks learn it
side by side: one has to put all it reads into a single vector, two may look back, and it is seen where.

    encoder:       h_j = [→h_j; ←h_j],  →h_j = GRU(x_j, →h_{j−1}),  ←h_j = GRU(x_j, ←h_{j+1})
    both ends:     s_0 = tanh(W_s [→h_S; ←h_1])
    no attention:  s_i = GRU(y_{i−1}, s_{i−1}),          p(y_i) = softmax(W_o s_i)
    Bahdanau:      e_ij = vᵀ tanh(W_a s_{i−1} + U_a h_j),
                   s_i = GRU([y_{i−1}; c_i], s_{i−1}),   p(y_i) = softmax(W_o [s_i; y_{i−1}; c_i])
    Luong:         s_i = GRU(y_{i−1}, s_{i−1}),  e_ij = s_iᵀ W_a h_j,
                   s̃_i = tanh(W_c [c_i; s_i]),           p(y_i) = softmax(W_o s̃_i)
    both of them:  α_i = softmax(e_i),  c_i = Σ_j α_ij h_j
    L = −(1/N) Σ log p(y_i | y_0 … y_{i−1}, x)

Watch the alignment form, and long numbers stay wrong without it.

Source: Sutskever, Vinyals, Le, "Sequence to Sequence Learning with Neural Networks" (2014), arXiv:1409.3215;
Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder" (2014), arXiv:1406.1078 (the GRU);
Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate" (2015),
arXiv:1409.0473, §3 and appendix A; Luong, Pham, Manning, "Effective Approaches to Attention-based Neural
Machine Translation" (2015), arXiv:1508.04025, §3.1 ("general"); Bengio et al., "Scheduled Sampling" (2015),
arXiv:1506.03099, §2.4 (argmax).
Departures: one encoder for all, a GRU that reads both ways (Bahdanau's; those of Sutskever and Luong are
LSTMs that read one way); Bahdanau's maxout layer and Luong's input feeding are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional as F

from descent.contract import Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.spoken import Said, Spoken, SpokenPairs, Tongue, placed_tokens
from descent.kit.data.translation import END, PAD, START
from descent.kit.extremes import extremes
from descent.kit.nn.beam import Hypothesis
from descent.kit.nn.race import Race, by_learner, losses_by_learner, step_all
from descent.kit.nn.translators import BahdanauTranslator, LuongTranslator, NoAttention, Translator
from descent.kit.reading import gaze, in_percent

Name = Literal["none", "bahdanau", "luong"]
TITLES: dict[Name, str] = {"none": "no attention", "bahdanau": "Bahdanau", "luong": "Luong"}
MOST = 26  # tokens of an input, and of an output
ROW = "\n"  # ends a row of tokens
UNSEEN = 192  # held-out pairs
EVERY = 25  # steps from one test on them to the next
BIN = 2  # lengths that share a point of the curve
FEWEST = 3  # pairs of such a length, for a point
FAR = 1e4  # a loss beyond is out
READ = 4  # held-out pairs of which it is shown what is written for them
FIELDS = {("numbers", "ko"): "korean", ("numbers", "en"): "english"} | {
    ("dates", "ko"): "korean_date",
    ("dates", "en"): "english_date",
}

EMPTY = "it is empty: write for example “{example}”"
UNKNOWN = "at character {at}: the networks know no “{strange}”; write for example “{example}”"
TOO_MANY = "it has {n} tokens: use at most {most}"


class Seq2SeqKnobs(Knobs):
    # fmt: off
    korean: str = live("천이백삼십사만 오천육백사십팔", "Your number",
        when={"said": ["numbers"], "source": ["ko"]}, max_length=120, group="input", role="look")
    english: str = live(
        "twelve million three hundred forty-five thousand six hundred forty-eight", "Your number",
        when={"said": ["numbers"], "source": ["en"]}, max_length=240, group="input", role="look")
    korean_date: str = live("천구백구십구 년 시월 구 일", "Your date",
        when={"said": ["dates"], "source": ["ko"]}, max_length=120, group="input", role="look")
    english_date: str = live("October ninth, nineteen ninety-nine", "Your date",
        when={"said": ["dates"], "source": ["en"]}, max_length=240, group="input", role="look")
    beam: int = live(3, "Beam width", "k", range=(1, 8), group="input", role="look")
    shown: Name = live("none", "Candidates of", options=TITLES, group="input", role="look")
    lr: float = rate(5e-3, log=(1e-5, 0.5), typical=(1e-3, 0.01), group="training")
    forcing: float = live(1.0, "Teacher forcing", "ε", range=(0.0, 1.0), step=0.05, group="training",
        role="task")
    batch_size: int = batch_of(64, 256, group="training")
    said: Said = fixed("numbers", "What is said", group="task",
        options={"numbers": "numbers", "dates": "dates"})
    source: Tongue = fixed("ko", "Direction", group="task",
        options={"ko": "Korean → English", "en": "English → Korean"})
    digits: int = fixed(8, "Longest number", range=(7, 12), unit="digits", group="task",
        when={"said": ["numbers"]})
    width: int = fixed(64, "Width", "d", range=(8, 128), step=2, group="networks")
    # fmt: on

    @property
    def field(self) -> str:
        """The knob with the learner's text."""
        return FIELDS[self.said, self.source]

    @property
    def text(self) -> str:
        """What the learner wrote."""
        return str(getattr(self, self.field))

    @model_validator(mode="after")
    def _is_said_in_known_tokens(self) -> Seq2SeqKnobs:
        tokens = list(placed_tokens(self.text, self.source))
        example = type(self).model_fields[self.field].default
        if not tokens:
            raise KnobError(self.field, EMPTY, example=example)
        known = Spoken(self.said, self.source, self.digits).source.index
        for at, token in tokens:
            if token not in known:
                raise KnobError(self.field, UNKNOWN, at=at, strange=token[:20], example=example)
        if len(tokens) > MOST:
            raise KnobError(self.field, TOO_MANY, n=len(tokens), most=MOST)
        return self


KINDS: dict[Name, type[Translator]] = {
    "none": NoAttention,
    "bahdanau": BahdanauTranslator,
    "luong": LuongTranslator,
}


class Row(NamedTuple):
    """A row of tokens, their probabilities, NaN for none, and which of them are wrong."""

    tokens: list[str]
    values: Tensor
    marks: list[bool]


class Seq2Seq(Race[Seq2SeqKnobs]):
    """Three translators on the same pairs."""

    order = 22
    pace = 15.0
    after = ("next-word", "embedding")
    minutes = 13
    level = 3
    invite = "Type a number of your own, as it is said, and see who gets it right."
    titles = TITLES
    measures = losses_by_learner(TITLES) | {
        f"exact/{name}": Measure("accuracy", of=title) for name, title in TITLES.items()
    }
    steers = {"lr": "optimizers"}
    presets = {
        "dates": Preset("Dates, back to front", {"said": "dates"}),
        "to-korean": Preset(
            "From English to Korean",
            {
                "source": "en",
                "digits": 7,
                "english": "two million three hundred forty-five thousand six hundred ninety-eight",
            },
        ),
        "own-words": Preset("Only its own words", {"forcing": 0.0}),
    }

    def build(self, knobs: Seq2SeqKnobs) -> None:
        """The pairs, and three networks with one and the same encoder to begin with."""
        self.spoken = Spoken(knobs.said, knobs.source, knobs.digits)
        sizes = len(self.spoken.source.tokens), len(self.spoken.target.tokens)
        self.models = {name: KINDS[name](*sizes, knobs.width).to(self.device) for name in TITLES}
        for model in self.models.values():
            model.encoder.load_state_dict(self.models["none"].encoder.state_dict())
        self.optimizers = {
            name: torch.optim.Adam(model.parameters(), knobs.lr, fused=True)
            for name, model in self.models.items()
        }
        self.racing = list(TITLES)
        self.unseen = self._drawn(UNSEEN, -1, held_out=True)
        self.right = torch.full((len(TITLES), UNSEEN), torch.nan, device=self.device)  # as last tested

    def _drawn(self, n: int, stream: int, *, held_out: bool) -> SpokenPairs:
        drawn = self.spoken.draw(n, self.generator(stream), held_out=held_out)
        return SpokenPairs(*(part.to(self.device) for part in drawn))

    def _coming(self, knobs: Seq2SeqKnobs) -> tuple[SpokenPairs, Tensor | None]:
        """The pairs of the coming step, and which of the targets' tokens are forced."""
        batch = self._drawn(knobs.batch_size, self.step_index, held_out=False)
        if knobs.forcing == 1:
            return batch, None
        coins = torch.rand(batch.targets.shape, generator=self.step_generator(self.step_index))
        return batch, (coins < knobs.forcing).to(self.device)

    def _loss(self, name: Name, batch: SpokenPairs, forced: Tensor | None) -> Tensor:
        logits = self.models[name](batch.sources, batch.targets[:, :-1], forced)
        return F.cross_entropy(logits.flatten(0, 1), batch.targets[:, 1:].flatten(), ignore_index=PAD)

    def step(self, knobs: Seq2SeqKnobs) -> Scalars:
        """One step of each network on the same pairs; now and then, a test on held-out ones before."""
        if not self.racing:
            return self.all_out()
        row = {} if self.step_index % EVERY else self._tested()
        coming = self._coming(knobs)
        return row | step_all(self.racing, lambda name: self._loss(name, *coming), self.optimizers, FAR)

    @torch.no_grad()
    def _tested(self) -> dict[str, Tensor]:
        """The share of held-out pairs of which every token is right, by network.

        Each is given the right output so far. What it writes by itself, the likeliest token each time, is
        right exactly if all tokens are right then.
        """
        wanted = self.unseen.targets[:, 1:]
        for place, name in enumerate(TITLES):
            said = self.models[name](self.unseen.sources, self.unseen.targets[:, :-1]).argmax(2)
            self.right[place] = ((said == wanted) | (wanted == PAD)).all(1)
        return {f"exact/{name}": share for name, share in zip(TITLES, self.right.mean(1), strict=True)}

    def objectives(self, knobs: Seq2SeqKnobs) -> Mapping[str, Objective]:
        """The losses of those that are not out."""
        coming = self._coming(knobs)

        def of(name: Name) -> Objective:
            return Objective.of(self.models[name], self.optimizers[name], lambda: self._loss(name, *coming))

        return {TITLES[name]: of(name) for name in self.racing}

    # What is shown: the learner's text

    def _hypotheses(self, name: Name, knobs: Seq2SeqKnobs) -> list[Hypothesis]:
        """What a network makes of it, the likeliest first."""
        source = self.spoken.encode(knobs.text).to(self.device)
        key = self.step_index, knobs.text, knobs.beam
        return self.cached(
            f"found by {name}", key, lambda: self.models[name].search(source, knobs.beam, MOST)
        )

    def _forced(self, name: Name, output: list[int], knobs: Seq2SeqKnobs) -> tuple[Tensor, Tensor]:
        """Probability of each token of an output (T,), and the weights with which it is written (T, S)."""
        source, model = self.spoken.encode(knobs.text)[None].to(self.device), self.models[name]
        tokens = torch.tensor([[START, *output]], device=self.device)
        memory = model.encode(source)
        logits, _, weights = model.decode(model.embedding(tokens[:, :-1]), memory.start, memory)
        return logits.softmax(2).gather(2, tokens[:, 1:, None])[0, :, 0], weights[0]

    def _alignment(self, name: Name, knobs: Seq2SeqKnobs) -> p.Attention:
        """Of the right translation or, where the text has none, of the network's own."""
        answer = self.spoken.answer(knobs.text)
        output = self._hypotheses(name, knobs)[0].tokens if answer is None else [*answer, END]
        weights = self._forced(name, output, knobs)[1]  # (T, S)
        queries = self.spoken.target.names(output)
        keys = self.spoken.source.names(self.spoken.encode(knobs.text).tolist())
        return p.says(
            p.Attention(weights=weights[None, None].nan_to_num(), queries=queries, keys=keys),
            "It looks most clearly for “{query}”: at “{key}”, {percent}%.",
            **gaze(weights, queries, keys),
        )

    @p.attention("Bahdanau's alignment", size="hero")
    def bahdanau(self, knobs: Seq2SeqKnobs) -> p.Attention:
        """α of every token written, (T, S)."""
        return self._alignment("bahdanau", knobs)

    @p.tokens("Your translation", size="wide")
    def outputs(self, knobs: Seq2SeqKnobs) -> p.Tokens:
        """What each network writes, each token with its probability; the wrong ones marked."""
        answer = self.spoken.answer(knobs.text)
        rows, right = [], 0
        for name, title in TITLES.items():
            output = self._hypotheses(name, knobs)[0].tokens
            rows.append(self._row(title, output, self._forced(name, output, knobs)[0], answer))
            right += answer is not None and output == [*answer, END]
        picture = _in_rows(rows)
        if answer is None:
            return picture
        return p.says(picture, "{right} of {all} translations are right.", right=right, all=len(TITLES))

    @p.tokens("Held-out translations", size="wide")
    def held_out(self, knobs: Seq2SeqKnobs) -> p.Tokens:
        """A few held-out texts, the same at every step, each with the right output and with what is written.

        By length they stand in the middle of each quarter of all. Greedy: the likeliest token each time.
        """
        lengths = (self.unseen.sources != PAD).sum(1)
        at = lengths.argsort(stable=True)[UNSEEN // READ // 2 :: UNSEEN // READ]
        sources, targets = self.unseen.sources[at], self.unseen.targets[at, 1:]
        written = {name: self.models[name].greedy(sources, MOST) for name in TITLES}
        right = dict.fromkeys(TITLES, 0)
        rows: list[Row] = []
        for n in range(READ):
            source, target = (part[n][part[n] > END].tolist() for part in (sources, targets))
            rows.append(self._row(self.spoken.source.written(source), [*target, END], None, None))
            for name, (tokens, chances) in written.items():
                output = tokens[n][tokens[n] != PAD].tolist()
                rows.append(self._row(TITLES[name], output, chances[n, : len(output)], target))
                right[name] += output == [*target, END]
        return p.says(
            _in_rows(rows),
            "Right of {all}: {none} without attention, {bahdanau} with Bahdanau’s, {luong} with Luong’s.",
            all=READ,
            **right,
        )

    def _row(self, title: str, output: list[int], chances: Tensor | None, wanted: list[int] | None) -> Row:
        """A title, and an output without its `END`, of which the tokens have been `chances` if any."""
        tokens = [title, *self.spoken.target.names(output)]
        tokens[-1] = ROW if output[-1] == END else tokens[-1] + ROW
        values = torch.full((len(tokens),), torch.nan, device=self.device)
        if chances is not None:
            values[1:] = chances
        marks = [False] * len(output) if wanted is None else wrong_tokens(output, [*wanted, END])
        return Row(tokens, values, [False, *marks])

    @p.lines("Right by length")
    def by_length(self, knobs: Seq2SeqKnobs) -> p.Lines:
        """The share of held-out pairs translated without an error, over the tokens of the source."""
        lengths = (self.unseen.sources != PAD).sum(1) - 1
        places = (lengths - 1) // BIN
        counts = torch.bincount(places)
        sums = torch.stack([torch.bincount(places, right) for right in self.right])
        values = torch.where(counts < FEWEST, torch.nan, sums / counts)
        picture = p.Lines(
            x=torch.arange(len(counts)) * BIN + (BIN + 1) / 2,
            values=values,
            series=list(TITLES.values()),
            x_label="tokens read",
            y_ranges=[(0.0, 1.0)],
        )
        enough = (counts >= FEWEST).nonzero()
        found = extremes(100 * values[:, enough[-1, 0]], [*TITLES.values()]) if len(enough) else None
        if not found:
            return picture
        return p.says(picture, "Of the longest, {high} gets {most}% right, {low} {least}%.", **found)

    @p.attention("Luong's alignment", size="wide")
    def luong(self, knobs: Seq2SeqKnobs) -> p.Attention:
        """As above."""
        return self._alignment("luong", knobs)

    @p.ranking("Candidates", size="wide")
    def candidates(self, knobs: Seq2SeqKnobs) -> p.Ranking:
        """What the beam of one network ends with: probabilities of the whole, and per token."""
        found = self._hypotheses(knobs.shown, knobs)
        answer = self.spoken.answer(knobs.text)
        chances = torch.tensor([[h.score, h.score / len(h.tokens)] for h in found]).exp()
        picture = p.Ranking(
            values=chances.nan_to_num(),
            names=[self._said(h.tokens, answer) for h in found],
            columns=["p", "p per token"],
            ranges=[(0.0, 1.0), (0.0, 1.0)],
        )
        share = in_percent(float(chances[0, 0] / chances[:, 0].sum()))
        message = "The first has {percent}% of the probability that these {n} share."
        return p.says(picture, message, percent=share, n=len(found))

    def _said(self, output: list[int], answer: list[int] | None) -> str:
        """An output as one text, with a tick or a cross where there is a right one."""
        text = self.spoken.target.written(output[:-1] if output[-1] == END else output)
        return text if answer is None else f"{'✓' if output == [*answer, END] else '✗'} {text}"

    exact = p.scalars(by_learner("exact", TITLES), "Exactly right")
    losses = p.scalars(by_learner("loss", TITLES), "Loss", log=True, smoothing=0.8)


def _in_rows(rows: list[Row]) -> p.Tokens:
    return p.Tokens(
        tokens=[token for row in rows for token in row.tokens],
        values=torch.cat([row.values for row in rows]),
        range=(0.0, 1.0),
        marks=torch.tensor([mark for row in rows for mark in row.marks], dtype=torch.uint8),
        mark_name="wrong",
        name="p(token)",
    )


def wrong_tokens(output: list[int], wanted: list[int]) -> list[bool]:
    """Which tokens of an output differ from the one wanted, or stand next to a gap."""
    wrong = [False] * len(output)
    for tag, first, last, *_ in SequenceMatcher(None, output, wanted, autojunk=False).get_opcodes():
        if tag in ("delete", "replace"):
            wrong[first:last] = [True] * (last - first)
        elif tag == "insert":  # before the token `first`, or at the end
            wrong[min(first, len(output) - 1)] = True
    return wrong
