"""Captions for pictures.

A CNN looks at a picture, and an LSTM says word by word what is there, with and without attention. See where
it looks for each word, and arrange a scene of your own.

A picture becomes L = 6 · 6 annotation vectors a_i, one for each cell. For every word, from START to END:

    e_ti = vᵀ tanh(W_a a_i + W_h h_{t−1}),  α_t = softmax(e_t)     where to look; 1/L without attention
    z_t = Σ_i α_ti a_i                                              what is seen there
    h_t, c_t = LSTM([E y_{t−1}, z_t], h_{t−1}, c_{t−1})
    p(y_t) = softmax(L_h (m_t ⊙ h_t) + L_z z_t + b)                 the next word; m_t: dropout, in training
    L = −(1/B) Σ log p(y_t)

Watch the bright spot: within fifteen seconds it is on the object whose colour or shape the word names.

Source: Xu et al., "Show, Attend and Tell" (2015), arXiv:1502.03044, §3.1 and §4.2 (soft attention); START and
END as in Vinyals et al., "Show and Tell" (2015), arXiv:1411.4555, §3. BLEU: Papineni et al. (2002).
Departures: a small CNN, trained along, which is given each pixel's place; the word before does not enter the
last layer; no doubly stochastic penalty; the likeliest word each time, no beam. Without attention the mean is
given at every word, where Vinyals et al. give it once, so that the two networks differ in nothing but α.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from descent.contract import Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.bleu import corpus_bleu
from descent.kit.data.gapped import Language
from descent.kit.data.scenes import (
    SCENE_COLOURS,
    SCENE_PLACES,
    SCENE_SHAPES,
    SCENE_SIDE,
    SCENE_SIZES,
    SceneCaptions,
    SceneColour,
    ScenePlace,
    Scenes,
    SceneShape,
    SceneSize,
    draw_scenes,
    on_objects,
    scene_of,
)
from descent.kit.data.translation import END, PAD, START
from descent.kit.nn.race import Race, by_learner, losses_by_learner, step_all
from descent.kit.reading import gaze, in_percent

Name = Literal["attention", "mean"]
TITLES: dict[Name, str] = {"attention": "with attention", "mean": "without"}
TESTED, SHOWN = 100, 6  # scenes to measure on, and those of them on the page
TEST_EVERY = 20  # steps
DROPPED = 0.5  # share of h that is not passed on to the words, in training
FAR = 100.0  # a loss beyond is out
VEIL = 0.35  # how much is left of a pixel at which nobody looks
TWINS = {
    **{"a_size": "big", "a_colour": "green", "a_shape": "cross", "a_place": "left"},
    **{"b_size": "big", "b_colour": "green", "b_shape": "cross", "b_place": "right"},
}


class CaptioningKnobs(Knobs):
    # fmt: off
    a_size: SceneSize = live("big", "Size", options=SCENE_SIZES, group="object A", role="look")
    a_colour: SceneColour = live("red", "Colour", options=[*SCENE_COLOURS], group="object A", role="look")
    a_shape: SceneShape = live("triangle", "Shape", options=SCENE_SHAPES, group="object A", role="look")
    a_place: ScenePlace = live("top left", "Place", options=SCENE_PLACES, group="object A", role="look")
    b_size: SceneSize = live("small", "Size", options=SCENE_SIZES, group="object B", role="look")
    b_colour: SceneColour = live("blue", "Colour", options=[*SCENE_COLOURS], group="object B", role="look")
    b_shape: SceneShape = live("circle", "Shape", options=SCENE_SHAPES, group="object B", role="look")
    b_place: ScenePlace = live("right", "Place", options=SCENE_PLACES, group="object B", role="look")
    shown: Name = live("attention", "Captions by", options=TITLES, group="captions", role="look")
    lr: float = rate(4e-3, log=(1e-5, 1.0), typical=(1e-3, 8e-3), group="training")
    batch_size: int = batch_of(64, 256, group="training")
    language: Language = fixed("en", "Language", options={"en": "English", "ko": "Korean"})
    d: int = fixed(32, "Numbers per cell", "D", range=(4, 64), step=4)
    units: int = fixed(64, "Cells of the LSTM", "n", range=(4, 128))
    # fmt: on

    @property
    def scene(self) -> Scenes:
        """The learner's."""
        return scene_of(
            [
                (self.a_size, self.a_colour, self.a_shape, self.a_place),
                (self.b_size, self.b_colour, self.b_shape, self.b_place),
            ]
        )

    @model_validator(mode="after")
    def _stand_apart(self) -> CaptioningKnobs:
        if self.a_place == self.b_place:
            raise KnobError("b_place", "both objects are in one place: choose another one for either")
        return self


