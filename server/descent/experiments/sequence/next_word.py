"""The next word: an RNN and an LSTM side by side.

Two small recurrent networks read the first words of a sentence, one by one, and guess the last. See what
each remembers after every word, ask them about a beginning of your own, and give them your own sentences.

Words are one-hot vectors x_t, T of them are read, and both networks answer from their last hidden state:

    RNN:   h_t = tanh(W_x x_t + W_h h_{t−1} + b)
    LSTM:  f, i, o = σ(W x_t + U h_{t−1} + b), each with weights of its own;  g = tanh(W x_t + U h_{t−1} + b)
           c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(c_t)
    both:  p = softmax(W_y h_T + b_y),  L = −(1/N) Σ log p(last word), over all N sentences at once

In the six sentences given, "coffee" and "milk" are an exclusive or of the pronoun and the verb: neither word
tells alone. A network that knows both but not their combination is left with L = (4/6) log 2 ≈ 0.46.

Source: Elman 1990, "Finding structure in time", Cognitive Science 14 (the RNN; its W_x, W_h, b as NumPy
computes them in `numpy_rnn`); Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", Neural Computation
9(8), with the forget gate of Gers, Schmidhuber and Cummins 2000, Neural Computation 12(10).
Departures: Elman's units are sigmoids and learn without backpropagation through time; here, tanh and with.
PyTorch adds two biases where the equations have one: b = b_ih + b_hh. Numbers have 64 bits, as NumPy's do.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment, Measure, Objective, Preset, Scalars
from descent.contract import panels as p
from descent.contract.knobs import KnobError, Knobs, fixed, live, rate
from descent.kit.data.pieces import own_pieces
from descent.kit.nn.lean import update
from descent.kit.nn.traced import Gradients
from descent.kit.reading import in_percent
from descent.kit.text import rough

SENTENCES = "i like dog\ni love coffee\ni hate milk\nyou like cat\nyou love milk\nyou hate coffee"
KOREAN = (
    "나는 개를 좋아한다\n나는 커피를 사랑한다\n나는 우유를 싫어한다\n"
    "너는 고양이를 좋아한다\n너는 우유를 사랑한다\n너는 커피를 싫어한다"
)
FAR = "i say that they like dog\nyou say that they like cat"
TWO_ENDS = "i like dog\ni like cat\nyou love milk\nyou hate milk"
LONGEST = 6  # words in a sentence
FEWEST, MOST = 2, 50  # sentences
VOCABULARY = 60  # different words
COMPARED_EVERY = 10  # steps from one comparison with NumPy to the next

SINGLE_WORD = "line {line} is the single word “{word}”; add the words to predict it from"
TOO_LONG = "line {line} has {n} words; shorten it to {most} or fewer"
TOO_FEW_OR_MANY = "it has {n} of {fewest} to {most} sentences; write one per line"
UNEQUAL = "line {line} has {n} words, the first sentence {length}; make them equal"
TOO_MANY_WORDS = "it has {n} different words; use at most {most}"
UNKNOWN_WORD = "“{word}” is in no sentence; use these words, or leave it empty: {known}"
UNFINISHED = "it has {n} of {length} words; type the rest, or nothing for the first sentence"


def words_of(text: str) -> list[str]:
    """The words of one line, in lower case; Hangul composed, however it was typed."""
    return unicodedata.normalize("NFC", text).lower().split()


def sentences_of(text: str) -> dict[int, list[str]]:
    """The sentences by number of their line, from 1; empty lines are skipped."""
    return {n: words for n, line in enumerate(text.splitlines(), 1) if (words := words_of(line))}


def vocabulary(sentences: Iterable[Sequence[str]]) -> list[str]:
    """Each word once, in the order of first use."""
    return list(dict.fromkeys(word for sentence in sentences for word in sentence))


class NextWordKnobs(Knobs):
    lr: float = rate(
        0.01, log=(1e-4, 1.0), typical=(0.003, 0.1), help="How far a step of Adam goes, in both networks."
    )
    ask: str = live("", "Ask about", max_length=200, role="look")
    source: Literal["typed", "file"] = fixed(
        "typed", "Text", options={"typed": "typed sentences", "file": "a text of yours"}
    )
    sentences: str = fixed(SENTENCES, "Sentences", max_length=1000, lines=6, when={"source": ["typed"]})
    file: str = fixed("", "Your text", when={"source": ["file"]}, own="text", max_length=32)
    words: int = fixed(3, "Words in a row", when={"source": ["file"]}, range=(2, LONGEST))
    hidden: int = fixed(5, "Hidden size", "D", range=(1, 16), help="Units of h, and of c in the LSTM.")

    @model_validator(mode="after")
    def _can_be_learned(self) -> NextWordKnobs:
        sentences = sentences_of(self.sentences)
        for line, words in sentences.items():
            if len(words) == 1:
                raise KnobError("sentences", SINGLE_WORD, line=line, word=words[0])
            if len(words) > LONGEST:
                raise KnobError("sentences", TOO_LONG, line=line, n=len(words), most=LONGEST)
        if not FEWEST <= len(sentences) <= MOST:
            raise KnobError("sentences", TOO_FEW_OR_MANY, n=len(sentences), fewest=FEWEST, most=MOST)
        length = len(next(iter(sentences.values())))
        for line, words in sentences.items():
            if len(words) != length:
                raise KnobError("sentences", UNEQUAL, line=line, n=len(words), length=length)
        known = vocabulary(sentences.values())
        if len(known) > VOCABULARY:
            raise KnobError("sentences", TOO_MANY_WORDS, n=len(known), most=VOCABULARY)
        asked = words_of(self.ask)
        length = self.words if self.source == "file" else length
        for word in asked:
            if self.source == "typed" and word not in known:
                raise KnobError("ask", UNKNOWN_WORD, word=word, known=", ".join(known))
        if len(asked) not in (0, length - 1):
            raise KnobError("ask", UNFINISHED, n=len(asked), length=length - 1)
        return self


class Network(nn.Module):
    """A recurrent `cell` that reads the words; the last word's logits are W_y h_T + b_y."""

    def __init__(self, cell: nn.RNNBase, words: int) -> None:
        super().__init__()
        self.cell = cell
        self.readout = nn.Linear(cell.hidden_size, words)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, T, V) → logits (N, V) and the hidden states h (N, T, D)."""
        h, _ = self.cell(x)
        return self.readout(h[:, -1]), h


class RNN(Network):
    """h_t = tanh(W_x x_t + W_h h_{t−1} + b)."""

    def __init__(self, words: int, hidden: int) -> None:
        super().__init__(nn.RNN(words, hidden, batch_first=True), words)

    def numpy_weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """W_x (D, V), W_h (D, D) and b (D,), which PyTorch keeps as the sum of two."""
        w_x, w_h, b_ih, b_hh = (weight.detach().cpu().numpy() for weight in self.cell.parameters())
        return w_x, w_h, b_ih + b_hh


class LSTM(Network):
    """c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(c_t)."""

    def __init__(self, words: int, hidden: int) -> None:
        super().__init__(nn.LSTM(words, hidden, batch_first=True), words)

    def cells(self, x: Tensor) -> Tensor:
        """x (N, T, V) → c (N, T, D): word by word, as `nn.LSTM` returns only the last cell state."""
        state, cells = None, []
        for x_t in x.split(1, dim=1):  # (N, 1, V)
            _, state = self.cell(x_t, state)
            cells.append(state[1][0])  # (N, D)
        return torch.stack(cells, dim=1)


def numpy_rnn(x: np.ndarray, w_x: np.ndarray, w_h: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The hidden states h (T, D) of an RNN that reads x (T, V), starting from zero."""
    h = np.zeros(len(b))
    states = []
    for x_t in x:
        h = np.tanh(w_x @ x_t + w_h @ h + b)  # h_t = tanh(W_x x_t + W_h h_{t−1} + b)
        states.append(h)
    return np.stack(states)


