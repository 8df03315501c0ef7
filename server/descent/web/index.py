"""A search through the texts of all experiments, in every language at once.

Texts and query are folded before they are compared: composed alike (NFC), compatible signs as one (λₘₐₓ is
λ_max), case and British spelling ignored, TeX as the signs it stands for (`\\sigma` is σ). Spaces count
between Latin words only: Korean is written with and without, formulas too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Literal, get_args

from descent.checking import texts_of
from descent.contract.entry import Entry
from descent.lessons import LANGUAGES, at

Where = Literal["title", "summary", "preset", "panel", "lesson", "knob"]  # the best place first
AROUND = 60  # letters of an excerpt on either side
INSIDE = len(get_args(Where))  # how much worse a match within a word is than one at its beginning

# Each is found by the others: words that learners use beside those of docs/glossary.md.
SYNONYMS = (
    ("기울기", "그래디언트"),
    ("훈련", "학습"),
    ("정규화", "규제"),
    ("과대적합", "과적합"),
    ("노이즈", "잡음"),
    ("컨볼루션", "합성곱"),
    ("최적화기", "옵티마이저"),
    ("헤시안", "헤세"),
    ("color", "colour"),
    ("neighbor", "neighbour"),
)


def _pairs(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+) (\S)", text))


GREEK = _pairs(
    "alpha α beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ "
    "pi π rho ρ sigma σ tau τ upsilon υ phi φ chi χ psi ψ omega ω"
)
SIGNS = {
    **GREEK,
    **{name.capitalize(): sign.upper() for name, sign in GREEK.items()},
    **_pairs(
        "varepsilon ε varphi φ ell ℓ nabla ∇ partial ∂ sum Σ prod Π sqrt √ cdot · times × odot ⊙ oplus ⊕ "
        "circ ∘ top ᵀ infty ∞ to → rightarrow → leftarrow ← gets ← le ≤ leq ≤ ge ≥ geq ≥ ne ≠ approx ≈ sim ~ "
        "in ∈ pm ± lVert ‖ rVert ‖ Vert ‖ ldots … cdots … dots …"
    ),
}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "vec": "\u20d7"}
# Commands that set a formula, and are no signs of it.
UNSEEN = re.compile(
    r"\\(?:begin|end)\{\w+\}|\\(?:left|right|[Bb]ig[lr]?|text|math\w+|operatorname|q?quad|displaystyle)(?![A-Za-z])"
)
BRACED = re.compile(r"([_^])\{([^{}]*)\}")
ACCENTED = re.compile(r"\\(hat|bar|tilde|vec)\s*\{?(\w)\}?")
FRACTION = re.compile(r"\\[td]?frac\s*(?:\{([^{}]*)\}|(\w))\s*(?:\{([^{}]*)\}|(\w))")
COMMAND = re.compile(r"\\([A-Za-z]+)\s*")
SHOWN_VALUE = re.compile(r"\{\{.*?\}\}")  # of a knob or a scalar, as the page shows it
MARKS = {"<sub>": "_", "<super>": "^"}  # by the kind of a raised or lowered sign


def plain(tex: str) -> str:
    """A formula as one line of text: `\\sigma(\\frac{a}{b})` as σ(a/b)."""
    tex = UNSEEN.sub(" ", tex)
    tex = ACCENTED.sub(lambda match: match[2] + ACCENTS[match[1]], tex)
    before = ""
    while before != tex:
        before, tex = tex, FRACTION.sub(r"\1\2/\3\4", BRACED.sub(r"\1\2", tex))
    tex = COMMAND.sub(lambda match: SIGNS.get(str(match[1]), str(match[1])), tex)
    tex = tex.replace("\\|", "‖").replace("{", "").replace("}", "")
    return " ".join(re.sub(r"\\[,;:! ]|[\\&]", " ", tex).split())


@dataclass(frozen=True)
class Text:
    """A text that can be searched: as it is, and folded, with each folded letter's place in it."""

    where: Where
    lang: str
    shown: str
    folded: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, where: Where, lang: str, text: str) -> Text:
        """The text with its folded letters."""
        shown = unicodedata.normalize("NFC", " ".join(text.split()))
        folded, places = fold(shown)
        return cls(where, lang, shown, folded, places)


@dataclass(frozen=True)
class Match:
    """An experiment that was found, with the stretch of its texts that shows it best."""

    id: str
    where: Where
    lang: str
    before: str
    match: str
    after: str


def fold(text: str) -> tuple[str, tuple[int, ...]]:
    """What of a text is compared, and from which place each letter of it comes."""
    letters: list[str] = []
    places: list[int] = []
    mark = ""
    for place, sign in enumerate(text):
        before, mark = mark, MARKS.get(unicodedata.decomposition(sign).partition(" ")[0], "")
        folded = unicodedata.normalize("NFKC", sign).replace("−", "-")
        # Σ is a sum, and its small letter a deviation.
        for letter in (mark if mark != before else "") + (folded if folded == "Σ" else folded.casefold()):
            letters.append(letter)
            places.append(place)
    return "".join(letters).replace("iz", "is").replace("yz", "ys"), tuple(places)


def pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Finds folded words in this order, each or one of its synonyms."""
    return re.compile(r"\s*".join(_alternatives(word) for word in words))


def _alternatives(word: str) -> str:
    others = [
        word.replace(one, other)
        for group in SYNONYMS
        for one in group
        for other in group
        if one in word and one != other
    ]
    others += [GREEK[word]] if word in GREEK else []
    return f"(?:{'|'.join(_spaced(fold(one)[0]) for one in (word, *others))})"


def _spaced(word: str) -> str:
    """A pattern of a word with spaces allowed, but not between two Latin letters or digits."""
    parts = [re.escape(word[:1])]
    for one, next_ in pairwise(word):
        parts.append(re.escape(next_) if _latin(one) and _latin(next_) else r"\s?" + re.escape(next_))
    return "".join(parts)


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


class Index:
    """Finds experiments by their texts; it is built when first asked."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._kept: dict[str, tuple[Entry, list[Text]]] = {}

    def _texts(self) -> dict[str, list[Text]]:
        """The texts of each; those read before are kept."""
        self._kept = {id: self._kept_of(id, entry) for id, entry in self._entries.items()}
        return {id: texts for id, (_, texts) in self._kept.items()}

    def _kept_of(self, id: str, entry: Entry) -> tuple[Entry, list[Text]]:
        if (before := self._kept.get(id)) and before[0] is entry:
            return before
        return entry, [Text.of(where, lang, text) for where, lang, text in _read(entry) if text]

    def search(self, query: str, lang: str) -> list[Match]:
        """The experiments whose texts have the query, or else all its words somewhere: the best first.

        `lang`: the language of an excerpt where there is a choice.
        """
        folded = fold(plain(unicodedata.normalize("NFC", query)))[0].split()
        if not folded:
            return []
        whole, each = pattern(folded), [pattern([word]) for word in folded]
        found: list[tuple[int, Match]] = []
        for id, texts in self._texts().items():
            best = _best(texts, whole, lang)
            if best is None and len(each) > 1:
                bests = [_best(texts, one, lang) for one in each]
                best = max((one for one in bests if one), default=None) if all(bests) else None
                best = best and (best[0] + 2 * INSIDE, *best[1:])
            if best is not None:
                rank, _, place, begin, end = best
                found.append((rank, _excerpt(id, texts[place], begin, end)))
        return [match for _, match in sorted(found, key=lambda one: one[0])]


Best = tuple[int, bool, int, int, int]  # rank, whether in another language, which text, begin and end


def _best(texts: list[Text], wanted: re.Pattern[str], lang: str) -> Best | None:
    """The best match in an experiment's texts."""
    ranks = {where: rank for rank, where in enumerate(get_args(Where))}
    bests: list[Best] = []
    for place, text in enumerate(texts):
        for match in wanted.finditer(text.folded):
            begin, end = match.span()
            within = begin > 0 and _latin(text.folded[begin - 1]) and _latin(text.folded[begin])
            bests.append((ranks[text.where] + INSIDE * within, text.lang != lang, place, begin, end))
            if not within:
                break
    return min(bests, default=None)


def _excerpt(id: str, text: Text, begin: int, end: int) -> Match:
    first, last = text.places[begin], text.places[end - 1] + 1
    from_, to = max(0, first - AROUND), min(len(text.shown), last + AROUND)
    before, after = text.shown[from_:first], text.shown[last:to]
    if from_:
        before = "… " + before.partition(" ")[2]
    if to < len(text.shown):
        after = after.rpartition(" ")[0] + " …"
    return Match(id, text.where, text.lang, before, text.shown[first:last], after)


def _read(entry: Entry) -> Iterator[tuple[Where, str, str]]:
    """Every text of an experiment, with its kind and language."""
    own = {name: panel for name, panel in entry.panels.items() if not panel.group}
    english: dict[tuple[str, ...], str] = {
        ("title",): entry.title,
        ("summary",): entry.summary,
    }
    said = dict(texts_of(entry.cls, own)) | english
    places: dict[str, Where] = {
        "title": "title",
        "summary": "summary",
        "invite": "summary",
        "presets": "preset",
        "panels": "panel",
        "scalars": "panel",
        "knobs": "knob",
    }
    for lang in LANGUAGES:
        lesson = entry.lessons[lang]
        for path, text in said.items():
            if where := places.get(path[0]):
                yield where, lang, _said(lesson.words, path) or (text if lang == "en" else "")
        for paragraph in _paragraphs(lesson.html):
            yield "lesson", lang, paragraph


def _said(words: Mapping[str, Any], path: tuple[str, ...]) -> str:
    here = at(words, path)
    return here if isinstance(here, str) else ""


def _paragraphs(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [SHOWN_VALUE.sub("…", text) for text in reader.texts()]


class _Reader(HTMLParser):
    """A lesson's paragraphs, headings and cells as text, its formulas as signs."""

    BLOCKS = ("p", "h2", "h3", "h4", "li", "td", "th", "blockquote", "pre")

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[list[str]] = [[]]
        self._formula = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Another block, or a formula."""
        if tag in self.BLOCKS:
            self._parts.append([])
        self._formula = tag in ("span", "div") and "math" in (dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        """The end of a formula, if it is one."""
        self._formula = False

    def handle_data(self, data: str) -> None:
        """Text, or a formula's TeX."""
        self._parts[-1].append(plain(SHOWN_VALUE.sub("…", data)) if self._formula else data)

    def texts(self) -> list[str]:
        """What was read, a text for each block."""
        return ["".join(parts) for parts in self._parts]
