"""End to end, or in stages.

Strips of handwritten digits are read in two ways. A pipeline cuts first and then reads each piece; one
network goes from the strip to the digits, and is never told where one stands. See who needs how much data.

A strip x of T columns with n digits y, and b_t = 1 where it is to be cut, else 0:

    cut:         c_t = σ(f(x)_t),  L = −(1/T) Σ_t b_t log c_t + (1 − b_t) log(1 − c_t)
    read:        p = softmax(g(piece)),  L = −log p_y        for each digit y
    end to end:  P_t = softmax(h(x)_t) over blank, 0…9
                 L = −(1/n) log Σ_π Π_t P_t(π_t)             over all paths π that say y (CTC)
    P(the pipeline is right) = p_cut · p_readⁿ               if all its errors are independent

Watch the pipeline lead from the start where strips are few, and its errors multiply where strips are long.

Source: Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification" (2006), §3. That whole
fields are better read without cutting first: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied
to Document Recognition" (1998), §V to VII.
Departures: the strips are composed of real digits, so that the places of the cuts are known. Both ways have
about 15,000 parameters and see the same strips in the same order; the pipeline is told where to cut, too.
Units are GELU, arXiv:1606.08415: half of those of a ReLU layer die while the network says blank everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Knobs, Measure, Objective, Preset, Scalars, fixed, live, rate
from descent.contract import panels as p
from descent.kit.data.batches import coming_rows
from descent.kit.data.digits import load_digits
from descent.kit.data.strips import (
    DIGIT,
    MOST_DIGITS,
    PIECE,
    STRIP_WIDTH,
    StripPlan,
    agree,
    marked,
    pieces,
    plan_strips,
)
from descent.kit.nn.ctc import ctc_of, greedy_reading, packed_left
from descent.kit.nn.race import Race, step_all
from descent.kit.text import rough

CLASSES = 10
BATCH = 16  # strips per step
TEST_SHARE = 5  # one in so many digits is for the strips to test with
TESTED = 300  # strips
EVERY = 25  # steps from one test to the next
FAR = 1e4  # a loss beyond is out
TOLERANCE = 1  # column by which a cut may be off and still count as right
SHOWN = 10  # strips in the large panel
ZOOM, BAND = 4, 8  # drawn pixels along one of a strip, and high of the band below it
CUT, FIRES = (255, 160, 40), (80, 150, 255)  # colours
LEARNERS = {"ctc": "end to end", "cut": "cut", "read": "read"}


class EndToEndKnobs(Knobs):
    # fmt: off
    strip: int = live(1, "Test strip", range=(0, TESTED - SHOWN), role="look")
    lr_ctc: float = rate(0.01, "Learning rate, end to end", log=(1e-5, 10.0), typical=(2e-3, 0.02))
    lr_pipeline: float = rate(3e-3, "Learning rate, pipeline", log=(1e-5, 10.0), typical=(1e-3, 0.01))
    overlap: int = live(2, "Overlap", range=(0, 4), unit="px", role="task")
    noise: int = live(10, "Noise", range=(0, 60), unit="%", role="task")
    strips: int = fixed(1000, "Strips", "N", log=(16, 4000), typical=(32, 2000))
    dataset: Literal["digits", "mnist"] = fixed(
        "digits", "Digits", data=("mnist",),
        options={"digits": "scikit-learn, 8 × 8", "mnist": "MNIST, 8 × 8"})
    # fmt: on


class Columns(nn.Module):
    """x (B, 8, T) → for every column K numbers that depend on the 11 columns around it: (B, K, T)."""

    def __init__(self, first: int, second: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(DIGIT, first, 5, padding=2)
        self.second = nn.Conv1d(first, second, 5, padding=2)
        self.third = nn.Conv1d(second, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        h = F.gelu(self.second(F.gelu(self.first(x))))
        return self.third(h)


class Reader(nn.Module):
    """A piece (B, 8, 10) → z (B, 10), whose softmax is p."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(DIGIT, first, 5, padding=2)
        self.second = nn.Conv1d(first, second, 5, padding=2)
        self.third = nn.Linear(second * (PIECE // 2), CLASSES)

    def forward(self, piece: Tensor) -> Tensor:
        """Logits."""
        h = F.gelu(self.second(F.gelu(self.first(piece))))
        return self.third(F.max_pool1d(h, 2).flatten(1))


def found_cuts(logits: Tensor) -> Tensor:
    """Where c_t (B, T) has a peak above ½: columns (B, T), −1 after the last one."""
    peak = (logits > 0) & (logits == F.max_pool1d(logits[:, None], 3, 1, 1)[:, 0])
    return packed_left(torch.arange(logits.shape[1], device=logits.device).expand_as(logits), peak)


def product_rule(cut: Tensor, read: Tensor, counts: Tensor) -> Tensor:
    """p_cut · p_readⁿ of strips of n = `counts` digits; p_cut is that of strips of as many, `cut` (4,)."""
    return cut[counts - 1] * read**counts


def means_by_count(right: Tensor, counts: Tensor) -> Tensor:
    """The share that is right among strips of 1 to 4 digits, (4,); 0 where there are none."""
    sums = torch.zeros(MOST_DIGITS, device=right.device).index_add(0, counts - 1, right.float())
    return sums / torch.bincount(counts - 1, minlength=MOST_DIGITS).clamp(min=1)


class EndToEnd(Race[EndToEndKnobs]):
    """A cutter and a reader against one network with CTC."""

    order = 7
    pace = 80.0
    after = ("mlp-digits",)
    minutes = 12
    level = 3
    invite = "Turn the number of strips down to 32, and see who can still read."
    batch_size = BATCH
    titles = LEARNERS
    measures = {
        "loss/ctc": Measure("loss", of="end to end", knobs=("lr_ctc",)),
        "loss/cut": Measure("loss", of="cut", knobs=("lr_pipeline",)),
        "loss/read": Measure("loss", of="read", knobs=("lr_pipeline",)),
        "loss/ctc-test": Measure("held-out", of="end to end", knobs=("lr_ctc",)),
        "loss/read-test": Measure("held-out", of="read", knobs=("lr_pipeline",)),
        "acc/ctc": Measure("accuracy", of="end to end", knobs=("lr_ctc",)),
    }
    steers = {"lr_ctc": "optimizer", "lr_pipeline": "pipeline_optimizers"}
    presets = {
        "few": Preset("32 strips", {"strips": 32}),
        "many": Preset("2,000 strips", {"strips": 2000}),
        "pushed": Preset("Pushed into each other", {"strips": 2000, "overlap": 4}),
        "noisy": Preset("Errors multiply", {"noise": 40}),
    }

    def build(self, knobs: EndToEndKnobs) -> None:
        """Compose strips, make three networks. Raises `KnobError` where the chosen set cannot be read."""
        digits = load_digits(knobs.dataset, DIGIT, self.data)
        order = torch.randperm(len(digits), generator=self.generator(-1))
        images, labels = (digits.images[order, 0] + 1) / 2, digits.labels[order]  # (N, 8, 8) from 0 to 1
        test = len(labels) // TEST_SHARE
        self.train = self._plan(images[test:], labels[test:], knobs.strips, -2)
        self.test = self._plan(images[:test], labels[:test], TESTED, -3)
        self.training_samples = knobs.strips
        self.whole = Columns(40, 56, 1 + CLASSES).to(self.device)
        self.cutter = Columns(24, 24, 1).to(self.device)
        self.reader = Reader(32, 48).to(self.device)
        self.optimizer = self._adam(self.whole, knobs.lr_ctc)
        self.pipeline_optimizers = {
            "cut": self._adam(self.cutter, knobs.lr_pipeline),
            "read": self._adam(self.reader, knobs.lr_pipeline),
        }
        self.racing = list(LEARNERS)

    def _plan(self, images: Tensor, labels: Tensor, count: int, n: int) -> StripPlan:
        return plan_strips(images, labels, count, self.generator(n)).to(self.device)

    @staticmethod
    def _adam(network: nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr, fused=True)

    def _drawn(self, knobs: EndToEndKnobs, split: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
        """All strips x (S, 8, T) of a split, and where to cut them, (S, 5)."""
        plan = self.train if split == "train" else self.test
        overlap, noise = knobs.overlap, knobs.noise / 100
        return self.cached(split, (overlap, noise), lambda: (plan.drawn(overlap, noise), plan.cuts(overlap)))

    def _loss(self, name: str, knobs: EndToEndKnobs) -> Tensor:
        """A network's loss on the coming mini-batch."""
        rows = coming_rows(self, BATCH, len(self.train))
        strips, places = self._drawn(knobs, "train")
        x, cuts, labels = strips[rows], places[rows], self.train.labels[rows]
        if name == "ctc":
            return ctc_of(self.whole(x), labels)
        if name == "cut":
            return F.binary_cross_entropy_with_logits(self.cutter(x)[:, 0], marked(cuts))
        return F.cross_entropy(self.reader(pieces(x, cuts)[0]), labels[labels >= 0])

    def step(self, knobs: EndToEndKnobs) -> Scalars:
        """One step of each network on the same strips; now and then all three are tested before it."""
        if not self.racing:
            return self.all_out()
        row = self._scores(knobs) if self.step_index % EVERY == 0 else {}
        optimizers = {"ctc": self.optimizer, **self.pipeline_optimizers}
        return row | step_all(self.racing, lambda name: self._loss(name, knobs), optimizers, FAR)

    def objectives(self, knobs: EndToEndKnobs) -> Mapping[str, Objective]:
        """The loss of each network that is not out, on the coming mini-batch."""
        of = {
            "ctc": (self.whole, self.optimizer),
            "cut": (self.cutter, self.pipeline_optimizers["cut"]),
            "read": (self.reader, self.pipeline_optimizers["read"]),
        }
        return {
            LEARNERS[name]: Objective.of(*of[name], partial(self._loss, name, knobs)) for name in self.racing
        }

    def _in_stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where the pipeline cuts x (S, 8, T), (S, T), and what it reads, (S, T − 1); −1 after the last."""
        cuts = found_cuts(self.cutter(x)[:, 0])
        piece, there = pieces(x, cuts)
        said = torch.full_like(cuts[:, 1:], -1)
        said[there] = self.reader(piece).argmax(1)
        return cuts, said

    def _tested(self, knobs: EndToEndKnobs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Which test strips are read right by either way, or cut right, and which digits are read right where
        the cuts are the true ones; the losses of both that read.
        """
        x, cuts = self._drawn(knobs, "test")
        labels, digits = self.test.labels, self.test.labels[self.test.labels >= 0]
        found, pipeline = self._in_stages(x)
        whole, read = self.whole(x), self.reader(pieces(x, cuts)[0])
        rights = {
            "ctc": agree(greedy_reading(whole), labels),
            "pipeline": agree(pipeline, labels),
            "cut": agree(found, cuts, TOLERANCE),
            "read": read.argmax(1) == digits,
        }
        return rights, {"ctc": ctc_of(whole, labels), "read": F.cross_entropy(read, digits)}

    @torch.no_grad()
    def _scores(self, knobs: EndToEndKnobs) -> dict[str, Tensor]:
        rights, losses = self._tested(knobs)
        row = {f"acc/{name}": right.float().mean() for name, right in rights.items()}
        cut = means_by_count(rights["cut"], self.test.counts)
        row["acc/product"] = product_rule(cut, row["acc/read"], self.test.counts).mean()
        return row | {f"loss/{name}-test": loss for name, loss in losses.items() if name in self.racing}

    # What is shown

    @p.images("Read twice", size="hero")
    def readings(self, knobs: EndToEndKnobs) -> p.Images:
        """Test strips with the cuts drawn in, and below each where the one network fires."""
        shown = slice(knobs.strip, knobs.strip + SHOWN)
        x = self._drawn(knobs, "test")[0][shown]
        cuts, pipeline = self._in_stages(x)
        whole = self.whole(x)
        ink = p.Images.to_pixels(x, 0.0, 1.0)[..., None].expand(-1, -1, -1, 3)  # (S, 8, T, 3)
        ink = ink.repeat_interleave(ZOOM, 1).repeat_interleave(ZOOM, 2)
        line = torch.zeros(len(x), 1, ZOOM * STRIP_WIDTH, 1, dtype=torch.bool, device=x.device)
        line[:, 0, ::ZOOM, 0] = line[:, 0, 1::ZOOM, 0] = marked(cuts) > 0
        ink = ink.where(~line, torch.tensor(CUT, dtype=torch.uint8, device=x.device))
        fires = (1 - whole.softmax(1)[:, 0]).nan_to_num()  # (S, T)
        band = (fires[..., None] * torch.tensor(FIRES, device=x.device)).to(torch.uint8)
        band = band[:, None].expand(-1, BAND, -1, -1).repeat_interleave(ZOOM, 2)
        labels = self.test.labels[shown]
        told = [spelt_out(labels)]
        for said in (pipeline, greedy_reading(whole)):
            marks = ["✓" if right else "✗" for right in agree(said, labels)]
            told.append([f"{digits} {mark}" for digits, mark in zip(spelt_out(said), marks, strict=True)])
        captions = [" · ".join(parts) for parts in zip(*told, strict=True)]
        picture = p.Images(pixels=torch.cat([ink, band], 1), columns=2, captions=captions)
        right = [sum(caption.endswith("✓") for caption in way) for way in told[1:]]
        text = "Of these {all} strips the pipeline reads {pipeline} right, the one network {whole}."
        return p.says(picture, text, all=len(x), pipeline=right[0], whole=right[1])

    @p.heatmap("Column by column", size="wide")
    def columns(self, knobs: EndToEndKnobs) -> p.Heatmap:
        """Of the first strip shown: c_t of the pipeline, the ink, and P_t of the one network."""
        x = self._drawn(knobs, "test")[0][knobs.strip][None]
        rows = [self.cutter(x)[:, 0].sigmoid(), x.amax(1).clamp(0, 1), *self.whole(x).softmax(1).unbind(1)]
        picture = p.Heatmap(
            values=torch.cat(rows).nan_to_num(),
            rows=["cut", "ink", "blank", *map(str, range(CLASSES))],
            x_label="column",
            range=(0.0, 1.0),
        )
        cuts, blank = int((rows[0] > 0.5).sum()), 100 * float(rows[2].mean())
        text = "The pipeline cuts in {cuts} columns; the one network gives blank {percent}% on average."
        return p.says(picture, text, cuts=cuts, percent=rough(blank))

    accuracy = p.scalars(
        {"acc/pipeline": "pipeline", "acc/ctc": "end to end"}, "Whole strips read right", size="wide"
    )
    stages = p.scalars(
        {
            "acc/cut": "strips cut right",
            "acc/read": "digits read right",
            "acc/product": "product",
            "acc/pipeline": "pipeline, measured",
        },
        "Errors multiply",
    )

    @p.lines("By number of digits")
    def by_count(self, knobs: EndToEndKnobs) -> p.Lines:
        """The share of strips read right, and what the product says."""
        rights, counts = self._tested(knobs)[0], self.test.counts
        cut, read = means_by_count(rights["cut"], counts), rights["read"].float().mean()
        n = torch.arange(1, MOST_DIGITS + 1, device=counts.device)
        ways = [means_by_count(rights[way], counts) for way in ("pipeline", "ctc")]
        picture = p.Lines(
            x=n.float(),
            values=torch.stack([*ways, product_rule(cut, read, n)]),
            series=["pipeline", "end to end", "product"],
            x_label="n",
            notes=[f"n = {MOST_DIGITS}: {cut[-1]:.2f} · {read:.3f}⁴ = {cut[-1] * read**MOST_DIGITS:.2f}"],
            y_ranges=[(0.0, 1.0)],
        )
        pipeline, whole = (rough(100 * float(way[-1])) for way in ways)
        text = "Of strips with {n} digits the pipeline reads {pipeline}% right, the one network {whole}%."
        return p.says(picture, text, n=MOST_DIGITS, pipeline=pipeline, whole=whole)

    @p.bars("What goes wrong")
    def mistakes(self, knobs: EndToEndKnobs) -> p.Bars:
        """Shares of the test strips."""
        labels, counts = self.test.labels, self.test.counts
        x, _ = self._drawn(knobs, "test")
        shares = []
        for said in (self._in_stages(x)[1], greedy_reading(self.whole(x))):
            length = (said >= 0).sum(1)
            wrong = (length == counts) & ~agree(said, labels)
            shares.append(torch.stack([(length < counts), (length > counts), wrong]).float().mean(1))
        picture = p.Bars(
            values=torch.stack(shares),
            labels=["missing", "extra", "wrong"],
            series=["pipeline", "end to end"],
        )
        pipeline, whole = (rough(100 * float(share.sum())) for share in shares)
        text = "The pipeline misreads {pipeline}% of all strips, the one network {whole}%."
        return p.says(picture, text, pipeline=pipeline, whole=whole)

    losses = p.scalars(
        {
            "loss/cut": "cut",
            "loss/read": "read",
            "loss/ctc": "end to end",
            "loss/read-test": "read, test",
            "loss/ctc-test": "end to end, test",
        },
        "Losses",
        log=True,
        smoothing=0.8,
    )


def spelt_out(readings: Tensor, most: int = 6) -> list[str]:
    """Digits in a row, by row of `readings` (S, L); −1 after the last one."""
    said = ["".join(str(digit) for digit in row if digit >= 0) for row in readings.tolist()]
    return [f"{digits[:most]}…" if len(digits) > most else digits or "–" for digits in said]
