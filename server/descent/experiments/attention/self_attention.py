"""Self-attention.

Every word of a sentence asks all words a question, and takes up what those that fit it answer. Follow each
number from a word's vector to the weighted sum, while one layer learns to fill the gap in a sentence.

T words x (T, d), h heads of d_k = d/h components; A says who may look at whom:

    Q = x W^Q,  K = x W^K,  V = x W^V                          queries, keys, values, (T, d_k) for each head
    S = QKᵀ/√d_k,  S_ij = −∞ where A_ij does not allow it      scores, (T, T)
    a_i = softmax(S_i),  z_i = Σ_j a_ij v_j                    weights, which sum to 1, and what comes of them
    Concat(z^1, …, z^h) W^O                                    the heads, joined
    p(word in the gap) = softmax(U LayerNorm(x + Concat(…) W^O) + b)
    L = −(1/B) Σ log p(hidden word)

Watch the row of the gap: where the verb is hidden it soon looks at object and subject, where the object is
hidden, at the verb.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, §3.2; footnote 4 has the
variance of q·k. Filling a gap: Devlin et al., "BERT" (2018), arXiv:1810.04805, §3.1.
Departures: one layer without feed-forward network and without positions, so a sentence is a set of words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.gapped import GAP, Gapped, Language, Sentences
from descent.kit.data.translation import PAD
from descent.kit.reading import gaze, in_percent, peak
from descent.kit.text import rough

MOST = 12  # words of a sentence
UNSEEN = 256  # sentences with pairs of subject and phrase that are held out
TEST_EVERY = 5  # steps
LIKELIEST = 6  # words
SIZES = [2**i for i in range(10)]  # of d_k, for the reason of its root
DRAWS, KEYS = 400, 8  # random queries, and keys for each
Look = Literal["all", "past", "others"]
Stage = Literal["dot", "scaled", "masked", "weights"]

TOO_MANY = "it has {n} words; use at most {most}"
INDIVISIBLE = "a width of {width} does not divide among {heads} heads: choose {fits}"


class SelfAttentionKnobs(Knobs):
    # fmt: off
    sentence: str = live("I gladly read old books", "Your sentence", when={"language": ["en"]},
        max_length=120, group="sentence", role="look")
    korean: str = live("나는 자연어 처리를 즐겨한다", "Your sentence", when={"language": ["ko"]},
        max_length=120, group="sentence", role="look")
    gap: int = live(3, "Word hidden", range=(0, MOST), group="sentence", role="look")
    stage: Stage = live("weights", "Shown", group="numbers", role="look",
        options={"dot": "q·k", "scaled": "q·k/√d_k", "masked": "masked", "weights": "softmax"})
    head: int = live(1, "Head", range=(1, 8), group="numbers", role="look")
    cell: tuple[int, int] = live((2, 4), "Query, key", group="numbers", role="look")
    lr: float = rate(0.01, log=(1e-4, 1.0), typical=(2e-3, 0.03), group="training")
    batch_size: int = batch_of(64, 256, group="training")
    scaled: bool = live(True, "Divided by √d_k", group="training", role="task")
    allowed: Look = live("all", "May look at", group="training", role="task",
        options={"all": "every word", "past": "itself and before", "others": "other words only"})
    language: Language = fixed("en", "Language", options={"en": "English", "ko": "Korean"})
    d_model: int = fixed(16, "Width", "d", range=(2, 256))
    heads: int = fixed(4, "Heads", "h", range=(1, 8))
    # fmt: on

    @property
    def words(self) -> list[str]:
        """The learner's sentence, word by word."""
        return (self.korean if self.language == "ko" else self.sentence).split()

    @model_validator(mode="after")
    def _fits(self) -> SelfAttentionKnobs:
        name = "korean" if self.language == "ko" else "sentence"
        if not self.words:
            raise KnobError(name, "it is empty: type at least one word")
        if len(self.words) > MOST:
            raise KnobError(name, TOO_MANY, n=len(self.words), most=MOST)
        if self.d_model % self.heads:
            fits = ", ".join(str(h) for h in range(1, 9) if self.d_model % h == 0)
            raise KnobError("heads", INDIVISIBLE, width=self.d_model, heads=self.heads, fits=fits)
        return self


