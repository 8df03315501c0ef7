"""Transformer.

An encoder and a decoder made of attention alone learn to copy, reverse or sort letters, or to read dates.
Type a text of your own and see at once what comes out, and where each letter of it was looked up.

    p.Attention(Q, K, V) = softmax(QKᵀ/√d_k) V                                         (1)
    MultiHead(Q, K, V) = Concat(head_1, …, head_h) W^O,  head_i = p.Attention(QW_i^Q, KW_i^K, VW_i^V)
    FFN(x) = max(0, xW_1 + b_1) W_2 + b_2                                            (2)
    sublayer: x ← LayerNorm(x + Dropout(Sublayer(x)))
    PE(pos, 2i) = sin(pos/10000^(2i/d)),  PE(pos, 2i + 1) = cos(pos/10000^(2i/d))
    learning rate at step n, after a warm-up of w steps: η min(n/w, √(w/n))          (3)

Watch the cross-attention: where the task is to reverse, a diagonal from the lower left appears in it within
seconds, and the accuracy on words never trained on follows.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, §3 and §5.3–5.4.
Post-norm, one embedding for sources, targets and output (§3.4), Adam's β₂ = 0.98, and dropout on embeddings
and sublayers are the paper's. Departures: a small model, and characters for tokens; the schedule is scaled so
that η is its peak, where the paper has 1/√(d w); dropout and label smoothing begin at 0, as each step makes
new pairs; the output is greedy, where the paper searches with beams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, batch_of, fixed, live, rate
from descent.kit.data.translation import (
    DATE_CHARACTERS,
    END,
    LETTERS,
    LONGEST_DATE,
    PAD,
    SPECIAL,
    START,
    Dates,
    Task,
    Words,
)
from descent.kit.nn.transformer import Transformer
from descent.kit.reading import gaze

LONGEST_WORD = 16
UNSEEN = 256  # pairs in the test split
TEST_EVERY = 20  # steps between two measurements on it
LETTER_TASKS = ("copy", "reverse", "sort")

INDIVISIBLE = "a width of {width} does not divide among {heads} heads: choose {fits}"
UNKNOWN_LETTERS = "the model knows no “{strange}”: use the letters a to z"
UNKNOWN_SIGNS = "the model knows no “{strange}”: write a date such as March 5, 2024"
TOO_LONG = "it has {count} letters, the longest word {length}: shorten it, or raise the longest word"


class TransformerKnobs(Knobs):
    # fmt: off
    word: str = live(
        "stressed", "Your word", when={"task": LETTER_TASKS}, max_length=LONGEST_WORD, group="input",
        role="look")
    date: str = live(
        "March 5, 2024", "Your date", when={"task": ["dates"]}, max_length=LONGEST_DATE, group="input",
        role="look")
    lr: float = rate(1e-3, log=(1e-5, 0.1), typical=(5e-4, 4e-3), group="training")
    schedule: Literal["warm-up", "constant"] = live(
        "warm-up", "Schedule", options={"warm-up": "warm-up, then 1/√n", "constant": "constant"},
        group="training")
    warmup: int = live(
        200, "Warm-up", "w", log=(1, 4000), unit="steps", when={"schedule": ["warm-up"]}, group="training")
    batch_size: int = batch_of(64, 256, group="training", help="New pairs per step.")
    dropout: float = live(
        0.0, "Dropout", "P", range=(0.0, 0.9), step=0.05, typical=(0.0, 0.3), group="training")
    smoothing: float = live(
        0.0, "Label smoothing", "ε", range=(0.0, 0.5), step=0.05, typical=(0.0, 0.2), group="training",
        role="task")
    task: Literal["copy", "reverse", "sort", "dates"] = fixed(
        "reverse", "Task",
        options={"copy": "copy", "reverse": "reverse", "sort": "sort", "dates": "dates → ISO 8601"},
        group="task")
    length: int = fixed(
        10, "Longest word", range=(8, LONGEST_WORD), unit="letters", when={"task": LETTER_TASKS}, group="task"
    )
    d_model: int = fixed(64, "Model width", "d", range=(8, 128), step=8, group="network")
    heads: int = fixed(4, "Heads", "h", range=(1, 8), group="network")
    layers: int = fixed(
        2, "Layers", "N", range=(1, 4), group="network", help="In the encoder, and in the decoder.")
    d_ff: int = fixed(128, "Feed-forward width", range=(8, 512), step=8, group="network")
    # fmt: on

    @model_validator(mode="after")
    def _fit_together(self) -> TransformerKnobs:
        if self.d_model % self.heads:
            fits = [str(heads) for heads in range(1, 9) if self.d_model % heads == 0]
            raise KnobError("heads", INDIVISIBLE, width=self.d_model, heads=self.heads, fits=", ".join(fits))
        for name, text in (("word", self.word), ("date", self.date)):
            if not text:
                raise KnobError(name, "it is empty: type at least one character")
        if strange := sorted(set(self.word) - set(LETTERS)):
            raise KnobError("word", UNKNOWN_LETTERS, strange="”, “".join(strange))
        if strange := sorted(set(self.date) - set(DATE_CHARACTERS)):
            raise KnobError("date", UNKNOWN_SIGNS, strange="”, “".join(strange))
        if len(self.word) > self.length:
            raise KnobError("word", TOO_LONG, count=len(self.word), length=self.length)
        return self


def warmed_up(lr: float, n: int, warmup: int) -> float:
    """The paper's schedule (3) at step n = 1, 2, …, with its peak scaled to `lr`."""
    return lr * min(n / warmup, math.sqrt(warmup / n))


