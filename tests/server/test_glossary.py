"""The Korean texts keep to docs/glossary.md: one word per term, one register."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MESSAGES = sorted((ROOT / "frontend" / "src" / "messages").glob("*.js"))
LESSONS = sorted((ROOT / "server" / "descent" / "lessons" / "ko").rglob("*.md"))
NOT = {
    "십시오": "-(으)세요",
    "최적화기": "옵티마이저",
    "조절값|노브|손잡이": "설정값",
    "강의": "레슨",
    "헤시안": "헤세 행렬",
    "웜업": "워밍업",
    "경사 하강법": "경사하강법",
    "노이즈": "잡음",
    "과대적합": "과적합",
    "(?<!불)안정[하합]": "안정적",
    r"기울기(?:가|는)? ?(?:소실|폭발|흐름|잡음|클리핑)": "그래디언트",
    r"훈련(?: 중|을? ?[하됩되해한할합]|이 )": "학습",
    r"\b(?:[A-Z]\w+\s+등[\s(,]|등\s?\(?\d{4})": "외",
    r"[\d}$½] %": "4%, without a space",
    r"[\d}] (?:에포크|스텝)": "200에포크, without a space",
}
# Where 정규화 is normalisation, not 규제.
NORMALISATION = {
    "architectures.md",
    "batch_norm.md",
    "cnn_images.md",
    "dcgan.md",
    "gpt.md",
    "self_attention.md",
    "training.md",
    "transformer.md",
    "health.js",
    "knobs.js",
    "panels.js",
    "terms.js",
}


def strays(text: str) -> list[str]:
    """What a text says against the glossary, as `line: found (better)`."""
    return [
        f"{number}: {match[0]} ({better})"
        for number, line in enumerate(text.splitlines(), 1)
        for word, better in NOT.items()
        for match in re.finditer(word, line)
    ]


@pytest.mark.parametrize("path", [*MESSAGES, *LESSONS], ids=lambda path: path.name)
def test_every_term_has_one_word(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not strays(text)
    if path.name not in NORMALISATION:
        assert "정규화" not in text, "규제, unless it is normalisation: then add the file above"


def test_what_strays_is_found() -> None:
    for wrong in (
        "보십시오",
        "기울기 소실",
        "4 %",
        "200 에포크",
        "훈련 중에",
        "Goodfellow 등(2014)",
        "조절값",
    ):
        assert strays(f"이것은 {wrong} 입니다"), wrong
    for right in (
        "보세요",
        "tanh의 기울기",
        "4%",
        "200에포크",
        "훈련 데이터",
        "스텝 3",
        "Goodfellow 외(2014)",
    ):
        assert not strays(f"이것은 {right}입니다"), right