class Attended(NamedTuple):
    """What self-attention computes, in order. (…, h, T, d_k) but for scores and weights, (…, h, T, T)."""

    Q: Tensor
    K: Tensor
    V: Tensor
    dot: Tensor
    scaled: Tensor
    masked: Tensor
    weights: Tensor
    z: Tensor
    joined: Tensor  # (…, T, d)


class SelfAttention(nn.Module):
    """h heads of d_k = d/h components (§3.2.2)."""

    def __init__(self, d: int, h: int) -> None:
        super().__init__()
        self.h = h
        self.W_Q, self.W_K, self.W_V, self.W_O = (nn.Linear(d, d, bias=False) for _ in range(4))
        for layer in (self.W_Q, self.W_K, self.W_V, self.W_O):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(d))  # then q·k has variance d_k

    def forward(self, x: Tensor, allowed: Tensor, scaled: bool) -> Attended:
        """Of words x (…, T, d), each of which may look where `allowed` (…, 1, T or 1, T) says so."""
        Q, K, V = self.split(self.W_Q(x)), self.split(self.W_K(x)), self.split(self.W_V(x))
        dot = Q @ K.mT
        S = dot / math.sqrt(Q.shape[-1]) if scaled else dot
        masked = S.masked_fill(~allowed, -torch.inf)
        a = masked.softmax(-1)
        z = a @ V
        return Attended(Q, K, V, dot, S, masked, a, z, self.W_O(z.transpose(-2, -3).flatten(-2)))

    def split(self, x: Tensor) -> Tensor:
        """(…, T, d) → (…, h, T, d_k)."""
        return x.unflatten(-1, (self.h, -1)).transpose(-2, -3)


class GapFiller(nn.Module):
    """Tokens in, logits of the word at each place out."""

    def __init__(self, size: int, d: int, h: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, d)  # of variance 1
        self.attention = SelfAttention(d, h)
        self.norm, self.readout = nn.LayerNorm(d), nn.Linear(d, size)

    def forward(self, tokens: Tensor, look: Look, scaled: bool) -> Tensor:
        """(B, T) → (B, T, V)."""
        logits: Tensor = self.read(self.embedding(tokens), self.attend(tokens, look, scaled))
        return logits

    def attend(self, tokens: Tensor, look: Look, scaled: bool) -> Attended:
        """Self-attention of tokens (…, T)."""
        attended: Attended = self.attention(self.embedding(tokens), permitted(tokens, look), scaled)
        return attended

    def read(self, x: Tensor, attended: Attended) -> Tensor:
        """Logits (…, T, V)."""
        logits: Tensor = self.readout(self.norm(x + attended.joined))
        return logits


def permitted(tokens: Tensor, look: Look) -> Tensor:
    """Where each of the words (…, T) may look, (…, 1, T, T): not at padding, and as `look` says."""
    T = tokens.shape[-1]
    pattern = torch.ones(T, T, dtype=torch.bool, device=tokens.device)
    if look == "past":
        pattern = pattern.tril()
    if look == "others" and T > 1:
        pattern = ~torch.eye(T, dtype=torch.bool, device=tokens.device)
    return (tokens != PAD)[..., None, None, :] & pattern


def softmax_slope(scores: Tensor) -> Tensor:
    """Frobenius norm of the softmax's Jacobian diag(a) − aaᵀ, for scores (…, n): (…)."""
    a = scores.softmax(-1)
    return (a.diag_embed() - a[..., None] * a[..., None, :]).square().sum((-1, -2)).sqrt()


