"""The search finds words and formulas in either language, however they are written."""

from __future__ import annotations

import unicodedata
from typing import Any

import httpx
import pytest

from descent.registry import experiments
from descent.web.app import create_app
from descent.web.index import Index, Match, fold, pattern, plain

INDEX = Index(experiments())


def found(query: str, lang: str = "en") -> dict[str, Match]:
    return {match.id: match for match in INDEX.search(query, lang)}


@pytest.mark.parametrize(
    ("query", "id"),
    [
        ("σ(z)", "activations"),
        (r"\sigma(z)", "activations"),
        ("vanishing", "gradient-through-time"),
        ("기울기 소실", "neural-playground"),
        ("기울기소실", "neural-playground"),
        ("그래디언트 소실", "neural-playground"),
        ("LSTM", "lstm-cells"),
        ("lstm", "da-rnn"),
        ("eq", "seq2seq"),
        ("softmax", "self-attention"),
        ("regularization", "regularisation"),
        ("λ_max", "linear-regression"),
        ("λₘₐₓ", "descent-2d"),
        ("컨볼루션", "convolution"),
        ("attention lstm picture", "captioning"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.slow
def test_it_is_found(query: str, id: str, form: str) -> None:
    assert id in found(unicodedata.normalize(form, query))


def test_an_excerpt_shows_the_match_as_it_is_written() -> None:
    match = found(r"\sigma(z)")["activations"]
    assert match.where == "lesson"
    assert match.match == "σ(z)"
    assert match.before.startswith("… ")
    match = found("λ_max")["linear-regression"]
    assert match.match == "λₘₐₓ"


def test_titles_come_first_and_words_before_parts_of_words() -> None:
    ids = list(found("gan"))
    assert ids[:2] == ["gan-2d", "dcgan"]
    assert next(iter(found("GPT"))) == "gpt"


def test_an_excerpt_is_in_the_asked_language_where_both_have_it() -> None:
    assert found("GPT", "ko")["gpt"].lang == "ko"
    assert found("GPT", "en")["gpt"].lang == "en"
    assert found("드롭아웃", "en")["regularisation"].lang == "ko"


@pytest.mark.parametrize("query", ["", "  ", "xyzzy", "{{", "\\", "(((", "[a-", "𝔘\u0000", "\u0301"])
def test_what_is_nowhere_is_not_found(query: str) -> None:
    assert found(query) == {}


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\sigma(z)", "σ(z)"),
        (r"\frac{\partial L}{\partial W_{hh}}", "∂L/∂W_hh"),
        (r"\frac1N\sum_i x_i", "1/NΣ_i x_i"),
        (r"\hat{y} = \operatorname{softmax}(z)", "y\u0302 = softmax(z)"),
        (r"\begin{aligned} a &= b \end{aligned}", "a = b"),
        (r"\left\|\nabla L\right\|", "‖∇L ‖"),
    ],
)
def test_tex_becomes_the_signs_that_it_stands_for(tex: str, text: str) -> None:
    assert plain(tex) == text


def test_folding_keeps_the_place_of_each_letter() -> None:
    text = "Size: λₘₐₓ² ≥ ½"
    folded, places = fold(text)
    assert folded == "sise: λ_max^2 ≥ 1⁄2"
    assert len(folded) == len(places)
    match = pattern(fold("x²")[0].split()).search(folded)
    assert match is not None
    assert text[places[match.start()] : places[match.end() - 1] + 1] == "ₓ²"


def test_spaces_count_between_latin_words_only() -> None:
    assert pattern(["드롭", "아웃"]).search("드롭아웃")
    assert pattern(["드롭아웃"]).search("드롭 아웃")
    assert not pattern(["dropout"]).search("drop out")


async def asked(path: str, **query: str) -> Any:
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, params=query)


async def test_the_server_tells_what_it_found() -> None:
    answer = (await asked("/api/search", text="σ(z)", lang="ko")).json()
    assert "activations" in [one["id"] for one in answer]
    assert set(answer[0]) == {"id", "where", "lang", "before", "match", "after"}


async def test_a_query_that_is_too_long_is_refused_at_its_field() -> None:
    refused = await asked("/api/search", text="x" * 101)
    assert refused.status_code == 422
    assert refused.json()["field"] == "text"


async def test_the_chapters_come_in_learning_order_with_their_introductions() -> None:
    chapters = (await asked("/api/chapters", lang="ko")).json()
    ids = dict.fromkeys(entry.chapter for entry in experiments().values())
    assert [one["id"] for one in chapters] == list(ids)
    assert all(one["introduction"].startswith("<p>") for one in chapters)
    assert chapters[0]["title"] == "최적화"


async def test_a_summary_tells_what_an_experiment_asks_of_a_learner() -> None:
    for one in (await asked("/api/experiments")).json():
        cls = experiments()[one["id"]].cls
        assert (tuple(one["after"]), one["minutes"], one["level"]) == (cls.after, cls.minutes, cls.level)