def loss_of(logits: Tensor, wanted: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy of logits (B, T, V) against `wanted` (B, T), padding left out."""
    return F.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, label_smoothing=smoothing
    )


class TransformerExperiment(Experiment[TransformerKnobs]):
    """The model, its task, and what it makes of the learner's text."""

    order = 10
    after = ("positional-encoding", "seq2seq")
    minutes = 15
    level = 3
    invite = "Type a word of your own and see how it comes out."
    measures = {
        "loss/train": Measure("loss"),
        "loss/test": Measure("held-out"),
        "acc/token": Measure("accuracy"),
        "acc/sequence": Measure("accuracy"),
    }
    presets = {
        "one-head": Preset("One head, one layer", {"heads": 1, "layers": 1, "lr": 6e-3, "warmup": 100}),
        "sort": Preset("Sorting letters", {"task": "sort"}),
        "dates": Preset("Dates", {"task": "dates", "layers": 1, "lr": 4e-3, "warmup": 100}),
        "no-warm-up": Preset("No warm-up", {"schedule": "constant", "lr": 0.01}),
        "smoothing": Preset("Label smoothing", {"smoothing": 0.3, "layers": 1, "lr": 4e-3, "warmup": 100}),
    }

    def build(self, knobs: TransformerKnobs) -> None:
        """The task, the model, and the unseen pairs."""
        self.task: Task = Dates() if knobs.task == "dates" else Words(knobs.task, knobs.length)
        self.model = Transformer(
            self.task.size,
            max(self.task.source, self.task.target),
            knobs.d_model,
            knobs.heads,
            knobs.d_ff,
            knobs.layers,
        ).to(self.device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), knobs.lr, betas=(0.9, 0.98), eps=1e-9, fused=True
        )
        source, target = self.task.pairs(UNSEEN, self.generator(-1), held_out=True)
        self.unseen = source.to(self.device), target.to(self.device)
        self.changed(knobs, {"dropout"})

    def changed(self, knobs: TransformerKnobs, names: set[str]) -> None:
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = knobs.dropout

    def step(self, knobs: TransformerKnobs) -> Scalars:
        """Descend on a batch of new pairs; now and then, measure on the unseen ones before."""
        measured = {} if self.step_index % TEST_EVERY else self.measure(knobs)
        lr = knobs.lr
        if knobs.schedule == "warm-up":
            lr = warmed_up(knobs.lr, self.step_index + 1, knobs.warmup)
        self.optimizer.param_groups[0]["lr"] = lr
        loss = self._loss(knobs)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss/train": loss.detach(), "lr": lr, **measured}

    def _loss(self, knobs: TransformerKnobs) -> Tensor:
        """The loss on the coming step's pairs."""
        batch = self.task.pairs(knobs.batch_size, self.generator(self.step_index), held_out=False)
        source, target = (tokens.to(self.device) for tokens in batch)
        return loss_of(self.model(source, target[:, :-1]), target[:, 1:], knobs.smoothing)

    def objectives(self, knobs: TransformerKnobs) -> Mapping[str, Objective]:
        """The loss on the coming pairs."""
        return {"": Objective.of(self.model, self.optimizer, lambda: self._loss(knobs))}

    @torch.no_grad()
    def measure(self, knobs: TransformerKnobs) -> Scalars:
        """Loss and accuracies on the unseen pairs, in eval mode.

        The model is given the right output so far. An output that it writes by itself is right exactly if all
        tokens are right then, so one pass tells both accuracies.
        """
        source, target = self.unseen
        self.model.eval()
        logits = self.model(source, target[:, :-1])  # (B, T, V)
        self.model.train()
        wanted = target[:, 1:]
        padded = wanted == PAD
        right = (logits.argmax(dim=2) == wanted) & ~padded
        return {
            "loss/test": loss_of(logits, wanted, knobs.smoothing),
            "acc/token": right.sum() / (~padded).sum(),
            "acc/sequence": (right | padded).all(dim=1).float().mean(),
        }

    def text(self, knobs: TransformerKnobs) -> str:
        """What the learner typed for this task."""
        return knobs.date if knobs.task == "dates" else knobs.word

    def source(self, text: str) -> Tensor:
        """A text as the model reads it, (1, S)."""
        return self.task.encode(text)[None].to(self.device)

    def attended(self, knobs: TransformerKnobs) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Source (S,), output (T + 1,), and the decoder's weights (1, h, T, ·), self- and cross- by turns.

        The output is the right one, where the text has one.
        """
        source, answer = self.source(self.text(knobs)), self.task.answer(self.text(knobs))
        if answer is None:
            output = self.model.write(source, self.task.target)
        else:  # the right output keeps its rows from the first step on, which the model's own would not
            output = F.pad(self.source(answer), (1, 0), value=START)
        seen: list[Tensor] = []
        self.model.decode(output[:, :-1], self.model.encode(source), source, seen)
        return source[0], output[0], seen

    @p.attention("Cross-attention", size="pair")
    def cross_attention(self, knobs: TransformerKnobs) -> p.Attention:
        """Each row is the query that writes the token it is named after."""
        source, output, seen = self.attended(knobs)
        queries, keys = self.task.names(output[1:]), self.task.names(source)
        return p.says(
            p.Attention(weights=torch.cat(seen[1::2]), queries=queries, keys=keys),  # (N, h, T, S)
            "In the last layer, “{query}” looks most at “{key}”: {percent}%.",
            **gaze(seen[-1], queries, keys),
        )

    @p.tokens("Your text and the output", size="hero", holds=["word", "date"], links="cross_attention")
    def output(self, knobs: TransformerKnobs) -> p.Tokens:
        """The greedy output, each token with its probability."""
        source = self.source(self.text(knobs))
        output = self.model.write(source, self.task.target)
        chances = self.model(source, output[:, :-1]).softmax(dim=2)  # (1, T, V)
        names = self.task.names(output[0, 1:])
        answer = self.task.answer(self.text(knobs))
        wanted = [] if answer is None else [*answer, SPECIAL[END]]
        wrong = [answer is not None and wanted[i : i + 1] != [name] for i, name in enumerate(names)]
        picture = p.Tokens(
            tokens=names,
            values=chances.gather(2, output[:, 1:, None])[0, :, 0],
            range=(0.0, 1.0),
            marks=torch.tensor(wrong, dtype=torch.uint8),
            mark_name="wrong",
            name="p(token)",
        )
        if answer is None:
            return picture
        text = (
            "{right} of {all} tokens are right." if any(wrong) or names != wanted else "Every token is right."
        )
        return p.says(picture, text, right=len(names) - sum(wrong), all=len(names))

    loss = p.scalars({"loss/train": "training", "loss/test": "unseen"}, "Loss", size="wide", log=True)
    accuracy = p.scalars(
        {"acc/token": "tokens", "acc/sequence": "whole outputs"}, "Accuracy on unseen texts", size="wide"
    )
    rate = p.scalars({"lr": "η"}, "Learning rate")

    @p.attention("Encoder self-attention")
    def encoder_attention(self, knobs: TransformerKnobs) -> p.Attention:
        """Source on source; needs no output."""
        source = self.source(self.text(knobs))
        seen: list[Tensor] = []
        self.model.encode(source, seen)
        names = self.task.names(source[0])
        return p.says(
            p.Attention(weights=torch.cat(seen), queries=names, keys=names),  # (N, h, S, S)
            "In the last layer, “{query}” looks most at “{key}”: {percent}%.",
            **gaze(seen[-1], names, names),
        )

    @p.attention("Decoder self-attention")
    def decoder_attention(self, knobs: TransformerKnobs) -> p.Attention:
        """Rows and columns are what the decoder is given: the output, moved on by one."""
        _, output, seen = self.attended(knobs)
        names = self.task.names(output[:-1])
        ahead = torch.ones(len(names), len(names), dtype=torch.uint8).triu(1)
        return p.says(
            p.Attention(weights=torch.cat(seen[::2]), queries=names, keys=names, masked=ahead),
            "In the last layer, the last token looks most at “{key}”: {percent}%.",
            **gaze(seen[-2][..., -1:, :], names[-1:], names),
        )

    @p.heatmap("Positional encoding")
    def positional_encoding(self, knobs: TransformerKnobs) -> p.Heatmap:
        """PE, one row per position."""
        rows = [str(place) for place in range(len(self.model.positions))]
        picture = p.Heatmap(
            values=self.model.positions,
            rows=rows,
            x_label="component",
            y_label="position",
            scale="diverging",
            range=(-1.0, 1.0),
        )
        table = self.model.positions
        still = int(((table >= 0).all(0) | (table <= 0).all(0)).sum())
        text = "{still} of {all} components keep their sign over all {n} positions."
        return p.says(picture, text, still=still, all=table.shape[1], n=len(table))