def entropy(a: Tensor) -> Tensor:
    """−Σ a log a of weights (…, n), in nats: (…)."""
    return torch.special.entr(a).sum(-1)


class SelfAttentionExperiment(Experiment[SelfAttentionKnobs]):
    """One layer of self-attention that fills the gap in a sentence."""

    order = 0
    pace = 20.0
    after = ("embedding",)
    minutes = 11
    level = 2
    invite = "Click a cell, and see which numbers it is made of."
    steers = {"lr": "optimizer"}
    measures = {
        "loss/train": Measure("loss"),
        "loss/test": Measure("held-out"),
        "acc/verb": Measure("accuracy"),
        "acc/object": Measure("accuracy"),
    }
    presets = {
        "note": Preset("In Korean", {"language": "ko", "gap": 4, "cell": (3, 2)}),
        "unscaled": Preset("Without √d_k", {"d_model": 64, "heads": 1, "scaled": False, "lr": 3e-3}),
        "masked": Preset("Only what came before", {"allowed": "past"}),
        "small": Preset("Four numbers a word", {"d_model": 4, "heads": 1, "lr": 0.03}),
    }

    def build(self, knobs: SelfAttentionKnobs) -> None:
        """The sentences and the layer."""
        self.sentences = Sentences(knobs.language)
        self.model = GapFiller(self.sentences.size, knobs.d_model, knobs.heads).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr)
        self.unseen = self._drawn(UNSEEN, -1, held_out=True)

    def _drawn(self, n: int, stream: int, *, held_out: bool) -> Gapped:
        drawn = self.sentences.draw(n, self.generator(stream), held_out=held_out)
        return Gapped(*(part.to(self.device) for part in drawn))

    def step(self, knobs: SelfAttentionKnobs) -> Scalars:
        """Fill the gaps of new sentences; now and then, measure on unseen pairs before."""
        measured = {} if self.step_index % TEST_EVERY else self.measure(knobs)
        loss = self._loss(knobs)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach(), **measured}

    def _logits(self, gapped: Gapped, knobs: SelfAttentionKnobs) -> Tensor:
        """Of the word in each gap, (B, V)."""
        logits = self.model(gapped.tokens, knobs.allowed, knobs.scaled)
        return logits[torch.arange(len(logits), device=self.device), gapped.places]

    def _loss(self, knobs: SelfAttentionKnobs) -> Tensor:
        batch = self._drawn(knobs.batch_size, self.step_index, held_out=False)
        return F.cross_entropy(self._logits(batch, knobs), batch.words)

    def objectives(self, knobs: SelfAttentionKnobs) -> Mapping[str, Objective]:
        """The loss on the coming sentences."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    @torch.no_grad()
    def measure(self, knobs: SelfAttentionKnobs) -> Scalars:
        """On unseen pairs: the loss, the share of words that are found, the entropy of the gap's row."""
        tokens, places, words = self.unseen
        logits = self._logits(self.unseen, knobs)
        right = (logits.argmax(1) == words).float()
        no_verb = places == self.sentences.order.index("verb")
        weights = self.model.attend(tokens, knobs.allowed, knobs.scaled).weights  # (N, h, T, T)
        gaps = weights.transpose(1, 2)[torch.arange(len(tokens), device=self.device), places]  # (N, h, T)
        return {
            "loss/test": F.cross_entropy(logits, words),
            "acc/verb": right[no_verb].mean(),
            "acc/object": right[~no_verb].mean(),
            "entropy": entropy(gaps).mean(),
        }

    # What is shown: the learner's sentence

    def _names(self, knobs: SelfAttentionKnobs) -> list[str]:
        return [f"_ ({word})" if i == knobs.gap else word for i, word in enumerate(knobs.words, 1)]

    def _read(self, knobs: SelfAttentionKnobs) -> tuple[Tensor, Attended]:
        """The tokens (T,), and their attention."""
        tokens = self.sentences.encode(knobs.words)
        if 1 <= knobs.gap <= len(tokens):
            tokens[knobs.gap - 1] = GAP
        tokens = tokens.to(self.device)
        return tokens, self.model.attend(tokens, knobs.allowed, knobs.scaled)

    def _chosen(self, knobs: SelfAttentionKnobs) -> tuple[int, int, int]:
        """Head, query and key on show, from 0."""
        last = len(knobs.words) - 1
        query, key = (max(0, min(place, last)) for place in knobs.cell)
        return min(knobs.head, knobs.heads) - 1, query, key

    @p.heatmap("Who looks at whom", size="hero", edits="cell")
    def scores(self, knobs: SelfAttentionKnobs) -> p.Heatmap:
        """One head's scores, (T, T), or the weights that softmax makes of each row."""
        _, attended = self._read(knobs)
        values = getattr(attended, knobs.stage)[self._chosen(knobs)[0]]
        weights, names = knobs.stage == "weights", self._names(knobs)
        picture = p.Heatmap(
            values=values.masked_fill(values.isinf(), torch.nan),
            rows=names,
            columns=names,
            x_label="key",
            y_label="query",
            scale="sequential" if weights else "diverging",
            range=(0.0, 1.0) if weights else None,
            annotate=True,
        )
        head, query, _ = self._chosen(knobs)
        found = gaze(attended.weights[head, query : query + 1], names[query : query + 1], names)
        return p.says(picture, "“{query}” looks most at “{key}”: {percent}% of its attention.", **found)

    @p.heatmap("How does one score come about? q ⊙ k", size="wide")
    def product(self, knobs: SelfAttentionKnobs) -> p.Heatmap:
        """The chosen query and key, their products, and the sum of these in the last column."""
        head, i, j = self._chosen(knobs)
        _, attended = self._read(knobs)
        q, k = attended.Q[head, i], attended.K[head, j]
        rows = torch.stack([q, k, q * k])
        total = torch.tensor([torch.nan, torch.nan, float(q @ k)], device=self.device)
        names = self._names(knobs)
        picture = p.Heatmap(
            values=torch.cat([rows, total[:, None]], 1),
            rows=[f"q: {names[i]}", f"k: {names[j]}", "q ⊙ k"],
            columns=[*numbered(len(q)), "Σ"],
            scale="diverging",
            annotate=True,
        )
        text = "“{query}” asks, “{key}” answers: together they score {score}."
        return p.says(picture, text, query=names[i], key=names[j], score=rough(float(q @ k)))

    @p.heatmap("Queries, keys, values", size="wide")
    def projections(self, knobs: SelfAttentionKnobs) -> p.Heatmap:
        """q, k and v of every word, for the head on show."""
        head, *_ = self._chosen(knobs)
        _, attended = self._read(knobs)
        parts = attended.Q[head], attended.K[head], attended.V[head]
        columns = [f"{name}{i}" for name in "qkv" for i in numbered(parts[0].shape[1])]
        names = self._names(knobs)
        picture = p.Heatmap(
            values=torch.cat(parts, 1), rows=names, columns=columns, scale="diverging", annotate=True
        )
        found = peak(parts[0] @ parts[1].T)
        if not found:
            return picture
        query, key = names[int(found["row"]) - 1], names[int(found["column"]) - 1]
        text = "The query of “{query}” fits the key of “{key}” best: q·k = {score}."
        return p.says(picture, text, query=query, key=key, score=found["value"])

    @p.heatmap("The weighted sum", size="wide")
    def weighted_sum(self, knobs: SelfAttentionKnobs) -> p.Heatmap:
        """Weight times value of each word, for the chosen query; their sum z below."""
        head, i, _ = self._chosen(knobs)
        _, attended = self._read(knobs)
        parts = attended.weights[head, i][:, None] * attended.V[head]  # (T, d_k)
        names, sizes = self._names(knobs), parts.norm(dim=1)
        picture = p.Heatmap(
            values=torch.cat([parts, attended.z[head, i][None]]),
            rows=[*(f"a·v: {name}" for name in names), "z"],
            columns=numbered(parts.shape[1]),
            scale="diverging",
            annotate=True,
        )
        text = "“{word}” adds the longest piece to z: {size} long."
        return p.says(picture, text, word=names[int(sizes.argmax())], size=rough(float(sizes.max())))

    @p.bars("What fills the gap")
    def filled(self, knobs: SelfAttentionKnobs) -> p.Bars:
        """The likeliest words for the gap, or for the last word where none is hidden."""
        tokens, attended = self._read(knobs)
        place = knobs.gap - 1 if 1 <= knobs.gap <= len(tokens) else len(tokens) - 1
        logits = self.model.read(self.model.embedding(tokens), attended)[place]
        chances, words = logits.softmax(0)[: len(self.sentences.words)].topk(LIKELIEST)
        labels = [self.sentences.words[word] for word in words.tolist()]
        return p.says(
            p.Bars(values=chances[None], labels=labels, range=(0.0, 1.0)),
            "No word is likelier than “{word}”: {percent}%.",
            word=labels[0],
            percent=in_percent(float(chances[0])),
        )

    @p.attention("Every head")
    def every_head(self, knobs: SelfAttentionKnobs) -> p.Attention:
        """The weights of all heads; forbidden places are hatched."""
        tokens, attended = self._read(knobs)
        names = self._names(knobs)
        forbidden = (~permitted(tokens, knobs.allowed)[0]).to(torch.uint8)
        picture = p.Attention(weights=attended.weights[None], queries=names, keys=names, masked=forbidden)
        text = "Nowhere is a head surer than from “{query}” to “{key}”: {percent}%."
        return p.says(picture, text, **gaze(attended.weights, names, names))

    loss = p.scalars({"loss/train": "training", "loss/test": "unseen"}, "Loss", log=True)
    accuracy = p.scalars({"acc/verb": "verbs", "acc/object": "objects"}, "Gaps filled right")
    spread = p.scalars({"entropy": "entropy"}, "How widely the gap looks")

    @p.lines("What √d_k is for", size="wide")
    def why_the_root(self, knobs: SelfAttentionKnobs) -> p.Lines:
        """Random queries and keys of variance 1: their scores, and what softmax makes of them, by d_k."""
        d_k = knobs.d_model // knobs.heads
        return self.cached("root", str((d_k, knobs.scaled)), lambda: self._by_size(d_k))

    def _by_size(self, d_k: int) -> p.Lines:
        generator = self.generator(-2)
        curves = []
        for size in SIZES:
            q, k = (torch.randn(DRAWS, n, size, generator=generator) for n in (1, KEYS))
            dot = (q @ k.mT)[:, 0]  # (DRAWS, KEYS)
            both = torch.stack([dot, dot / math.sqrt(size)])
            curves.append(
                torch.stack(
                    [both.var((1, 2)), entropy(both.softmax(-1)).mean(1), softmax_slope(both).mean(1)]
                )
            )
        picture = p.Lines(
            x=torch.tensor(SIZES).float(),
            values=torch.stack(curves, -1),  # (3, 2, sizes)
            series=["q·k", "q·k/√d_k"],
            groups=["variance of a score", "entropy of the weights", "slope of the softmax"],
            x_label="d_k",
            x_log=True,
            marks=[[("d_k", float(d_k))]] * 3,
        )
        raw, scaled = (rough(float(variance)) for variance in curves[-1][0])
        text = "At d_k = {most} a score has variance {raw}, divided by √d_k {scaled}."
        return p.says(picture, text, most=SIZES[-1], raw=raw, scaled=scaled)


def numbered(n: int) -> list[str]:
    """1 to n as texts."""
    return [str(i) for i in range(1, n + 1)]
