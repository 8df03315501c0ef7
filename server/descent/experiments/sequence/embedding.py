"""Word embeddings.

Words become vectors by guessing which words stand beside them. Watch words of one kind find each other in the
plane, look up a word's neighbours, and calculate: king − man + woman.

Each of V words w has two vectors of d numbers, W_w as itself and U_w as a neighbour. With K words n drawn at
random, more often the more frequent ones (count^¾):

    skip-gram  v = W_w of a word, u = U_c of one of those beside it
    CBOW       v = mean of W_c of all beside it, u = U_w of the word
    both       L = −log σ(u·v) − Σ_n log σ(−U_n·v)

    one-hot:  x W with x = (0, …, 1, …, 0) is the row W_w: looking it up takes no product
    analogy:  a is to b as c is to the word whose vector is nearest, by the cosine, to W_b − W_a + W_c

Watch people, countries and capitals part, and king − man + woman come to be the queen.

Source: Mikolov, Chen, Corrado, Dean, "Efficient Estimation of Word Representations in Vector Space" (2013),
arXiv:1301.3781; Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality"
(2013), arXiv:1310.4546, §2.2 and §2.3.
Departures: Adam, where the papers have SGD; of the words beside a word one is drawn at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.relations import KINDS, analogies, sentences
from descent.kit.data.text import ALICE, load
from descent.kit.text import rough

SENTENCES = 4000
FARTHEST = 8  # places that a window reaches to either side, at most
MOST_WORDS = 1000  # of a text; the rarer ones are left out
RARE = 5  # a word of a long text that stands in it less often is left out
FEWEST = 20  # different words
NEAREST = 8  # neighbours shown
LABELLED = 150  # words in the plane
COMPONENTS = 8  # numbers of a vector that are shown
TEST_SHARE = 10  # one place in so many is for testing
MEASURED_EVERY = 10  # steps

PROSE = {"corpus": "prose", "batch_size": 1024, "window": 3, "d": 32}
Corpus = Literal["relations", "prose", "pasted"]


class EmbeddingKnobs(Knobs):
    # fmt: off
    word: str = live("king", "Word", max_length=40, group="words", role="look")
    analogy: str = live("man king woman", "a b c", max_length=120, group="words", role="look")
    shown: Literal["people", "countries", "all"] = live("people", "In the plane", group="words", role="look",
        when={"corpus": ["relations"]},
        options={"people": "people", "countries": "countries and capitals", "all": "all of them"})
    lr: float = rate(0.02, log=(1e-4, 1.0), typical=(3e-3, 0.05), group="training")
    batch_size: int = batch_of(256, 1024, group="training")
    negatives: int = live(5, "Negatives", "K", range=(1, 20), group="training", role="task")
    window: int = live(5, "Window", range=(1, FARTHEST), group="training", role="task")
    method: Literal["skip-gram", "cbow"] = fixed("skip-gram", "Method",
        options={"skip-gram": "skip-gram", "cbow": "CBOW"})
    d: int = fixed(16, "Numbers per word", "d", range=(2, 100))
    corpus: Corpus = fixed("relations", "Text", options={
        "relations": "people and countries (generated)", "prose": "Python's language reference",
        "pasted": "your own"})
    pasted: str = fixed(ALICE, "Your text", when={"corpus": ["pasted"]}, max_length=20_000, lines=4)
    # fmt: on

    @model_validator(mode="after")
    def _has_words(self) -> EmbeddingKnobs:
        if self.corpus == "pasted":
            known = set(words_of(self.pasted))
            if len(known) < FEWEST:
                raise KnobError(
                    "pasted", "it has {n} different words; use {least} or more", n=len(known), least=FEWEST
                )
        if self.corpus == "relations":
            given = [*words_of(self.word), *words_of(self.analogy)]
            known = {word for words in KINDS.values() for word in words}
            if strange := [word for word in given if word not in known]:
                name = "word" if strange[0] in words_of(self.word) else "analogy"
                raise KnobError(
                    name, "“{word}” is not in the text; try one of these: {known}",
                    word=strange[0], known=", ".join(sorted(known)),
                )  # fmt: skip
        if len(words_of(self.analogy)) != 3:
            raise KnobError("analogy", "write three words: a, b and c, for b − a + c")
        return self


def words_of(text: str) -> list[str]:
    """The words of a text in lower case: letters and what stands within them."""
    return re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())


def vocabulary_of(lines: Sequence[Sequence[str]]) -> list[str]:
    """The frequent words of a text, the most frequent first."""
    counts = Counter(word for line in lines for word in line)
    least = RARE if sum(counts.values()) > 10 * MOST_WORDS else 1
    return [word for word, count in counts.most_common(MOST_WORDS) if count >= least]


def neighbourhoods(lines: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """The word at every place (N,), and those up to `FARTHEST` places before and after, (N, 2·FARTHEST).

    From the farthest before to the farthest after, −1 where a line has none. A lone word is left out.
    """
    words: list[int] = []
    beside: list[list[int]] = []
    edge = [-1] * FARTHEST
    for line in lines:
        padded = [*edge, *line, *edge]
        if len(line) > 1:
            words += line
            beside += [
                padded[i : i + FARTHEST] + padded[i + FARTHEST + 1 : i + 2 * FARTHEST + 1]
                for i in range(len(line))
            ]
    return torch.tensor(words), torch.tensor(beside)


class Vectors(nn.Module):
    """W (V, d) and U (V, d)."""

    def __init__(self, size: int, d: int) -> None:
        super().__init__()
        self.W = nn.Parameter((torch.rand(size, d) - 0.5) / d)
        self.U = nn.Parameter(torch.zeros(size, d))

    def loss(self, v: Tensor, right: Tensor, wrong: Tensor) -> Tensor:
        """−log σ(u·v) − Σ log σ(−U_n·v), for v (B, d), `right` (B,) and `wrong` (B, K)."""
        good = (self.U[right] * v).sum(1)
        bad = (self.U[wrong] @ v[:, :, None])[..., 0]  # (B, K)
        return -(F.logsigmoid(good) + F.logsigmoid(-bad).sum(1)).mean()


def nearest(W: Tensor, v: Tensor, besides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Cosines and rows of W (V, d) that are nearest to v (d,), but for `besides`; the nearest first."""
    cosines = F.normalize(W, dim=1) @ F.normalize(v, dim=0)
    cosines[list(besides)] = -2.0
    found, rows = cosines.topk(NEAREST)
    return found, rows