class NextWord(Experiment[NextWordKnobs]):
    """Both networks on the same sentences, full batch, one Adam."""

    order = 10
    pace = 30.0
    after = ("gradient-through-time",)
    minutes = 14
    level = 2
    invite = "Ask about “you hate”, and watch both networks make up their minds."
    measures = {
        "loss/rnn": Measure("loss", of="RNN"),
        "loss/lstm": Measure("loss", of="LSTM"),
        "acc/rnn": Measure("accuracy", of="RNN"),
        "acc/lstm": Measure("accuracy", of="LSTM"),
    }
    steers = {"lr": "optimizer"}
    presets = {
        "you-hate": Preset("You hate what?", {"ask": "you hate"}),
        "korean": Preset("In Korean", {"sentences": KOREAN}),
        "five-words": Preset(
            "A word to carry past four", {"sentences": FAR, "ask": "you say that they like"}
        ),
        "two-answers": Preset("A beginning with two ends", {"sentences": TWO_ENDS}),
        "one-unit": Preset("A memory of one number", {"hidden": 1, "lr": 0.05}),
        "too-large": Preset("Too large a rate", {"lr": 1.0}),
    }

    losses = p.scalars({"loss/rnn": "RNN", "loss/lstm": "LSTM"}, "Loss", log=True)
    accuracy = p.scalars({"acc/rnn": "RNN", "acc/lstm": "LSTM"}, "Sentences right")

    def build(self, knobs: NextWordKnobs) -> None:
        """One-hot words in, the last word of each sentence as target; the two networks."""
        if knobs.source == "file":
            sentences, self.found = own_pieces(knobs.file, self.data, knobs.words, FEWEST, MOST, VOCABULARY)
        else:
            sentences, self.found = list(sentences_of(knobs.sentences).values()), 0
        self.words = vocabulary(sentences)
        self.sentences = [" ".join(sentence) for sentence in sentences]
        self.first = sentences[0][:-1]
        self.x = torch.stack([self.one_hot(sentence[:-1]) for sentence in sentences])  # (N, T, V)
        targets = [self.words.index(sentence[-1]) for sentence in sentences]
        self.y = torch.tensor(targets, device=self.device)  # (N,)
        self.rnn = RNN(len(self.words), knobs.hidden).to(self.device, torch.float64)
        self.lstm = LSTM(len(self.words), knobs.hidden).to(self.device, torch.float64)
        parameters = [*self.rnn.parameters(), *self.lstm.parameters()]
        self.optimizer = torch.optim.Adam(parameters, knobs.lr, fused=True)
        self.traced = Gradients(parameters)

    def one_hot(self, words: Sequence[str]) -> Tensor:
        """(T, V), a 1 in each row at that word's place in the vocabulary."""
        places = torch.tensor([self.words.index(word) for word in words], device=self.device)
        return F.one_hot(places, len(self.words)).double()

    def exported(self, knobs: NextWordKnobs) -> tuple[nn.Module, Tensor]:
        """The LSTM in single precision, for the double one of ONNX runs nowhere: words (N, T, V), a 1 at each
        one's place → logits (N, V) and hidden states (N, T, D).
        """
        return copy.deepcopy(self.lstm).float(), self.x[:2].float()

    def _unknown(self, knobs: NextWordKnobs) -> str:
        """The first word asked about that the text does not have; empty for none."""
        return next((word for word in words_of(knobs.ask) if word not in self.words), "")

    def asked(self, knobs: NextWordKnobs) -> tuple[list[str], Tensor]:
        """The words asked about, and as a batch of one: (1, T, V)."""
        words = words_of(knobs.ask)
        if not words or self._unknown(knobs):
            words = self.first
        return words, self.one_hot(words)[None]

    def step(self, knobs: NextWordKnobs) -> Scalars:
        """Descend both losses on all sentences. They share no weight, so their sum descends each."""
        shown = self.traced(self._losses, self.x, self.y, settings=())
        names = ("loss/rnn", "loss/lstm", "acc/rnn", "acc/lstm")
        found: dict[str, float | Tensor] = dict(zip(names, shown, strict=True))
        if self.step_index % COMPARED_EVERY == 0:
            weights, h = self.rnn.numpy_weights(), self.rnn(self.x)[1]
            by_hand = np.stack([numpy_rnn(x, *weights) for x in self.x.cpu().numpy()])  # (N, T, D)
            found["numpy/difference"] = float(np.abs(by_hand - h.detach().cpu().numpy()).max())
        update(self.optimizer)
        return found

    def _losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and accuracies of both networks (4,), and what is descended."""
        logits = [self.rnn(x)[0], self.lstm(x)[0]]  # (N, V) each
        losses = [F.cross_entropy(each, y) for each in logits]
        rights = [(each.argmax(1) == y).to(each.dtype).mean() for each in logits]
        return torch.stack([*losses, *rights]), losses[0] + losses[1]

    def objectives(self, knobs: NextWordKnobs) -> Mapping[str, Objective]:
        """Each network's loss on all sentences."""

        def of(network: RNN | LSTM) -> Objective:
            def loss() -> Tensor:
                return F.cross_entropy(network(self.x)[0], self.y)

            return Objective.of(network, self.optimizer, loss)

        return {"RNN": of(self.rnn), "LSTM": of(self.lstm)}

    @p.bars("The next word", size="hero", holds=["ask"])
    def prediction(self, knobs: NextWordKnobs) -> p.Bars:
        """p of both networks."""
        words, x = self.asked(knobs)
        probability = torch.cat([self.rnn(x)[0], self.lstm(x)[0]]).softmax(1)  # (2, V)
        prompt = f"“{' '.join(words)} …”"
        picture = p.Bars(
            values=probability, labels=self.words, series=["RNN", "LSTM"], range=(0.0, 1.0), note=prompt
        )
        if word := self._unknown(knobs):
            return p.says(
                picture, "“{word}” is not among the words learnt. So this is the first beginning.", word=word
            )
        (rnn, lstm), (most, more) = probability.argmax(1).tolist(), probability.amax(1).tolist()
        return p.says(
            picture,
            "Likeliest next: “{rnn}” by the RNN ({most}%), “{lstm}” by the LSTM ({more}%).",
            rnn=self.words[rnn],
            lstm=self.words[lstm],
            most=in_percent(most),
            more=in_percent(more),
        )

    @p.heatmap("RNN: hidden state")
    def rnn_hidden(self, knobs: NextWordKnobs) -> p.Heatmap:
        """h_t, one column per word."""
        words, x = self.asked(knobs)
        return states(self.rnn(x)[1][0], words, "h")

    @p.heatmap("LSTM: hidden state")
    def lstm_hidden(self, knobs: NextWordKnobs) -> p.Heatmap:
        """h_t, one column per word."""
        words, x = self.asked(knobs)
        return states(self.lstm(x)[1][0], words, "h")

    @p.heatmap("LSTM: cell state")
    def lstm_cell(self, knobs: NextWordKnobs) -> p.Heatmap:
        """c_t, one column per word; |c_t| < t."""
        words, x = self.asked(knobs)
        return states(self.lstm.cells(x)[0], words, "c", float(len(words)))

    @p.bars("Do NumPy and PyTorch agree?")
    def by_hand(self, knobs: NextWordKnobs) -> p.Bars:
        """h_T of the words asked about, by `numpy_rnn` and by `nn.RNN`."""
        _, x = self.asked(knobs)
        h = torch.from_numpy(numpy_rnn(x[0].cpu().numpy(), *self.rnn.numpy_weights()))  # (T, D)
        values = torch.stack([h[-1], self.rnn(x)[1][0, -1].cpu()])  # (2, D)
        units = [f"h{unit}" for unit in range(1, values.shape[1] + 1)]
        return p.says(
            p.Bars(values=values, labels=units, series=["NumPy", "PyTorch"], range=(-1.0, 1.0)),
            "They differ by at most {gap}.",
            gap=rough(float((values[0] - values[1]).abs().max())),
        )

    @p.heatmap("RNN: every sentence", size="wide")
    def rnn_sentences(self, knobs: NextWordKnobs) -> p.Heatmap:
        """p of the RNN for all beginnings."""
        return self._table(self.rnn(self.x)[0])

    difference = p.scalars({"numpy/difference": "max |h − h′|"}, "NumPy and PyTorch, apart")

    @p.heatmap("LSTM: every sentence", size="wide")
    def lstm_sentences(self, knobs: NextWordKnobs) -> p.Heatmap:
        """p of the LSTM for all beginnings."""
        return self._table(self.lstm(self.x)[0])

    def _table(self, logits: Tensor) -> p.Heatmap:
        probability = logits.softmax(1).round(decimals=2)  # (N, V), as it is written into the cells
        picture = p.Heatmap(
            values=probability, rows=self.sentences, columns=self.words, range=(0.0, 1.0), annotate=True
        )
        right = int((logits.argmax(1) == self.y).sum())
        if self.found:
            text = "{right} of {all} end right. The text has {found}; at most {words} words are learnt."
            return p.says(picture, text, right=right, all=len(self.y), found=self.found, words=VOCABULARY)
        return p.says(picture, "{right} of {all} sentences end right.", right=right, all=len(self.y))


def states(values: Tensor, words: Sequence[str], name: str, limit: float = 1.0) -> p.Heatmap:
    """States (T, D), a column for each word that was read, coloured from −limit to limit."""
    rows = [f"{name}{unit}" for unit in range(1, values.shape[1] + 1)]
    picture = p.Heatmap(
        values=values.T,
        rows=rows,
        columns=words,
        scale="diverging",
        range=(-limit, limit),
        annotate=True,
    )
    last = values[-1].tolist()
    farthest = max(range(len(last)), key=lambda unit: abs(last[unit]))
    return p.says(
        picture,
        "After “{word}”, {unit} is farthest from 0: {value}.",
        word=words[-1],
        unit=rows[farthest],
        value=rough(last[farthest]),
    )
