"""GPT.

A decoder-only Transformer learns to go on with real text, by characters or by byte pairs, and writes. On
random sequences that repeat, watch induction heads form: they look up what followed the last time.

T tokens t_1 … t_T, L layers, h heads of d_k = d/h components; LN is layer normalisation:

    x⁰ = W_E[t] + W_P[position]                                            the residual stream, (T, d)
    x ← x + Concat(z^1, …, z^h) W^O,  z^i = softmax(QKᵀ/√d_k + mask) V of LN(x)      only what came before
    x ← x + GELU(LN(x) W_1) W_2
    p(next token) = softmax(W_U LN(x^L)),  L = −(1/BT) Σ log p(t_{i+1})
    logit lens after layer l: softmax(W_U LN(x^l))
    bits per character = −Σ log₂ p(token) / number of characters

Watch words appear in what it writes. With repeating sequences, watch heads of layer 1 turn to the token
before, heads of layer 2 to what followed the same token earlier, and the loss fall as they do.

Source: Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2018 (GPT) and 2019 (GPT-2, whose layers these
are); Elhage et al. 2021 and Olsson et al. 2022, arXiv:2209.11895 (induction heads); nostalgebraist 2020,
"interpreting GPT: the logit lens"; Holtzman et al. 2019, arXiv:1904.09751 (top-p); Sennrich et al. 2016,
arXiv:1508.07909 (byte pairs).
Departures: small; Adam at one rate, no dropout; W_U is a matrix of its own, not W_E.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from pydantic import field_validator, model_validator
from torch import Tensor
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.pairs import in_tokens
from descent.kit.data.text import ALICE, OTHER, OWN_VOCABULARY, VOCABULARY, cleaned, parts_of
from descent.kit.history import remembered
from descent.kit.nn.decoder import GPT, continuation
from descent.kit.nn.induction import head_scores, repeating
from descent.kit.nn.sampling import sampled_from
from descent.kit.reading import foremost, gaze, in_percent
from descent.kit.text import rough

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ123456"  # tokens of the random sequences
SHORTEST, LONGEST = 6, 32  # periods
SAMPLE, CANDIDATES = 200, 10  # tokens that are written, and that the bars show
READ = 40  # tokens that the lens shows at most: so many can be read side by side
MEASURED, TESTED = 16, 8  # windows behind the held-out figure, and behind the cost of a head
EVERY, KEPT = 25, 512  # steps between two of those figures; scores of heads that are kept
FEWEST = 12  # different characters of a pasted text
TEXTS = ("python", "prose", "tiny-shakespeare", "pasted", "file")
REPEATS: dict[str, Any] = {"corpus": "repeats", "heads": 2, "feed_forward": False}
SIGNS = str.maketrans(" \n\t", "␣↵⇥")
Head = Literal[
    "1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4",
    "3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "4.4",
]  # fmt: skip
HEADS: tuple[Head, ...] = get_args(Head)

NO_TEXT = "this Python comes without it ({reason}); choose another"
EMPTY = "it is empty: type at least one character"
TOO_SHORT = "{have} characters are too few: paste {needed} or more, or lower the context"
TOO_UNIFORM = "it has {n} different characters; use {least} or more"
FEW_TOKENS = "it makes {have} tokens; paste more until there are {needed}, or merge fewer pairs"
UNKNOWN = "{strange} stands nowhere in the text; the model reads {other} instead."
CUT = "It reads the last {n} tokens of the prompt."
INDIVISIBLE = "a width of {width} does not divide among {heads} heads: choose {fits}"
NO_HEAD = "there is no head {head}: the last one is {last}"


class GPTKnobs(Knobs):
    # fmt: off
    prompt: str = live("class Reader:\n    def __init__(self, ", "Prompt", max_length=2000, lines=3,
        when={"corpus": TEXTS}, group="writing", role="look")
    temperature: float = live(0.8, "Temperature", "τ", range=(0.0, 2.0), step=0.05, typical=(0.5, 1.1),
        when={"corpus": TEXTS}, group="writing", role="look")
    top_k: int = live(0, "Top-k", "k", range=(0, 100), when={"corpus": TEXTS}, group="writing", role="look")
    top_p: float = live(1.0, "Top-p", "p", range=(0.05, 1.0), step=0.05, when={"corpus": TEXTS},
        group="writing", role="look")
    period: int = live(16, "Period shown", range=(SHORTEST, LONGEST), when={"corpus": ["repeats"]},
        group="writing", role="look")
    off: list[Head] = live([], "Heads switched off", options=HEADS, max_length=len(HEADS), group="training")
    lr: float = rate(3e-3, log=(1e-5, 0.1), typical=(1e-3, 6e-3), group="training")
    batch_size: int = batch_of(32, 128, group="training")
    corpus: Literal["python", "prose", "tiny-shakespeare", "pasted", "file", "repeats"] = fixed(
        "python", "It reads",
        options={"python": "Python source", "prose": "English prose", "tiny-shakespeare": "Shakespeare",
        "pasted": "your own text", "file": "a file of yours", "repeats": "random sequences that repeat"},
        data=("tiny-shakespeare",), group="text")
    pasted: str = fixed(ALICE, "Your text", when={"corpus": ["pasted"]}, max_length=20_000, lines=4,
        group="text")
    file: str = fixed("", "Your file", when={"corpus": ["file"]}, own="text", max_length=32, group="text")
    tokens: Literal["characters", "pairs"] = fixed("characters", "Tokens", when={"corpus": TEXTS},
        options={"characters": "characters", "pairs": "byte pairs"}, group="text")
    merges: int = fixed(256, "Merged pairs", range=(1, 1000), when={"corpus": TEXTS, "tokens": ["pairs"]},
        group="text")
    length: int = fixed(64, "Context", "T", range=(16, 128), unit="tokens", group="network")
    layers: int = fixed(2, "Layers", "L", range=(1, 4), group="network")
    heads: int = fixed(4, "Heads", "h", range=(1, 4), group="network")
    d_model: int = fixed(64, "Width", "d", range=(16, 192), step=16, group="network")
    feed_forward: bool = fixed(True, "Feed-forward layers", group="network")
    # fmt: on

    @field_validator("prompt", "pasted")
    @classmethod
    def _clean(cls, text: str) -> str:
        return cleaned(text)

    @model_validator(mode="after")
    def _fit_together(self) -> GPTKnobs:
        if not self.prompt:
            raise KnobError("prompt", EMPTY)
        if self.corpus == "pasted":
            if (n := len(set(self.pasted))) < FEWEST:
                raise KnobError("pasted", TOO_UNIFORM, n=n, least=FEWEST)
            if (have := len(self.pasted)) < (needed := 5 * (self.length + 1)):
                raise KnobError("pasted", TOO_SHORT, have=have, needed=needed)
        if self.d_model % self.heads:
            fits = ", ".join(str(heads) for heads in range(1, 5) if self.d_model % heads == 0)
            raise KnobError("heads", INDIVISIBLE, width=self.d_model, heads=self.heads, fits=fits)
        for head in set(self.off) - set(heads := heads_of(self)):
            raise KnobError("off", NO_HEAD, head=head, last=heads[-1])
        return self


def heads_of(knobs: GPTKnobs) -> list[Head]:
    """The heads there are, layer by layer."""
    there = [f"{layer}.{head}" for layer in range(1, knobs.layers + 1) for head in range(1, knobs.heads + 1)]
    return [head for head in HEADS if head in there]


class GPTExperiment(Experiment[GPTKnobs]):
    """A small GPT on text or on repeating sequences, and its heads."""

    order = 20
    after = ("transformer",)
    minutes = 15
    level = 3
    invite = "Type a beginning of your own, and turn the temperature."
    steers = {"lr": "optimizer"}
    measures = {"bits/train": Measure("loss"), "bits/held-out": Measure("held-out")}
    presets = {
        "pairs": Preset("Byte pairs", {"tokens": "pairs"}),
        "greedy": Preset("Always the likeliest", {"temperature": 0.0}),
        "nucleus": Preset("Hot, but only the nucleus", {"temperature": 1.5, "top_p": 0.5}),
        "induction": Preset("Induction heads", REPEATS),
        "one-layer": Preset("One layer has none", {**REPEATS, "layers": 1}),
    }

    def build(self, knobs: GPTKnobs) -> None:
        """The tokens and the model. Raises `KnobError` where there is no text."""
        self._read_text(knobs)
        sizes = len(self.names), knobs.length, knobs.d_model, knobs.heads, knobs.layers
        self.model = GPT(*sizes, knobs.feed_forward).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr, fused=True)
        self.repeats, _ = self._repeats(knobs.length, self.generator(-1), MEASURED, distinct=True)
        if knobs.corpus == "repeats":
            self.measured, self.second = self._repeats(knobs.length, self.generator(-3), MEASURED)
        self.scores, self.stride = torch.empty(0, 2, knobs.layers, knobs.heads), 1

    def _read_text(self, knobs: GPTKnobs) -> None:
        """The tokens' names and lengths in characters, and the text cut into them."""
        if knobs.corpus == "repeats":
            self.names = list(LETTERS)
        else:
            try:
                own = knobs.file if knobs.corpus == "file" else knobs.pasted
                train, held, _ = parts_of(knobs.corpus, own, self.data)
            except (OSError, ImportError) as error:
                raise KnobError("corpus", NO_TEXT, reason=str(error)) from error
            most = OWN_VOCABULARY if knobs.corpus in ("pasted", "file") else VOCABULARY
            merges = knobs.merges if knobs.tokens == "pairs" else 0
            self.pairs, self.train, held_out = in_tokens(train, held, most, merges)
            self.names = self.pairs.tokens
            if (have := min(len(self.train), len(held_out))) <= knobs.length:
                raise KnobError("pasted", FEW_TOKENS, have=have, needed=knobs.length + 1)
            starts = torch.linspace(0, len(held_out) - knobs.length - 1, MEASURED).long()
            self.measured = held_out[starts[:, None] + torch.arange(knobs.length + 1)].to(self.device)
        self.characters = torch.tensor([len(name) for name in self.names], device=self.device)

    def _repeats(
        self, length: int, generator: torch.Generator, n: int, *, distinct: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Sequences (n, T + 1) that repeat, and where the next token has come before, (n, T)."""
        size = len(self.names) - (self.names[-1] == OTHER)
        most = min(LONGEST, length // 2, size)
        periods = torch.randint(SHORTEST, most + 1, (n,), generator=generator)
        second = torch.arange(length) >= periods[:, None]
        tokens = repeating(periods, length + 1, size, generator, distinct=distinct)
        return tokens.to(self.device), second.to(self.device)

    def _keep(self, knobs: GPTKnobs, *more: Head) -> Tensor | None:
        """(L, h), 0 for the heads that are off; None where all are on."""
        if not (off := {*knobs.off, *more}):
            return None
        on = [float(head not in off) for head in heads_of(knobs)]
        return torch.tensor(on, device=self.device).view(knobs.layers, knobs.heads)

    def _batch(self, knobs: GPTKnobs) -> Tensor:
        """The coming step's windows, (B, T + 1)."""
        generator = self.step_generator(self.step_index)
        if knobs.corpus == "repeats":
            return self._repeats(knobs.length, generator, knobs.batch_size)[0]
        starts = torch.randint(len(self.train) - knobs.length, (knobs.batch_size, 1), generator=generator)
        return self.train[starts + torch.arange(knobs.length + 1)].to(self.device)

    def _losses(self, windows: Tensor, keep: Tensor | None) -> Tensor:
        """−log p of each next token, (B, T)."""
        logits = self.model(windows[:, :-1], keep)
        losses = F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction="none")
        return losses.view(len(windows), -1)

    def _bits(self, losses: Tensor, windows: Tensor, where: Tensor | bool = True) -> Tensor:
        """Bits per character of the tokens of which these are the losses, (B, T), or of some of them."""
        characters = (self.characters[windows[:, 1:]] * where).sum()
        return (losses * where).sum() / characters / math.log(2)

    def step(self, knobs: GPTKnobs) -> Scalars:
        """Descend on a batch of windows; now and then, measure before."""
        row = {} if self.step_index % EVERY else self._measure(knobs)
        windows = self._batch(knobs)
        losses = self._losses(windows, self._keep(knobs))
        self.optimizer.zero_grad()
        losses.mean().backward()
        self.optimizer.step()
        return {"bits/train": self._bits(losses.detach(), windows), **row}

    def objectives(self, knobs: GPTKnobs) -> Mapping[str, Objective]:
        """The loss on the coming windows, in nats per token."""
        return {
            "": Objective.of(
                self.model, self.optimizer, lambda: self._losses(self._batch(knobs), self._keep(knobs)).mean()
            )
        }

    @torch.no_grad()
    def _measure(self, knobs: GPTKnobs) -> dict[str, Tensor]:
        """On unseen windows; keeps the heads' scores, where no token stands twice in one period."""
        keep, seen = self._keep(knobs), list[Tensor]()
        self.model(self.repeats[:, :-1], keep, seen=seen)
        if self.step_index // EVERY % self.stride == 0:
            scores = torch.stack([head_scores(weights, self.repeats[:, :-1]) for weights in seen], 1)
            self.scores, self.stride = remembered(self.scores, scores.cpu(), self.stride, KEPT)
        losses = self._losses(self.measured, keep)
        row = {"bits/held-out": self._bits(losses, self.measured)}
        if knobs.corpus == "repeats":
            row["bits/second"] = self._bits(losses, self.measured, self.second)
        return row

    # What is shown

    def _shown(self, knobs: GPTKnobs) -> Tensor:
        """The tokens (T,) that are looked at: the prompt's end, or a sequence with the chosen period.

        No token stands twice in one period, so that it is seen where a head looks.
        """
        if knobs.corpus == "repeats":
            sizes = torch.tensor([knobs.period]), knobs.length, len(LETTERS)
            return repeating(*sizes, self.generator(-2), distinct=True)[0].to(self.device)
        return self.pairs.encode(knobs.prompt)[-knobs.length :].to(self.device)

    @p.tokens("Token by token", size="hero")
    def text(self, knobs: GPTKnobs) -> p.Tokens:
        """The prompt and what follows, or a repeating sequence, by the probability of each token."""
        shown, keep = self._shown(knobs), self._keep(knobs)
        if knobs.corpus == "repeats":
            chances = self.model(shown[None, :-1], keep).softmax(2)[0].gather(1, shown[1:, None])[:, 0]
            marks = torch.arange(len(shown)) >= knobs.period
            picture = self._coloured(shown, F.pad(chances, (1, 0), value=math.nan), marks, "repeats")
            first, again = chances[: knobs.period - 1].mean(), chances[knobs.period - 1 :].mean()
            text = "It expects the right token with {first}% at first, with {again}% when it repeats."
            return p.says(picture, text, first=in_percent(float(first)), again=in_percent(float(again)))
        draws = torch.rand(SAMPLE, generator=self.generator(self.step_index)).tolist()
        drawing = knobs.temperature, knobs.top_k, knobs.top_p
        tokens, chances = continuation(self.model, shown, draws, keep, *drawing)
        chances = F.pad(chances, (len(shown), 0), value=math.nan)
        marks = torch.arange(len(chances)) < len(shown)
        picture = self._coloured(torch.cat([shown, tokens.to(shown)]), chances, marks, "what was read")
        strange = "".join(sorted(set(knobs.prompt) - set("".join(self.names))))
        if strange:
            picture.notes = [p.Note(UNKNOWN, {"strange": strange, "other": OTHER})]
        if len(self.pairs.encode(knobs.prompt)) > knobs.length:
            picture.notes = [*picture.notes, p.Note(CUT, {"n": knobs.length})]
        share = in_percent(float(chances[len(shown) :].mean()))
        return p.says(picture, "It gave the tokens it wrote {percent}% on average.", percent=share)

    def _coloured(self, tokens: Tensor, chances: Tensor, marks: Tensor, name: str) -> p.Tokens:
        names = [self.names[token] for token in tokens.tolist()]
        running = name != "repeats" and max(map(len, self.names)) == 1  # as a text, not each in a box
        return p.Tokens(
            tokens="".join(names) if running else names,
            values=chances,
            range=(0.0, 1.0),
            marks=marks.to(torch.uint8),
            mark_name=name,
            name="p",
        )

    @p.bars("The next token")
    def candidates(self, knobs: GPTKnobs) -> p.Bars:
        """The likeliest tokens after those on show, and with what probability they are drawn."""
        logits = self.model(self._shown(knobs)[None], self._keep(knobs))[0, -1]
        chances, tokens = logits.softmax(0).topk(min(CANDIDATES, len(self.names)))
        rows = [chances]
        if knobs.corpus != "repeats":
            rows.append(sampled_from(logits, knobs.temperature, knobs.top_k, knobs.top_p)[tokens])
        labels = [self.names[token].translate(SIGNS) for token in tokens.tolist()]
        picture = p.Bars(
            values=torch.stack(rows), labels=labels, series=["p", "drawn with"][: len(rows)], range=(0.0, 1.0)
        )
        text = "No token is likelier than “{token}”: {percent}%."
        return p.says(picture, text, token=labels[0], percent=in_percent(float(chances[0])))

    bits = p.scalars(
        {"bits/train": "training", "bits/held-out": "unseen", "bits/second": "second time"},
        "Bits per character", smoothing=0.6,
    )  # fmt: skip

    @p.heatmap("What would each layer say? (logit lens)", size="wide")
    def lens(self, knobs: GPTKnobs) -> p.Heatmap:
        """What the stream would say after each layer, and its p of the token that does come next.

        Both (L + 1, T − 1), but of `READ` tokens at most, the first of a repeating sequence, the last of a
        prompt. The colour is that of the right token, not of the one said, so a column is bright where the
        answer is known, and dark where a layer is sure of another.
        """
        shown, stream = self._shown(knobs), list[Tensor]()
        self.model(shown[None], self._keep(knobs), stream)
        chances = self.model.read(torch.cat(stream)).softmax(2)  # (L + 1, T, V)
        part = slice(READ) if knobs.corpus == "repeats" else slice(-READ, None)
        chances, following = chances[:, : max(1, len(shown) - 1)][:, part], shown[1:][part]
        values = torch.full(chances.shape[:2], math.nan)
        if len(following):  # else nothing follows that is known
            values = chances.gather(2, following.expand(len(stream), -1)[..., None])[..., 0]
        signs = [name.translate(SIGNS)[: p.Heatmap.LONGEST_TEXT] for name in self.names]
        picture = p.Heatmap(
            values=values,
            rows=["embedding", *(f"layer {layer}" for layer in range(1, len(stream)))],
            columns=[signs[token] for token in following.tolist()] or ["–"],
            x_label="next token",
            range=(0.0, 1.0),
            texts=[[signs[token] for token in row] for row in chances.argmax(2).tolist()],
        )
        text = "The right token has {first}% on average before the layers, {last}% after the last."
        shares = [in_percent(float(row.mean())) for row in (values[0], values[-1])]
        return p.says(picture, text, first=shares[0], last=shares[1])

    @p.heatmap("What switching a head off costs")
    def cost(self, knobs: GPTKnobs) -> p.Heatmap:
        """Bits per character more without the head, (L, h); none for one that is off."""
        windows = self.measured[:TESTED]
        where = self.second[:TESTED] if knobs.corpus == "repeats" else True
        as_is = self._bits(self._losses(windows, self._keep(knobs)), windows, where)
        costs = [
            math.nan
            if head in knobs.off
            else float(self._bits(self._losses(windows, self._keep(knobs, head)), windows, where) - as_is)
            for head in heads_of(knobs)
        ]
        picture = p.Heatmap(
            values=torch.tensor(costs).view(knobs.layers, knobs.heads),
            rows=[f"layer {layer}" for layer in range(1, knobs.layers + 1)],
            columns=[str(head) for head in range(1, knobs.heads + 1)],
            x_label="head",
            scale="diverging",
            annotate=True,
        )
        most = foremost(costs)
        if most is None:
            return picture
        text = "The head that is missed most: layer {layer}, head {head}, by {bits} bits."
        layer, head = divmod(most, knobs.heads)
        return p.says(picture, text, layer=layer + 1, head=head + 1, bits=rough(costs[most]))

    @p.attention("Attention of every head", size="wide")
    def attention(self, knobs: GPTKnobs) -> p.Attention:
        """Of the tokens on show, (L, h, T, T)."""
        shown, seen = self._shown(knobs), list[Tensor]()
        self.model(shown[None], self._keep(knobs), seen=seen)
        names = [self.names[token] for token in shown.tolist()]
        ahead = torch.ones(len(names), len(names), dtype=torch.uint8).triu(1)
        picture = p.Attention(weights=torch.cat(seen), queries=names, keys=names, masked=ahead)
        text = "In the last layer, the last token looks most at “{key}”: {percent}%."
        return p.says(picture, text, **gaze(seen[-1][..., -1:, :], names[-1:], names))

    @p.lines("What each head does")
    def head_history(self, knobs: GPTKnobs) -> p.Lines:
        """Previous-token and induction score of every head, on random tokens that repeat."""
        picture = p.Lines(
            x=torch.arange(len(self.scores)).float() * EVERY * self.stride,
            values=self.scores.permute(1, 2, 3, 0).flatten(1, 2),  # (2, L·h, n)
            series=heads_of(knobs),
            groups=["previous token", "induction"],
            x_label="step",
            y_ranges=[(0.0, 1.0)] * 2,
        )
        first = foremost(self.scores[-1, 0]) if len(self.scores) else None
        if first is None:
            return picture
        share = in_percent(float(self.scores[-1, 0].flatten()[first]))
        text = "No head looks more at the token before than {head}: with {percent}% of its weight."
        return p.says(picture, text, head=heads_of(knobs)[first], percent=share)
