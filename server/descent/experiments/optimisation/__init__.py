"""How optimisers find their way down a loss surface."""

ORDER = 1  # place among the chapters
TITLE = {"en": "Optimisation", "ko": "최적화"}
ABOUT = {
    "en": "How optimizers find their way down.",
    "ko": "학습률과 옵티마이저가 손실의 골짜기를 내려가는 방법",
}
