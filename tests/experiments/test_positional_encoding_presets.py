"""What the presets of `positional-encoding` say is to be seen: all steps within seven seconds at its pace."""

from __future__ import annotations

from claims import claim
from descent.experiments.attention.positional_encoding import LENGTHS, SCHEMES, PositionalEncoding
from driving import Driven


def answered(run: Driven, length: int) -> dict[str, float]:
    """The share of right answers at a length, by scheme."""
    values = run.look("by_length").values[0][:, LENGTHS.index(length)]
    return dict(zip(SCHEMES, values.tolist(), strict=True))


@claim(PositionalEncoding, "short")
def test_who_learnt_on_eight_reads_sixteen_and_not_sixty_four(run: Driven) -> None:
    run.train(401)
    near, far, trained = answered(run, 16), answered(run, 64), answered(run, 8)
    assert trained["none"] < 0.5
    assert min(trained[scheme] for scheme in SCHEMES[1:]) > 0.99
    assert near["rotary"] > 0.6 > max(near["sinusoidal"], near["learnt"])
    assert max(far.values()) < 0.4


@claim(PositionalEncoding, "long")
def test_rows_never_trained_are_what_the_table_lacks(run: Driven) -> None:
    run.train(401)
    trained, far = answered(run, 48), answered(run, 64)
    assert trained["none"] < 0.3
    assert min(trained[scheme] for scheme in SCHEMES[1:]) > 0.95
    assert far["learnt"] < 0.85
    assert far["sinusoidal"] > far["learnt"]
    assert far["rotary"] > 0.95


@claim(PositionalEncoding, "turned")
def test_a_head_looks_one_place_back(run: Driven) -> None:
    run.train(401)
    weights = run.look("looks").weights[0, :, :16, :16]  # (h, T, T)
    assert weights.diagonal(-1, 1, 2).mean(1).max() > 0.5


@claim(PositionalEncoding, "too-large")
def test_batches_throw_out_a_matrix_that_would_get_nearer_on_average(run: Driven) -> None:
    run.train(50)
    assert run.experiment.out() == ["M"]
    assert run.train(10).last("loss/rotary") > 0
    assert {f"loss/{scheme}" for scheme in SCHEMES} <= run.rows[-1].keys()
