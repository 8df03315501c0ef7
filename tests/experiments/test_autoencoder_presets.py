"""What the presets of `autoencoder` say is to be seen, within fifteen seconds at its pace."""

from __future__ import annotations

from claims import claim, preset
from descent.experiments.generative.autoencoder import Autoencoders
from driving import Driven


def twin(run: Driven, name: str) -> Driven:
    """The plain kind with the preset's other knobs, after as many steps."""
    plain = preset(Autoencoders, name, run.experiment.seed, kind="plain")
    return plain.train(run.experiment.step_index)


@claim(Autoencoders, "linear")
def test_descent_finds_the_subspace_of_pca(run: Driven) -> None:
    assert run.train(601).look("angles").values.max() < 1
    error, least = run.last("error/train"), run.last("error/pca")
    assert abs(error - least) < 5e-4
    assert min(row["error/train"] for row in run.rows if "error/train" in row) > least - 1e-5


@claim(Autoencoders, "denoising")
def test_noise_is_taken_away_better_than_by_the_plain_kind(run: Driven) -> None:
    run.train(1001)
    plain = twin(run, "denoising")
    assert run.last("error/noisy") < 0.75 * plain.last("error/noisy")
    assert run.last("error/test") > plain.last("error/test")


@claim(Autoencoders, "sparse")
def test_few_of_many_numbers_are_used(run: Driven) -> None:
    run.train(1001)
    x, test_x = run.experiment.x, run.experiment.test_x
    codes = run.experiment.model.encode(test_x)
    assert codes.shape[1] == 32
    assert 0 < (codes > 0).float().mean() < 1 / 3
    assert run.last("error/test") < 2
    assert abs((test_x - x.mean(0)).square().sum(1).mean() - 4.7) < 0.1


@claim(Autoencoders, "variational")
def test_codes_are_one_cloud_about_0(run: Driven) -> None:
    run.train(1001)
    codes = run.experiment.model.encode(run.experiment.test_x)
    plain = twin(run, "variational").experiment
    spread = codes.std(0)
    assert codes.mean(0).abs().max() < 0.35
    assert 0.75 < spread.min() < spread.max() < 1.35
    assert plain.model.encode(plain.test_x).std(0).mean() > 1.5 * spread.mean()


@claim(Autoencoders, "collapse")
def test_too_large_a_beta_silences_the_code_and_a_smaller_one_wakes_it(run: Driven) -> None:
    run.train(300)
    assert run.last("kl") < 0.01
    back = run.experiment.model(run.experiment.test_x)
    assert back.std(0).max() < 0.02
    assert run.change(beta=1.0).train(500).last("kl") > 2
