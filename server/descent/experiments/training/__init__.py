"""Training neural networks."""

ORDER = 2  # place among the chapters
TITLE = {"en": "Training", "ko": "신경망 학습"}
ABOUT = {
    "en": "What a network learns, and what stops it.",
    "ko": "신경망이 배우는 것과 학습을 막는 것",
}