class Embedding(Experiment[EmbeddingKnobs]):
    """Vectors of words, by skip-gram or CBOW with negative sampling."""

    order = 3
    pace = 30.0
    after = ("mlp-digits",)
    minutes = 9
    level = 2
    invite = "Let it learn for ten seconds, then ask: korea seoul france."
    steers = {"lr": "optimizer"}
    measures = {"loss/train": Measure("loss"), "loss/test": Measure("held-out")}
    presets = {
        "capitals": Preset(
            "Capitals", {"word": "seoul", "analogy": "korea seoul egypt", "shown": "countries"}
        ),
        "cbow": Preset("CBOW", {"method": "cbow"}),
        "two": Preset("Two numbers a word", {"d": 2}),
        "prose": Preset("Real text", {**PROSE, "word": "two", "analogy": "left right true"}),
    }

    def build(self, knobs: EmbeddingKnobs) -> None:
        """Read the text, and give every word two vectors. Raises `KnobError` where there is no text."""
        lines = self._lines(knobs)
        self.words = vocabulary_of(lines)
        self.index = {word: i for i, word in enumerate(self.words)}
        codes = [[self.index[word] for word in line if word in self.index] for line in lines]
        words, beside = neighbourhoods(codes)
        test = torch.rand(len(words), generator=self.generator(-1)) < 1 / TEST_SHARE
        self.test = words[test].to(self.device), beside[test].to(self.device)
        self.train = words[~test].to(self.device), beside[~test].to(self.device)
        counts = torch.bincount(words, minlength=len(self.words)).double()
        self.noise = counts.pow(0.75).cumsum(0)  # to draw negatives from, on the CPU as their generator
        self.training_samples = len(self.train[0])
        self.model = Vectors(len(self.words), knobs.d).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr, fused=True)
        self.questions = torch.empty(0, 4, dtype=torch.long)
        if knobs.corpus == "relations":
            self.questions = torch.tensor([[self.index[word] for word in four] for four in analogies()])
        self.first = torch.randn(
            knobs.d, 2, generator=self.generator(-3)
        )  # towards which the plane is turned

    def _lines(self, knobs: EmbeddingKnobs) -> list[list[str]]:
        if knobs.corpus == "relations":
            return sentences(SENTENCES, Random(self.seed))
        try:
            text = load(knobs.corpus, knobs.pasted)
        except (OSError, ImportError) as error:
            raise KnobError("corpus", "this Python lacks the text: {reason}", reason=str(error)) from error
        whole = "".join(text.characters[code] for code in torch.cat([text.train, text.held_out]).tolist())
        return [words_of(line) for line in re.split(r"[.!?;:]\s|\n\s*\n", whole)]

    def _pairs(
        self, places: tuple[Tensor, Tensor], rows: Tensor, generator: torch.Generator, knobs: EmbeddingKnobs
    ) -> tuple[Tensor, Tensor, Tensor]:
        """v (B, d), the right word (B,) and K wrong ones (B, K) for these places."""
        words, beside = places[0][rows], places[1][rows]
        near = beside[:, FARTHEST - knobs.window : FARTHEST + knobs.window]
        there = near >= 0
        wrong = torch.rand(len(words), knobs.negatives, generator=generator, dtype=torch.float64)
        wrong = torch.searchsorted(self.noise, wrong * self.noise[-1]).clamp(max=len(self.words) - 1)
        if knobs.method == "cbow":
            vectors = self.model.W[near.clamp(min=0)] * there[..., None]
            return vectors.sum(1) / there.sum(1, keepdim=True), words, wrong.to(self.device)
        lots = torch.rand(there.shape, generator=generator).to(self.device).masked_fill(~there, -1.0)
        return self.model.W[words], near.gather(1, lots.argmax(1, keepdim=True))[:, 0], wrong.to(self.device)

    def _loss(self, knobs: EmbeddingKnobs) -> Tensor:
        generator = self.step_generator(self.step_index)
        rows = torch.randint(len(self.train[0]), (knobs.batch_size,), generator=generator).to(self.device)
        return self.model.loss(*self._pairs(self.train, rows, generator, knobs))

    def step(self, knobs: EmbeddingKnobs) -> Scalars:
        """Move the vectors of some places' words; now and then, measure before."""
        row = {} if self.step_index % MEASURED_EVERY else self._measure(knobs)
        loss = self._loss(knobs)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach(), **row}

    def objectives(self, knobs: EmbeddingKnobs) -> Mapping[str, Objective]:
        """The loss on the coming places."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    @torch.no_grad()
    def _measure(self, knobs: EmbeddingKnobs) -> dict[str, Tensor]:
        rows = torch.arange(min(1000, len(self.test[0])), device=self.device)
        row = {"loss/test": self.model.loss(*self._pairs(self.test, rows, self.generator(-2), knobs))}
        if len(self.questions):
            row["acc/analogies"] = self.solved().float().mean()
        return row

    def solved(self) -> Tensor:
        """Which of the known analogies come out right, among all words but the three that are given."""
        questions = self.questions.to(self.device)
        W = F.normalize(self.model.W, dim=1)
        a, b, c, d = questions.T
        cosines = F.normalize(W[b] - W[a] + W[c], dim=1) @ W.T
        cosines.scatter_(1, questions[:, :3], -2.0)
        return cosines.argmax(1) == d

    # What is shown

    def _known(self, text: str) -> list[int]:
        """Those of the words that are in the text."""
        return [self.index[word] for word in words_of(text) if word in self.index]

    def _plane(self, W: Tensor) -> Tensor:
        """Words (V, d) in the plane of their two principal components, turned alike at every look: (V, 2).

        All at 0 where one is not finite.
        """
        if not W.isfinite().all():
            return W.new_zeros(len(W), 2)
        centred = W - W.mean(0)
        axes = torch.linalg.svd(centred, full_matrices=False).Vh[:2].T  # (d, 2)
        left, _, right = torch.linalg.svd(axes.T @ self.first.to(self.device))  # Procrustes
        return centred @ axes @ left @ right

    @p.arrows("Words in the plane", size="hero")
    def plane(self, knobs: EmbeddingKnobs) -> p.Arrows:
        """The words by kind, or the most frequent ones; the corners of the bent grid are the analogy."""
        kinds = {"words": self.words[:LABELLED]}
        if knobs.corpus == "relations":
            kinds = {
                kind: words
                for kind, words in KINDS.items()
                if knobs.shown == "all" or (kind == "people") == (knobs.shown == "people")
            }
        names = [word for words in kinds.values() for word in words]
        rows = torch.tensor([self.index[word] for word in names], device=self.device)
        places = self._plane(self.model.W[rows])
        groups = [group for group, words in enumerate(kinds.values()) for _ in words]
        four = self._solved(knobs)
        mesh = torch.empty(0, 0, 2)
        if four and all(self.words[word] in names for word in four):
            mesh = torch.stack([places[names.index(self.words[word])] for word in four]).view(2, 2, 2)
        most = float(places.abs().max().clamp(min=1e-3)) * 1.15
        pair = divmod(int(torch.cdist(places, places).fill_diagonal_(torch.inf).argmin()), len(names))
        picture = p.Arrows(
            values=torch.empty(0, 0),
            x=(-most, most),
            y=(-most, most),
            points=places,
            groups=torch.tensor(groups, dtype=torch.uint8),
            names=list(kinds),
            labels=names,
            mesh=mesh,
        )
        closest = {"one": names[pair[0]], "other": names[pair[1]]}
        return p.says(picture, "No two words lie closer here than “{one}” and “{other}”.", **closest)

    def _solved(self, knobs: EmbeddingKnobs) -> list[int]:
        """a, b, c and what comes of b − a + c; nothing where one of them is unknown."""
        given = self._known(knobs.analogy)
        if len(given) != 3:
            return []
        a, b, c = self.model.W[given]
        return [*given, int(nearest(self.model.W, b - a + c, given)[1][0])]

    @p.bars("Nearest words")
    def neighbours(self, knobs: EmbeddingKnobs) -> p.Bars:
        """The cosine of the angle between the word's vector and those nearest to it."""
        word = (self._known(knobs.word) or [0])[0]
        cosines, rows = nearest(self.model.W, self.model.W[word], [word])
        labels = [self.words[row] for row in rows.tolist()]
        return p.says(
            p.Bars(values=cosines[None], labels=labels, range=(0.0, 1.0), note=self.words[word]),
            "Its nearest word is “{nearest}”, at a cosine of {cosine}.",
            nearest=labels[0],
            cosine=rough(float(cosines[0])),
        )

    @p.bars("What is b − a + c?")
    def calculated(self, knobs: EmbeddingKnobs) -> p.Bars:
        """The words nearest to b − a + c, but for these three."""
        given = self._known(knobs.analogy)
        if len(given) != 3:
            given = [0, 0, 0]
        a, b, c = given
        W = self.model.W
        cosines, rows = nearest(W, W[b] - W[a] + W[c], given)
        labels = [self.words[row] for row in rows.tolist()]
        note = f"{self.words[b]} − {self.words[a]} + {self.words[c]}"
        return p.says(
            p.Bars(values=cosines[None], labels=labels, range=(0.0, 1.0), note=note),
            "It comes out nearest to “{nearest}”, at a cosine of {cosine}.",
            nearest=labels[0],
            cosine=rough(float(cosines[0])),
        )

    @p.heatmap("A one-hot vector picks a row", size="wide")
    def looked_up(self, knobs: EmbeddingKnobs) -> p.Heatmap:
        """x and W of a word and of those nearest to it; below, x W."""
        word = (self._known(knobs.word) or [0])[0]
        _, rows = nearest(self.model.W, self.model.W[word], [word])
        shown = [word, *rows[:5].tolist()]
        W = self.model.W[shown][:, :COMPONENTS]
        x = F.one_hot(torch.tensor(0), len(shown)).to(W)[:, None]
        product = torch.cat([torch.full_like(x[:1], torch.nan), x.T @ W], 1)
        picture = p.Heatmap(
            values=torch.cat([torch.cat([x, W], 1), product]),
            rows=[*(self.words[row] for row in shown), "x W"],
            columns=["x", *(str(i + 1) for i in range(W.shape[1]))],
            scale="diverging",
            annotate=True,
        )
        return p.says(
            picture,
            "“{word}” is word {n} of {all}: x W is row {n} of W.",
            word=self.words[word],
            n=word + 1,
            all=len(self.words),
        )

    loss = p.scalars({"loss/train": "training", "loss/test": "unseen places"}, "Loss", smoothing=0.9)
    accuracy = p.scalars({"acc/analogies": "right"}, "Known analogies")
