"""Generative models."""

ORDER = 6  # place among the chapters
TITLE = {"en": "Generative models", "ko": "생성 모델"}
ABOUT = {
    "en": "Networks that make pictures of their own.",
    "ko": "그림을 만드는 신경망과 그것을 판별하는 신경망",
}
