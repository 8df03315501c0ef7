"""Cells that keep count: inside an LSTM.

A network learns to guess the next character, and on the way some of its cells learn to tell quotes, brackets
or comments. Colour the text by any cell, and rank the cells by what they track.

Layer l at character t, x_t being the layer below or the character's embedding, ⊙ elementwise:

    i, f, o = σ(W x_t + U h_{t−1} + b)  each with its own W, U, b,  g = tanh(W x_t + U h_{t−1} + b)
    c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh c_t
    GRU: r, z = σ(…),  n = tanh(W x_t + b + r ⊙ (U h_{t−1} + b')),  h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}
    bits per character = −(1/TB) Σ log₂ p(next character)

Watch the text change colour where a bracket or a quote opens, and change back where it closes.

Source: Karpathy, Johnson, Li, "Visualizing and Understanding Recurrent Networks" (2015), arXiv:1506.02078,
§4.2; Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers et al. (2000);
Cho et al. (2014), arXiv:1406.1078, as in PyTorch, where r acts after U.
Departures: characters are embedded, not one-hot; one or two minutes of training in place of hours; no
dropout. Gradients flow back over one chunk of the text; the state goes on to the next (truncated BPTT).
The ranking, its chance level and the linear read-out are additions, in the manner of Strobelt et al. (2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, fixed, live, rate
from descent.kit.data.text import ALICE, OTHER, SHOWN, cleaned, load, shown_of
from descent.kit.nn.gates import Recurrent, kept_and_taken, memory, signals
from descent.kit.nn.lean import backward, update
from descent.kit.nn.reading import TextReader, bits, write
from descent.kit.nn.tracking import auc, correlation, positive, ranks, read_out, switched, tracking
from descent.kit.reading import foremost, in_percent, means
from descent.kit.text import rough, subscript

MEASURED = (16, 256)  # rows and characters per row behind the held-out figure
WARM_UP = 32  # characters read before a row counts
EVERY = 25  # steps between two held-out figures
SAMPLE = 200  # characters that are written
PROMPT = 40  # characters before them that are shown
ALONE = 0.75  # share of a stretch in which a cell is on, and of what is beside it in which it is off
VISIBLE = 5e-3  # share of a text from which on merged characters are spoken of
BEST, READ_OUT = -1, -2  # values of `cell`: whichever tracks the property best, and what is no cell
PROPERTIES = {"quotes": "inside quotes", "brackets": "inside brackets", "comment": "comment"}
PROPERTIES |= {"if": "if statement", "indentation": "indentation", "column": "position in line"}

STRETCH = (
    "{cells} cells are on in the stretch and off beside it. Underlined is where most of them are on: "
    "{places} other places."
)
NO_SUCH = "No cell is on in the stretch and off beside it; the nearest one is on in {places} other places."
NO_TEXT = "this Python comes without it ({reason}); choose another"
TOO_SHORT = (
    "{have} characters are too few: {rows} rows of {length}, with a fifth held out, take {needed}. "
    "Paste more, or lower batch size or BPTT length"
)
NO_LAYER = "layer {layer} does not exist; the top one of this network is layer {last}"
NO_CELL = "cell {cell} does not exist; the layer has {count} cells, 0 to {last}"
NO_STRETCH = "{start} to {stop} is no stretch of the {count} characters shown; 0, 0 marks none"
NO_CHARACTER = "character {position} does not exist; the text shown has {count} characters, 0 to {last}"


Place = Annotated[int, Field(ge=0, le=SHOWN)]


class CellKnobs(Knobs):
    # fmt: off
    lr: float = rate(
        5e-3, log=(1e-5, 1.0), typical=(1e-3, 1e-2), group="training", help="Length of Adam's steps.")
    clip: float = live(
        1.0, "Gradient clipping", "‖g‖", log=(0.01, 100.0), typical=(0.1, 10.0), group="training")
    feature: Literal["quotes", "brackets", "comment", "if", "indentation", "column"] = live(
        "brackets", "Property", options=PROPERTIES, group="looking", role="look")
    layer: int = live(1, "Layer", range=(0, 3), group="looking", role="look")
    cell: int = live(BEST, "Cell", range=(READ_OUT, 255), group="looking", role="look")
    position: int = live(120, "Position", range=(0, SHOWN - 1), group="looking", role="look")
    stretch: tuple[Place, Place] = live((0, 0), "Stretch", group="looking", role="look")
    threshold: float = live(0.3, "On above", range=(0.05, 0.95), group="looking", role="look")
    temperature: float = live(
        0.7, "Temperature", "τ", range=(0.05, 3.0), step=0.05, typical=(0.3, 1.2), group="looking",
        role="look")
    corpus: Literal["python", "prose", "brackets", "tiny-shakespeare", "pasted", "file"] = fixed(
        "python", "Which text", options={"python": "Python source", "prose": "English prose",
        "brackets": "quotes and brackets", "tiny-shakespeare": "Shakespeare", "pasted": "your own",
        "file": "a file of yours"}, data=("tiny-shakespeare",), group="text")
    pasted: str = fixed(
        ALICE, "Your text", when={"corpus": ["pasted"]}, max_length=20_000, lines=4, group="text")
    file: str = fixed("", "Your file", when={"corpus": ["file"]}, own="text", max_length=32, group="text")
    kind: Literal["lstm", "gru", "rnn"] = fixed(
        "lstm", "Recurrent unit", options={"lstm": "LSTM", "gru": "GRU", "rnn": "vanilla RNN"},
        group="network")
    layers: int = fixed(
        1, "Layers", "L", range=(1, 3), group="network", help="Stacked: each reads the h of the one below.")
    hidden: int = fixed(128, "Cells per layer", "H", range=(8, 256), step=8, group="network")
    batch: int = fixed(16, "Batch size", "B", range=(1, 64), group="network")
    length: int = fixed(64, "BPTT length", "T", range=(4, 256), unit="characters", group="network")
    # fmt: on

    @field_validator("pasted")
    @classmethod
    def _clean(cls, text: str) -> str:
        return cleaned(text)

    @model_validator(mode="after")
    def _fit_together(self) -> CellKnobs:
        have, rows, length = len(self.pasted), self.batch, self.length
        needed = math.ceil((rows * length + 1) * 1.25)
        if self.corpus == "pasted" and have < needed:
            raise KnobError("pasted", TOO_SHORT, have=have, rows=rows, length=length, needed=needed)
        if self.layer > self.layers:
            raise KnobError("layer", NO_LAYER, layer=self.layer, last=self.layers)
        if self.cell >= self.hidden:
            raise KnobError("cell", NO_CELL, cell=self.cell, count=self.hidden, last=self.hidden - 1)
        shown = shown_of(have) if self.corpus == "pasted" else SHOWN
        if self.position >= shown:
            raise KnobError("position", NO_CHARACTER, position=self.position, count=shown, last=shown - 1)
        start, stop = self.stretch
        if not (start < stop <= shown or start == stop == 0):
            raise KnobError("stretch", NO_STRETCH, start=start, stop=stop, count=shown)
        return self

    @property
    def looked_at(self) -> int:
        """The layer whose cells are looked at, from 1."""
        return self.layer or self.layers


class LSTMCells(Experiment[CellKnobs]):
    """A character model, trained by truncated back-propagation through time, and its cells."""

    order = 20
    after = ("next-word",)
    minutes = 17
    level = 3
    invite = "Click a character in the text and read its gates, then pick another cell in the ranking."
    measures = {
        "bits/train": Measure("loss"),
        "bits/held-out": Measure("held-out"),
    }
    steers = {"lr": "optimizer"}
    presets = {
        "crisp": Preset("A crisp cell", {"corpus": "brackets", "feature": "quotes"}),
        "gru": Preset("A GRU", {"corpus": "brackets", "kind": "gru"}),
        "vanilla": Preset("A vanilla RNN", {"corpus": "brackets", "kind": "rnn"}),
        "short": Preset("A short-sighted gradient", {"corpus": "brackets", "length": 4}),
        "layers": Preset("Two layers", {"corpus": "brackets", "layers": 2, "feature": "quotes"}),
        "by-heart": Preset("A page by heart", {"corpus": "pasted", "feature": "column"}),
    }

    bits_per_character = p.scalars(
        {"bits/train": "training", "bits/held-out": "held out", "bits/even": "even guess"},
        "Bits per character",
        smoothing=0.9,
    )

    def build(self, knobs: CellKnobs) -> None:
        """Cut the text into B streams that are read side by side. Raises `KnobError` where there is none."""
        try:
            own = knobs.file if knobs.corpus == "file" else knobs.pasted
            self.corpus = load(knobs.corpus, own, self.data)
        except (OSError, ImportError) as error:
            raise KnobError("corpus", NO_TEXT, reason=str(error)) from error
        device = self.device
        self.inputs, self.targets = self.corpus.streams(knobs.batch, device)  # (N, B) each
        self.chunks = len(self.inputs) // knobs.length
        self.measured = self.corpus.windows(*MEASURED, device)
        self.shown = self.corpus.encode(self.corpus.shown).to(device)  # (T,)
        self.properties = {name: values.to(device) for name, values in self.corpus.properties.items()}
        self.same = {name for name, values in self.properties.items() if bool((values == values[0]).all())}
        # To say which of the merged characters it was takes this much more, by an even guess among them.
        self.surcharge = math.log2(max(1, self.corpus.rare))
        self.even = math.log2(len(self.corpus.characters) - 1 + self.corpus.rare)
        self.model = TextReader(knobs.kind, len(self.corpus.characters), knobs.hidden, knobs.layers).to(
            device
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), knobs.lr, fused=True)
        self.state: list[Any] | None = None

    def steps_per_epoch(self, knobs: CellKnobs) -> float:
        return self.chunks

    def batch(self, n: int, length: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (T, B) of step `n`: where step n − 1 ended, or the streams' beginning."""
        start = n % self.chunks * length
        return self.inputs[start : start + length], self.targets[start : start + length]

    def step(self, knobs: CellKnobs) -> Scalars:
        """One chunk of every stream, with the state that the chunk before left behind."""
        inputs, targets = self.batch(self.step_index, knobs.length)
        if self.step_index % self.chunks == 0:
            self.state = None  # zeros: the streams begin anew
        logits, state = self.model(inputs, self.state)
        loss = bits(logits, targets)
        self.optimizer.zero_grad()
        backward(loss * math.log(2))
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), knobs.clip)
        update(self.optimizer)
        # Detached: the state goes on, the gradient does not.
        self.state = [tuple(s.detach() for s in h) if isinstance(h, tuple) else h.detach() for h in state]
        train = loss.detach() + self._merged(targets)
        row: dict[str, float | Tensor] = {"bits/train": train, "gradient/norm": norm}
        if self.step_index % EVERY == 0:
            row |= {"bits/held-out": self._measure(), "bits/even": self.even}
        return row

    def objectives(self, knobs: CellKnobs) -> Mapping[str, Objective]:
        """The loss on the coming chunk, in nats."""
        inputs, targets = self.batch(self.step_index, knobs.length)
        state = self.state if self.step_index % self.chunks else None

        def loss() -> Tensor:
            return bits(self.model(inputs, state)[0], targets) * math.log(2)

        return {"": Objective.of(self.model, self.optimizer, loss)}

    @torch.no_grad()
    def _measure(self) -> Tensor:
        logits, _ = self.model(self.measured[:-1])
        warm_up = min(WARM_UP, len(logits) // 2)
        targets = self.measured[1 + warm_up :]
        return bits(logits[warm_up:], targets) + self._merged(targets)

    def _merged(self, targets: Tensor) -> Tensor | float:
        """Bits per character that telling merged characters apart would take on top."""
        other = len(self.corpus.characters) - 1
        return (targets == other).float().mean() * self.surcharge if self.surcharge else 0.0

    def _signals(self, knobs: CellKnobs) -> dict[str, Tensor]:
        """Every signal of the layer that is looked at, (T, H) each: read once for all panels of a step."""
        number = knobs.looked_at
        layer: Recurrent = self.model.layers[number - 1]  # type: ignore[assignment]
        return self.cached(
            "signals",
            (self.step_index, number),
            lambda: signals(layer, self.model.below(self.shown, number)),
        )

    def _tracked(self, knobs: CellKnobs) -> Tensor:
        """What the cells are ranked by, (T,): the property, or 1 in the stretch that is marked."""
        start, stop = knobs.stretch
        if start == stop:
            return self.properties[knobs.feature]
        place = torch.arange(len(self.shown), device=self.device)
        return ((place >= start) & (place < stop)).float()

    def _switched(self, knobs: CellKnobs) -> tuple[Tensor, Tensor]:
        """Of a marked stretch: where each cell is on (T, H), and how well it is on there alone (H,), 0…1."""
        on, shares = switched(memory(self._signals(knobs)), *knobs.stretch, knobs.threshold)
        return on, shares.amin(1)

    def _chosen(self, found: Mapping[str, Tensor], knobs: CellKnobs) -> int:
        """The chosen cell, or the one that tracks the property or the stretch best, of these signals."""
        if knobs.cell != BEST:
            return knobs.cell
        if any(knobs.stretch):
            return int(self._switched(knobs)[1].argmax())
        if knobs.feature in self.same:  # nothing to track: the cell that moves most
            return int(memory(found).std(0).argmax())
        return int(correlation(memory(found), self._tracked(knobs)[:, None]).argmax())

    def _one(self, knobs: CellKnobs) -> tuple[int, dict[str, Tensor]]:
        """The chosen cell and its signals, (T,) each."""
        found = self._signals(knobs)
        cell = self._chosen(found, knobs)
        return cell, {name: values[:, cell] for name, values in found.items()}

    def _read_out(self, knobs: CellKnobs) -> Tensor:
        """The read-out as a colour, (T,) within ±1."""
        guess = read_out(self._signals(knobs)["h"], self._tracked(knobs))
        return ((guess - guess.mean()) / guess.std().clamp(min=1e-6)).tanh()

    @p.tokens("The text, coloured by a cell", size="hero", edits="position", selects="stretch")
    def text(self, knobs: CellKnobs) -> p.Tokens:
        """What one cell remembers by, over the held-out text; or the read-out."""
        if knobs.cell == READ_OUT:
            name, values = "linear read-out", self._read_out(knobs)
        else:
            cell, found = self._one(knobs)
            superscript = f"⁽{'¹²³'[knobs.looked_at - 1]}⁾" if knobs.layers > 1 else ""
            name = f"{'tanh c' if 'c' in found else 'h'}{subscript(cell)}{superscript}"
            values = memory(found)
        marks, mark_name, notes = self._underlined(knobs)
        picture = p.Tokens(
            tokens=self.corpus.shown,
            values=values,
            position=knobs.position,
            marks=marks.to(torch.uint8),
            mark_name=mark_name,
            name=name,
            notes=notes + self._notes(knobs),
        )
        text = "On average {inside} at the underlined characters, {outside} at the others."
        return p.says(picture, text, **means(values, marks))

    def _underlined(self, knobs: CellKnobs) -> tuple[Tensor, str, list[p.Note]]:
        """Where the property is, (T,); of a marked stretch, wherever the cells that are on there are."""
        if not any(knobs.stretch):
            return positive(self.properties[knobs.feature]), PROPERTIES[knobs.feature], []
        on, alone = self._switched(knobs)
        chosen = alone >= min(ALONE, float(alone.amax()))  # (H,)
        there = on[:, chosen].float().mean(1) >= ALONE  # (T,)
        others = there.clone()
        others[slice(*knobs.stretch)] = False
        places = int((F.pad(others.int(), (1, 0)).diff() > 0).sum())
        counts = {"cells": int((alone >= ALONE).sum()), "places": places}
        return there, "where its cells are on", [p.Note(STRETCH if counts["cells"] else NO_SUCH, counts)]

    def _notes(self, knobs: CellKnobs) -> list[p.Note]:
        constant = p.Note(
            "The property is the same everywhere in this text, so no cell can track it: "
            "choose another, such as the position in line."
        )
        merged = p.Note(
            "{percent}% of the text is one sign, {sign}: {rare} characters too rare to tell apart. "
            "The bits count an even guess among them.",
            {"percent": max(1, round(100 * self.corpus.merged)), "sign": OTHER, "rare": self.corpus.rare},
        )
        notes = (constant, knobs.feature in self.same), (merged, self.corpus.merged >= VISIBLE)
        return [note for note, applies in notes if applies]

    @p.bars("What it tracks")
    def tracked(self, knobs: CellKnobs) -> p.Bars:
        """|r| of the chosen cell with all properties, beside the best cell's of the layer for each."""
        found = self._signals(knobs)
        props = torch.stack(list(self.properties.values()), dim=1)  # (T, P)
        every = correlation(memory(found), props)  # (H, P)
        every[:, [name in self.same for name in self.properties]] = math.nan  # no property, no r
        if knobs.cell == READ_OUT:
            chosen = correlation(self._read_out(knobs)[:, None], props)[0] + 0 * every[0]
        else:
            chosen = every[self._chosen(found, knobs)]
        picture = p.Bars(
            values=torch.stack([chosen, every.amax(0)]),  # (2, P)
            labels=[PROPERTIES[name] for name in self.properties],
            series=["chosen", "best of the layer"],
            range=(0.0, 1.0),
        )
        most = foremost(chosen)
        if most is None:
            return picture
        text = "What is chosen follows “{property}” most: |r| = {r}."
        return p.says(picture, text, property=picture.labels[most], r=rough(float(chosen[most])))

    @p.traces("Gates", size="wide", edits="position")
    def gates(self, knobs: CellKnobs) -> p.Traces:
        """Every signal of the cell; of the read-out, its value."""
        if knobs.cell == READ_OUT:
            found = {"linear read-out": self._read_out(knobs)}
        else:
            _, found = self._one(knobs)
        largest = max(1.0, float(found["c"].abs().amax()) if "c" in found else 1.0)
        ranges = {"c": (-largest, largest)} | dict.fromkeys("iforz", (0.0, 1.0))
        picture = p.Traces(
            values=torch.stack(list(found.values())),
            names=list(found),
            ranges=[ranges.get(name, (-1.0, 1.0)) for name in found],
            tokens=self.corpus.shown,
            position=knobs.position,
        )
        gates = kept_and_taken(found)
        if gates is None:
            return picture
        kept, taken = (in_percent(float(gate[knobs.position])) for gate in gates)
        text = "Here the cell keeps {kept}% of what it held, and takes in {taken}% of what is new."
        return p.says(picture, text, kept=kept, taken=taken)

    @p.tokens("Sample")
    def sample(self, knobs: CellKnobs) -> p.Tokens:
        """What is written after the text up to the position, and how probable each character was."""
        read = self.shown[: knobs.position + 1]
        codes, given = write(self.model, read, SAMPLE, knobs.temperature, self.generator(self.step_index))
        prompt = self.corpus.shown[: knobs.position + 1][-PROMPT:]
        picture = p.Tokens(
            tokens=prompt + self.corpus.decode(codes.tolist()),
            values=torch.cat([given.new_full((len(prompt),), math.nan), given]),
            range=(0.0, 1.0),
            marks=torch.tensor([1] * len(prompt) + [0] * SAMPLE, dtype=torch.uint8),
            mark_name="what was read",
            name="p",
        )
        share = in_percent(float(given.mean()))
        return p.says(picture, "It gave the characters it wrote {percent}% on average.", percent=share)

    @p.ranking("Which cell tracks it?", size="wide", edits="cell")
    def cells(self, knobs: CellKnobs) -> p.Ranking:
        """|r| and AUC of every cell, and of the layer's linear read-out; of a stretch, where they are on."""
        names, ids = [*map(str, range(knobs.hidden)), "linear read-out"], [*range(knobs.hidden), READ_OUT]
        found, prop = self._signals(knobs), self._tracked(knobs)
        values = memory(found)
        if any(knobs.stretch):
            _, shares = switched(
                torch.cat([values, self._read_out(knobs)[:, None]], 1), *knobs.stretch, knobs.threshold
            )
            figures = torch.stack([shares.amin(1), *shares.t()], dim=1)  # (H + 1, 3)
            columns, chance = ["both", "on inside", "off beside"], figures.new_full((3,), math.nan)
        else:
            guess = read_out(found["h"], prop)[:, None]
            figures, chance = tracking(values, ranks(values), prop)
            whole = torch.cat(
                [correlation(guess, prop[:, None]), auc(ranks(guess), positive(prop)[:, None])], 1
            )
            figures, columns = torch.cat([figures, whole]), ["|r|", "AUC"]  # (H + 1, 2)
            if knobs.feature in self.same:
                figures, chance = figures * math.nan, chance * math.nan
        picture = p.Ranking(
            values=figures,
            names=names,
            columns=columns,
            ranges=[(0.0, 1.0)] * len(columns),
            ids=ids,
            baseline=chance,
            chosen=self._chosen(found, knobs),
        )
        best = foremost(figures[:-1, 0])
        if best is None or any(knobs.stretch):
            return picture
        text = "Cell {cell} follows it best: |r| = {r}. By chance the best would reach {chance}."
        r, by_chance = rough(float(figures[best, 0])), rough(float(chance[0]))
        return p.says(picture, text, cell=best, r=r, chance=by_chance)

    gradient = p.scalars({"gradient/norm": "‖g‖"}, "Gradient norm", log=True)