class Encoder(nn.Module):
    """Pixels and their places (B, 3 + 2, 24, 24) → annotations (B, L, D), a cell every four pixels."""

    places: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        axis = torch.linspace(-1, 1, SCENE_SIDE)
        self.register_buffer("places", torch.stack(torch.meshgrid(axis, axis, indexing="ij")))  # (2, H, W)
        layers: list[nn.Module] = []
        for below, above, stride in ((5, 16, 2), (16, d, 2), (d, d, 1)):
            convolution = nn.Conv2d(below, above, 3, stride, padding=1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            layers += [convolution, nn.GroupNorm(4, above), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, L, D)."""
        x = torch.cat([pixels, self.places.expand(len(pixels), -1, -1, -1)], 1)
        return self.layers(x).flatten(2).mT.contiguous()


State = tuple[Tensor, Tensor]  # h and c, (B, n) each


class Captioner(nn.Module):
    """CNN and LSTM, with soft attention or without. V words."""

    def __init__(self, V: int, D: int, n: int, attends: bool) -> None:
        super().__init__()
        self.encoder, self.attends = Encoder(D), attends
        self.E = nn.Embedding(V, 16)
        self.lstm = nn.LSTMCell(16 + D, n)
        self.init_h, self.init_c = nn.Linear(D, n), nn.Linear(D, n)
        if attends:
            self.W_a, self.W_h = nn.Linear(D, 32), nn.Linear(n, 32, bias=False)
            self.v = nn.Linear(32, 1, bias=False)
        self.L_h, self.L_z = nn.Linear(n, V), nn.Linear(D, V, bias=False)

    def start(self, pixels: Tensor) -> tuple[Tensor, Tensor, State]:
        """Annotations a (B, L, D), W_a a where it attends, and the state that their mean suggests."""
        a = self.encoder(pixels)
        mean = a.mean(1)
        projected = self.W_a(a) if self.attends else a
        return a, projected, (self.init_h(mean).tanh(), self.init_c(mean).tanh())

    def look(self, a: Tensor, projected: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """α (B, L) and z (B, D), after h (B, n)."""
        if self.attends:
            α = self.v((projected + self.W_h(h)[:, None]).tanh())[..., 0].softmax(1)
        else:
            α = a.new_full(a.shape[:2], 1 / a.shape[1])
        return α, (α[:, None] @ a)[:, 0]

    def advance(self, z: Tensor, word: Tensor, state: State, kept: Tensor | float) -> tuple[Tensor, State]:
        """Logits (B, V) of the next word, after the embedded `word` (B, 16) before it; and the new state."""
        h, c = self.lstm(torch.cat([word, z], 1), state)
        return self.L_h(kept * h) + self.L_z(z), (h, c)

    def forward(self, pixels: Tensor, words: Tensor, kept: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of the words after each of `words` (B, T).

        `kept` (B, T, n) is 0 where a number of h is dropped on its way to them, and else 1/(1 − p); None: 1.
        """
        a, projected, state = self.start(pixels)
        logits = []
        for t, word in enumerate(self.E(words).unbind(1)):
            _, z = self.look(a, projected, state[0])
            scores, state = self.advance(z, word, state, 1.0 if kept is None else kept[:, t])
            logits.append(scores)
        return torch.stack(logits, 1)

    @torch.no_grad()
    def caption(self, pixels: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
        """The likeliest word each time: words and their probabilities (B, T), and α (B, T, L)."""
        a, projected, state = self.start(pixels)
        word = torch.full((len(pixels),), START, device=pixels.device)
        said = []
        for _ in range(longest):
            α, z = self.look(a, projected, state[0])
            scores, state = self.advance(z, self.E(word), state, 1.0)
            chance, word = scores.softmax(1).max(1)
            said.append((word, chance, α))
        words, chances, weights = (torch.stack(part, 1) for part in zip(*said, strict=True))
        return words, chances, weights


def same(said: Tensor, wanted: Tensor) -> Tensor:
    """Which of the captions (N, T) are word for word those that are wanted, whatever follows END: (N,)."""
    return ((said == wanted) | (wanted == PAD)).all(1)


class Captioning(Race[CaptioningKnobs]):
    """Two networks that caption scenes, on the same mini-batches."""

    order = 30
    pace = 30.0
    after = ("seq2seq", "cnn-images")
    minutes = 12
    level = 3
    invite = "Change a colour in the scene, and see where it looks for the word."
    titles = TITLES
    steers = {"lr": "optimizers"}
    measures = {
        **losses_by_learner(TITLES),
        "exact/attention": Measure("accuracy", of=TITLES["attention"]),
        "exact/mean": Measure("accuracy", of=TITLES["mean"]),
    }
    presets = {
        "korean": Preset("In Korean", {"language": "ko"}),
        "twins": Preset("Two alike", TWINS),
        "without": Preset("Without attention", {"shown": "mean"}),
    }

    def build(self, knobs: CaptioningKnobs) -> None:
        """Two networks that begin alike, and scenes to test them on."""
        self.captions = SceneCaptions(knobs.language)
        shape = len(self.captions.words), knobs.d, knobs.units
        self.networks: dict[Name, Captioner] = {
            "attention": Captioner(*shape, attends=True).to(self.device),
            "mean": Captioner(*shape, attends=False).to(self.device),
        }
        self.networks["mean"].load_state_dict(self.networks["attention"].state_dict(), strict=False)
        self.optimizers = {
            name: Adam(network.parameters(), knobs.lr, fused=True) for name, network in self.networks.items()
        }
        self.racing = [*TITLES]
        self.unseen = draw_scenes(TESTED, self.generator(-1), held_out=True).to(self.device)
        self.seen = draw_scenes(TESTED, self.generator(-2), held_out=False).to(self.device)

    def step(self, knobs: CaptioningKnobs) -> Scalars:
        """One step of both networks on new scenes; now and then, measure before."""
        if not self.racing:
            return self.all_out()
        measured = {} if self.step_index % TEST_EVERY else self.measure()
        batch = self._coming(knobs)
        losses = step_all(self.racing, lambda name: self._loss(name, *batch), self.optimizers, FAR)
        return {**losses, **measured}

    def _coming(self, knobs: CaptioningKnobs) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels and captions of the coming step, and what of h is kept: see `Captioner.forward`."""
        generator = self.generator(self.step_index)
        drawn = draw_scenes(knobs.batch_size, generator, held_out=False)
        captions = self.captions.encode(drawn)
        draws = torch.rand(len(captions), captions.shape[1] - 1, knobs.units, generator=generator)
        kept = (draws >= DROPPED) / (1 - DROPPED)
        return drawn.to(self.device).pixels(), captions.to(self.device), kept.to(self.device)

    def _loss(self, name: Name, pixels: Tensor, captions: Tensor, kept: Tensor) -> Tensor:
        logits = self.networks[name](pixels, captions[:, :-1], kept)
        return F.cross_entropy(logits.flatten(0, 1), captions[:, 1:].flatten(), ignore_index=PAD)

    def objectives(self, knobs: CaptioningKnobs) -> Mapping[str, Objective]:
        """The loss of each network on the coming scenes."""
        batch = self._coming(knobs)
        return {
            TITLES[name]: Objective.of(
                self.networks[name], self.optimizers[name], partial(self._loss, name, *batch)
            )
            for name in self.racing
        }

    def measure(self) -> dict[str, float]:
        """Captions that are right word for word, and BLEU-4, on scenes with a pair that is held out."""
        row, wanted = {}, self.captions.encode(self.unseen)[:, 1:]
        for name in self.racing:
            said, *_ = self._captioned(name, self.unseen)
            row[f"exact/{name}"] = float(same(said, wanted).float().mean())
            row[f"bleu/{name}"] = corpus_bleu(self._texts(said), self._texts(wanted))
        if "attention" in self.racing:
            said, *_ = self._captioned("attention", self.seen)
            row["exact/seen"] = float(same(said, self.captions.encode(self.seen)[:, 1:]).float().mean())
        return row

    def _captioned(self, name: Name, scenes: Scenes) -> tuple[Tensor, Tensor, Tensor]:
        """What a network says of scenes: see `Captioner.caption`."""
        return self.networks[name].caption(scenes.pixels(), self.captions.longest - 1)

    def _texts(self, tokens: Tensor) -> list[list[str]]:
        return [self.captions.decode(row) for row in tokens.tolist()]

    # What is shown: the learner's scene

    def _said(self, name: Name, knobs: CaptioningKnobs) -> tuple[list[str], Tensor, Tensor]:
        """The words up to END, their probabilities (T,), and where the network looked (T, L)."""
        words, chances, weights = (part[0] for part in self._captioned(name, knobs.scene.to(self.device)))
        ends = (words == END).nonzero()
        T = int(ends[0]) + 1 if len(ends) else len(words)
        return [self.captions.words[word] for word in words[:T].tolist()], chances[:T], weights[:T]

    @p.images("Where it looks for each word", size="hero")
    def looks(self, knobs: CaptioningKnobs) -> p.Images:
        """The scene, and once more for each word: bright where the network with attention looks."""
        words, _, weights = self._said("attention", knobs)
        cells = round(weights.shape[1] ** 0.5)
        spots = (weights / weights.amax(1, keepdim=True)).view(-1, 1, cells, cells)
        spots = F.interpolate(spots, size=SCENE_SIDE)  # (T, 1, H, W)
        scene = knobs.scene.pixels().to(self.device)
        seen = scene * (VEIL + (1 - VEIL) * spots) + VEIL * spots * (1 - scene)
        picture = p.Images(
            pixels=p.Images.to_pixels(torch.cat([scene, seen]).movedim(1, -1), 0.0, 1.0),
            captions=["the scene", *words],
            columns=4,
        )
        sharpest = weights.amax(1)
        return p.says(
            picture,
            "It looks most sharply for “{word}”: {percent}% in one of {cells} cells.",
            word=words[int(sharpest.argmax())],
            percent=in_percent(float(sharpest.max())),
            cells=weights.shape[1],
        )

    @p.tokens("What it says")
    def said(self, knobs: CaptioningKnobs) -> p.Tokens:
        """The caption of the network that is chosen, each word by its probability."""
        words, chances, _ = self._said(knobs.shown, knobs)
        wanted = self._texts(self.captions.encode(knobs.scene))[0]
        note = p.Note("Right, word for word.")
        if knobs.scene.diagonal().any():
            note = p.Note("The objects stand diagonally: no caption is true, and none was learnt.")
        elif words[:-1] != wanted:
            note = p.Note("It should be: {caption}", {"caption": " ".join(wanted)})
        picture = p.Tokens(
            tokens=[f"{word} " for word in words],
            values=chances,
            range=(0.0, 1.0),
            name="probability",
            notes=[note],
        )
        text = "The whole caption has a probability of {percent}%, the product of its words’."
        return p.says(picture, text, percent=in_percent(float(chances.cpu().double().prod())))

    @p.heatmap("On which object it looks", size="wide")
    def mass(self, knobs: CaptioningKnobs) -> p.Heatmap:
        """For each word the share of the weights that lies on the cells of either object, and elsewhere."""
        words, _, weights = self._said("attention", knobs)
        scene = knobs.scene.to(self.device)
        names = [
            " ".join(kind[int(i)] for kind, i in zip(self.captions.kinds, o, strict=False))
            for o in zip(scene.sizes[0], scene.colours[0], scene.shapes[0], strict=True)
        ]
        on = on_objects(weights[None], scene)[0].T
        picture = p.Heatmap(
            values=on, rows=[*names, "elsewhere"], columns=words, range=(0.0, 1.0), annotate=True
        )
        text = "It looks most clearly for “{query}”: at “{key}”, {percent}%."
        return p.says(picture, text, **gaze(on[:2].T, words, names))

    @p.images("Scenes with pairs never seen together", size="wide")
    def tested(self, knobs: CaptioningKnobs) -> p.Images:
        """Some of the scenes tested, with what the network that is chosen says of them."""
        scenes = Scenes(*(part[:SHOWN] for part in self.unseen))
        said, *_ = self._captioned(knobs.shown, scenes)
        right = same(said, self.captions.encode(scenes)[:, 1:]).tolist()
        texts = zip(["✓" if ok else "✗" for ok in right], self._texts(said), strict=True)
        picture = p.Images(
            pixels=p.Images.to_pixels(scenes.pixels().movedim(1, -1), 0.0, 1.0),
            captions=[" ".join([mark, *words]) for mark, words in texts],
            columns=2,
        )
        text = "{right} of {all} captions are right, word for word."
        return p.says(picture, text, right=sum(right), all=len(right))

    exact = p.scalars(
        {**by_learner("exact", TITLES), "exact/seen": "with attention, pairs seen"}, "Right word for word"
    )
    bleu = p.scalars(by_learner("bleu", TITLES), "BLEU-4")
    loss = p.scalars(by_learner("loss", TITLES), "Loss", log=True, smoothing=0.8)
