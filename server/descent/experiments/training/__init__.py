"""Training neural networks."""

ORDER = 2  # place among the chapters
TITLE = {"en": "Training", "ko": "신경망 학습"}
ABOUT = {
    "en": "What a network learns, and what keeps it from learning.",
    "ko": "신경망이 무엇을 배우는지, 무엇이 학습을 방해하는지",
}
