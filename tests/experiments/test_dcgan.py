"""DCGAN: the paper's guidelines, the losses, and what the panels measure."""

from __future__ import annotations

import copy
import gzip
import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import driving
from descent.contract import KnobError
from descent.contract.panels import Flow, panels_of
from descent.experiments.generative.dcgan import (
    DCGAN,
    DCGANKnobs,
    Discriminator,
    Generator,
    discriminator_loss,
    generator_loss,
    initialise,
    mean_distance,
    nearest,
    shown,
    slerp,
)
from descent.kit.data.digits import mnist, read_idx, sklearn_digits
from descent.kit.data.sets import FILES
from descent.wire import encode_picture
from driving import take as train

SMALL = {"width": 8, "latent": 4, "batch": 16}
MNIST = Path(os.environ.get("DESCENT_DATA") or Path(__file__).parents[3] / "shared" / "data")


def built(seed: int = 0, **knobs: object) -> tuple[DCGAN, DCGANKnobs]:
    return driving.built(DCGAN, seed, **(SMALL | knobs))


def probe(experiment: DCGAN, knobs: DCGANKnobs) -> dict[str, bytes]:
    """Every panel's frame, taken as the engine takes it: in eval mode, without gradients."""
    for network in (experiment.G, experiment.D):
        network.eval()
    with torch.no_grad():
        frames = {
            name: encode_picture("run", 0, experiment.step_index, name, getattr(experiment, name)(knobs))
            for name, panel in panels_of(DCGAN).items()
            if panel.kind != "scalars"
        }
    for network in (experiment.G, experiment.D):
        network.train()
    return frames


@pytest.mark.parametrize(
    ("resolution", "smallest", "colours"), [(16, 4, 1), (28, 7, 1), (32, 4, 1), (32, 4, 3)]
)
def test_networks_halve_and_double_between_4_or_7_and_the_resolution(
    resolution: int, smallest: int, colours: int
) -> None:
    sides: dict[str, list[int]] = {"G": [], "D": []}
    G, D = Generator(5, 8, resolution, colours), Discriminator(8, resolution, colours)
    for name, network in (("G", G), ("D", D)):
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.register_forward_hook(lambda _m, _i, out, seen=sides[name]: seen.append(out.shape[-1]))
    pictures = G(torch.randn(6, 5))
    assert pictures.shape == (6, colours, resolution, resolution)
    assert D(pictures).shape == (6,)
    doubling = [smallest * 2**i for i in range(int(math.log2(resolution / smallest)) + 1)]
    assert sides == {"G": doubling, "D": [*doubling[-2::-1], 1]}


@pytest.mark.parametrize("resolution", [16, 28, 32])
def test_networks_follow_the_guidelines(resolution: int) -> None:
    G, D = list(Generator(5, 8, resolution)), list(Discriminator(8, resolution))
    for layer in G + D:
        assert not isinstance(layer, nn.Linear | nn.MaxPool2d | nn.AvgPool2d)
    for layers, resized in ((G, nn.ConvTranspose2d), (D, nn.Conv2d)):
        convolutions = [layer for layer in layers if isinstance(layer, resized)]
        strides = sorted(layer.stride[0] for layer in convolutions)
        assert strides == [1] + [2] * (len(convolutions) - 1)  # one between 4×4 and the vector
        norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in layers)
        assert norms == len(convolutions) - (1 if layers is G else 2)  # D: neither first nor last
    assert isinstance(G[-2], nn.ConvTranspose2d)
    assert isinstance(G[-1], nn.Tanh)
    assert isinstance(D[1], nn.LeakyReLU)  # no batch norm after D's input layer
    assert all(m.negative_slope == 0.2 for m in D if isinstance(m, nn.LeakyReLU))
    assert {type(m) for m in G} == {nn.Unflatten, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Tanh}


def test_weights_start_from_a_normal_with_deviation_0_02() -> None:
    torch.manual_seed(0)
    for network in (Generator(16, 32, 32).apply(initialise), Discriminator(32, 32).apply(initialise)):
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                error = 5 * 0.02 / math.sqrt(2 * layer.weight.numel())  # five standard errors
                assert layer.weight.std().item() == pytest.approx(0.02, abs=error)
                assert layer.weight.mean().item() == pytest.approx(0, abs=2 * error)
            elif isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert not layer.bias.any()


def test_losses_are_those_of_the_game() -> None:
    real, fake = torch.randn(50, dtype=torch.float64), torch.randn(50, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    expected = -d_real.log().mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -d_fake.log().mean())
    smooth = (-0.9 * d_real.log() - 0.1 * (1 - d_real).log()).mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(discriminator_loss(real, fake, 0.1), smooth)


def test_losses_stay_finite_where_the_written_out_logarithm_does_not() -> None:
    sure = torch.tensor([200.0])
    assert generator_loss(-sure).item() == 200
    assert discriminator_loss(-sure, sure).item() == 400


def test_a_step_is_one_update_of_d_and_then_one_of_g_against_the_new_d() -> None:
    experiment, knobs = built()
    twin, _ = built()
    generator = twin.generator(0)
    rows = torch.randint(len(twin.digits), (16,), generator=generator)
    real, fake = twin.digits.images[rows], twin.G(torch.randn(16, 4, generator=generator))
    loss_d = discriminator_loss(twin.D(real), twin.D(fake.detach()))
    loss_d.backward()
    twin.optimizer_d.step()
    loss_g = generator_loss(twin.D(fake))
    for parameter, gradient in zip(
        twin.G.parameters(), torch.autograd.grad(loss_g, list(twin.G.parameters())), strict=True
    ):
        parameter.grad = gradient
    twin.optimizer_g.step()

    (row,) = train(experiment, knobs, 1)
    assert row["loss/d"] == loss_d.item()
    assert row["loss/g"] == loss_g.item()
    for ours, theirs in zip(
        [*experiment.G.parameters(), *experiment.D.parameters()],
        [*twin.G.parameters(), *twin.D.parameters()],
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_learning_rates_and_beta1_change_apart_and_keep_the_moments() -> None:
    experiment, knobs = built()
    assert experiment.optimizer_g.param_groups[0]["betas"] == (0.5, 0.999)
    train(experiment, knobs, 3)
    optimizers = experiment.optimizer_g, experiment.optimizer_d
    before = [copy.deepcopy(list(optimizer.state.values())) for optimizer in optimizers]
    changed = knobs.model_copy(update={"lr_g": 0.5, "beta1": 0.25})
    experiment.changed(changed, {"lr_g", "beta1"})
    (group_g,), (group_d,) = experiment.optimizer_g.param_groups, experiment.optimizer_d.param_groups
    assert (group_g["lr"], group_d["lr"]) == (0.5, knobs.lr_d)
    assert group_g["betas"] == group_d["betas"] == (0.25, 0.999)
    for optimizer, moments in zip(optimizers, before, strict=True):
        for state, expected in zip(optimizer.state.values(), moments, strict=True):
            assert state["step"] == 3
            assert all(torch.equal(state[name], expected[name]) for name in ("exp_avg", "exp_avg_sq"))


def test_a_learning_rate_moves_only_its_own_network() -> None:
    experiment, knobs = built(lr_g=1e-6, lr_d=0.05)
    networks = {"G": experiment.G, "D": experiment.D}
    before = {name: nn.utils.parameters_to_vector(network.parameters()) for name, network in networks.items()}
    train(experiment, knobs, 1)
    moved = {
        name: (nn.utils.parameters_to_vector(network.parameters()) - before[name]).abs().max().item()
        for name, network in networks.items()
    }
    assert moved["G"] < 2e-6 < 0.04 < moved["D"]


def test_nearest_neighbours_equal_brute_force() -> None:
    torch.manual_seed(0)
    samples, pictures = torch.rand(7, 1, 6, 6), torch.rand(90, 1, 6, 6)
    distances, rows = nearest(samples, pictures, 3)
    brute = (samples[:, None] - pictures[None]).flatten(2).norm(dim=2).sort(dim=1)
    assert torch.equal(rows, brute.indices[:, :3])
    torch.testing.assert_close(distances, brute.values[:, :3], atol=1e-4, rtol=1e-4)


def test_diversity_is_0_for_copies_and_1_for_real_digits() -> None:
    experiment, _ = built()
    real = experiment.digits.images
    assert mean_distance(real[:1].expand(64, -1, -1, -1)) == 0
    other = real[torch.randperm(len(real))[:256]]
    assert float(mean_distance(other)) / experiment.spread == pytest.approx(1, abs=0.05)


def test_mean_distance_equals_the_mean_over_pairs() -> None:
    pictures = torch.randn(9, 1, 3, 3)
    pairs = [(pictures[i] - pictures[j]).norm() for i in range(9) for j in range(i)]
    torch.testing.assert_close(mean_distance(pictures), torch.stack(pairs).mean())


def test_spherical_interpolation_keeps_ends_norm_and_equal_angles() -> None:
    torch.manual_seed(0)
    a, b = (5 * nn.functional.normalize(torch.randn(3, 16), dim=1) for _ in range(2))
    path = slerp(a, b, torch.linspace(0, 1, 7))
    assert path.shape == (3, 7, 16)
    torch.testing.assert_close(path[:, 0], a)
    torch.testing.assert_close(path[:, -1], b)
    torch.testing.assert_close(path.norm(dim=2), torch.full((3, 7), 5.0))
    cosines = nn.functional.cosine_similarity(path[:, :-1], path[:, 1:], dim=2)
    torch.testing.assert_close(cosines, cosines[:, :1].expand(3, 6))


def test_spherical_interpolation_between_equal_vectors_stays_there() -> None:
    z = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(slerp(z, z, torch.linspace(0, 1, 5)), z[:, None].expand(1, 5, 2))


def test_the_same_seed_gives_the_same_numbers_and_another_does_not() -> None:
    first, again, other = (train(*built(seed), steps=4) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_probes_change_neither_parameters_nor_buffers_nor_the_run() -> None:
    watched, knobs = built()
    alone, _ = built()
    for _ in range(3):
        before = {name: value.clone() for name, value in watched.G.state_dict().items()}
        probe(watched, knobs)
        assert all(torch.equal(value, before[name]) for name, value in watched.G.state_dict().items())
        assert train(watched, knobs, 1) == train(alone, knobs, 1)
    assert not list(watched.D.buffers())


def test_panels_are_there_before_any_step_and_in_the_other_settings() -> None:
    experiment, knobs = built(resolution=32)
    frames = probe(experiment, knobs)
    assert set(frames) == {"game", "samples", "latent_walk", "neighbours", "coverage", "verdicts"}
    with torch.no_grad():
        assert experiment.samples(knobs).pixels.shape == (64, 32, 32)
        assert experiment.latent_walk(knobs).pixels.shape == (48, 32, 32)
        assert experiment.neighbours(knobs).pixels.shape == (24, 32, 32)
        torch.testing.assert_close(
            torch.as_tensor(experiment.coverage(knobs).values).sum(dim=1), torch.ones(2)
        )
        assert torch.as_tensor(experiment.verdicts(knobs).counts).sum(dim=1).tolist() == [64, 64]


def test_the_walk_depends_on_its_knob_and_each_row_begins_where_the_last_ended() -> None:
    experiment, knobs = built()
    experiment.G.eval()
    with torch.no_grad():
        pixels = torch.as_tensor(experiment.latent_walk(knobs).pixels).view(4, 12, 16, 16).int()
        other = torch.as_tensor(experiment.latent_walk(knobs.model_copy(update={"walk": 1})).pixels)
    assert (pixels[:-1, -1] - pixels[1:, 0]).abs().max() <= 1  # rounded to bytes
    assert not torch.equal(pixels.flatten(0, 1), other.int())


@pytest.mark.parametrize("live", [{"d_steps": 3}, {"batch": 8}, {"smoothing": 0.5}, {"beta1": 0.0}])
def test_every_live_knob_can_change_between_steps(live: dict[str, float]) -> None:
    experiment, knobs = built()
    train(experiment, knobs, 1)
    changed = knobs.model_copy(update=live)
    experiment.changed(changed, set(live))
    (row,) = train(experiment, changed, 1)
    assert all(map(math.isfinite, row.values()))


@pytest.mark.slow
def test_samples_move_from_noise_toward_digits() -> None:
    experiment, knobs = built(width=16, latent=8, batch=32)

    def distance_to_data() -> float:
        experiment.G.eval()
        with torch.no_grad():
            distance = nearest(experiment.G(experiment.noise), experiment.digits.images, 1)[0].mean()
        experiment.G.train()
        return float(distance)

    before = distance_to_data()
    rows = train(experiment, knobs, 80)
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[0]["d/real"] < 0.65  # D starts undecided,
    assert max(row["d/real"] for row in rows) > 0.75  # learns,
    assert distance_to_data() < 0.6 * before  # and teaches G
    assert rows[-1]["diversity"] > 2 * rows[0]["diversity"]


def test_sklearn_digits_are_real_and_scaled() -> None:
    digits = sklearn_digits(16)
    assert digits.images.shape == (1797, 1, 16, 16)
    assert digits.images.dtype == torch.float32
    assert (digits.images.min(), digits.images.max()) == (-1, 1)
    assert digits.labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def write_idx(path: Path, values: np.ndarray, *, magic: bytes | None = None, extra: bytes = b"") -> Path:
    header = magic or bytes((0, 0, 8, values.ndim))
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + shape + values.tobytes() + extra))
    return path


def write_mnist(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    write_idx(folder / "train-images-idx3-ubyte.gz", images)
    write_idx(folder / "train-labels-idx1-ubyte.gz", labels)


@pytest.mark.skipif(
    not (MNIST / "t10k-images-idx3-ubyte.gz").is_file(), reason=f"no MNIST test files in {MNIST}"
)
@pytest.mark.parametrize("resolution", [16, 32])
def test_the_real_mnist_files_are_read(resolution: int) -> None:
    digits = mnist(MNIST, resolution)
    assert digits.images.shape[1:] == (1, resolution, resolution)
    assert -1 <= digits.images.min() < -0.99
    assert 0.9 < digits.images.max() <= 1
    assert len(digits.images) == len(digits)
    if len(digits) == 10_000:
        assert digits.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def write_cifar(folder: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Files of CIFAR-10's binary version: all pictures (N, 3, 32, 32) in each."""
    folder.mkdir(parents=True)
    records = np.concatenate([labels[:, None], pixels.reshape(len(labels), -1)], axis=1).astype(np.uint8)
    for name in FILES["cifar-10"]:
        (folder / name).write_bytes(records.tobytes())


@pytest.mark.parametrize("resolution", [16, 28, 32])
def test_pictures_in_colour_are_drawn_in_colour(
    resolution: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32))
    write_cifar(tmp_path / "cifar-10", pixels, np.arange(40) % 10)
    experiment, knobs = built(dataset="cifar-10", resolution=resolution)
    images = experiment.digits.images
    assert images.shape == (200, 3, resolution, resolution)  # five files
    scaled = torch.from_numpy(pixels).float() / 127.5 - 1
    sought = {
        16: scaled.view(40, 3, 16, 2, 16, 2).mean((3, 5)),
        28: scaled[..., 2:30, 2:30],
        32: scaled,
    }[resolution]
    torch.testing.assert_close(images[40:80], sought, atol=1e-6, rtol=1e-5)
    assert experiment.digits.labels[:12].tolist() == [*range(10), 0, 1]
    (row,) = train(experiment, knobs, 1)
    assert all(map(math.isfinite, row.values()))
    panels = {"samples", "latent_walk", "neighbours", "coverage", "verdicts", "game"}
    assert set(probe(experiment, knobs)) == panels
    with torch.no_grad():
        assert experiment.samples(knobs).pixels.shape == (64, resolution, resolution, 3)
        assert experiment.game(knobs).pictures.shape == (8, resolution, resolution, 3)
        assert experiment.neighbours(knobs).pixels.shape == (24, resolution, resolution, 3)
        real = torch.as_tensor(experiment.neighbours(knobs).pixels)[1]
        assert (real == torch.as_tensor(shown(images))).flatten(1).all(1).any(), "no real picture"
        assert experiment.coverage(knobs).labels[0] == "airplane"


def test_at_28_pixels_kmnist_is_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (70, 28, 28)).astype(np.uint8)
    (tmp_path / "kmnist").mkdir()
    write_mnist(tmp_path / "kmnist", images, (np.arange(70) % 10).astype(np.uint8))
    experiment, knobs = built(dataset="kmnist", resolution=28)
    assert torch.equal(torch.as_tensor(shown(experiment.digits.images)), torch.from_numpy(images))
    train(experiment, knobs, 1)
    with torch.no_grad():
        assert experiment.samples(knobs).pixels.shape == (64, 28, 28)
        assert experiment.coverage(knobs).labels[0] == "お"


@pytest.mark.parametrize("dataset", ["fashion-mnist", "kmnist", "cifar-10"])
def test_a_set_that_is_not_there_is_refused_at_the_knob(
    dataset: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    with pytest.raises(KnobError, match=f"descent data fetch {dataset}") as refused:
        built(dataset=dataset)
    assert refused.value.knob == "dataset"


def test_mnist_is_padded_to_32_and_averaged_to_16(tmp_path: Path) -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 0, 0] = 255
    write_mnist(tmp_path, images, np.array([3, 4], np.uint8))
    large, small = mnist(tmp_path, 32).images, mnist(tmp_path, 16).images
    assert large[0, 0, 2, 2] == 1
    assert (large == -1).sum() == large.numel() - 1
    assert small[0, 0, 1, 1] == -0.5  # one of four pixels
    assert (small == -1).sum() == small.numel() - 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "whole gzip file|magic"),
        (b"not a gzip file", "whole gzip file"),
        (gzip.compress(struct.pack(">4I", 2051, 2, 4, 4) + bytes(32))[:-12], "whole gzip file"),
        (gzip.compress(b""), "magic 00000803, got nothing"),
        (gzip.compress(struct.pack(">2I", 2049, 2) + bytes(2)), "magic 00000803, got 00000801"),
        (gzip.compress(struct.pack(">2I", 2051, 2)), "3 dimensions of 4 bytes, got 4"),
        (
            gzip.compress(struct.pack(">4I", 2051, 2, 4, 4) + bytes(31)),
            "32 bytes .* got only 31",
        ),
        (gzip.compress(struct.pack(">4I", 2051, 2, 4, 4) + bytes(33)), "32 bytes .* got more"),
        (gzip.compress(struct.pack(">4I", 2051, 2**31, 2**31, 2**31)), "header says"),
    ],
    ids=[
        "empty",
        "no gzip",
        "cut gzip",
        "no header",
        "labels",
        "cut header",
        "too short",
        "too long",
        "huge",
    ],
)
def test_a_broken_idx_file_is_refused_by_name(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"images\.gz: expected .*({expected})"):
        read_idx(path, dims=3)


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (np.zeros((2, 27, 28)), np.zeros(2), "images-idx3.*expected images of 28×28, got 27×28"),
        (np.zeros((2, 28, 28)), np.zeros(3), "labels-idx1.*one label per image, got 3 for 2"),
        (np.zeros((0, 28, 28)), np.zeros(0), "labels-idx1.*got 0 for 0"),
        (np.zeros((1, 28, 28)), np.array([10]), "labels-idx1.*labels 0 to 9, got 10"),
    ],
)
def test_mnist_files_that_do_not_fit_are_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, expected: str
) -> None:
    write_mnist(tmp_path, images.astype(np.uint8), labels.astype(np.uint8))
    with pytest.raises(ValueError, match=expected):
        mnist(tmp_path, 16)


@pytest.mark.parametrize("split", ["train", "t10k"])
@pytest.mark.parametrize(
    "name", ["{}-{}-idx{}-ubyte.gz", "{}-{}.idx{}-ubyte", "{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte.gz"]
)
def test_mnist_is_read_under_every_name_it_goes_by(tmp_path: Path, name: str, split: str) -> None:
    values = {"images": np.full((2, 28, 28), 7, np.uint8), "labels": np.array([3, 4], np.uint8)}
    for what, one in values.items():
        path = write_idx(tmp_path / name.format(split, what, one.ndim), one)
        if not name.endswith(".gz"):
            path.write_bytes(gzip.decompress(path.read_bytes()))
    assert mnist(tmp_path, 32).labels.tolist() == [3, 4]


def test_what_is_there_instead_of_mnist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected train-images-idx3-ubyte\.gz.*there is nothing"):
        mnist(tmp_path / "nowhere", 16)
    (tmp_path / "mnist.npz").touch()
    with pytest.raises(FileNotFoundError, match=r"without \.gz\), and there are mnist\.npz"):
        mnist(tmp_path, 16)


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html>403</html>", b"\n <html>", b"<?xml version='1.0'?><Error/>"]
)
def test_a_web_page_saved_as_mnist_is_called_one(tmp_path: Path, page: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(page)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: expected IDX values, got a web page"):
        read_idx(path, dims=3)


def test_mnist_without_a_folder_names_the_knob_and_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESCENT_DATA", raising=False)
    with pytest.raises(KnobError, match="set DESCENT_DATA") as caught:
        built(dataset="mnist")
    assert caught.value.knob == "dataset"


def test_mnist_without_its_files_names_the_knob_and_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    with pytest.raises(KnobError, match=r"DESCENT_DATA.*expected train-images-idx3-ubyte\.gz") as caught:
        built(dataset="mnist")
    assert caught.value.knob == "dataset"


def test_mnist_trains_once_its_files_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (70, 28, 28), np.uint8)
    write_mnist(tmp_path, images, (np.arange(70) % 10).astype(np.uint8))
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    experiment, knobs = built(dataset="mnist")
    (row,) = train(experiment, knobs, 1)
    assert all(map(math.isfinite, row.values()))
    assert set(probe(experiment, knobs)) >= {"samples", "neighbours"}


def test_the_diagram_of_the_game_tells_the_losses_and_verdicts_of_the_pictures_it_shows() -> None:
    experiment, knobs = built(**SMALL)
    train(experiment, knobs, 3)
    experiment.G.eval()
    experiment.D.eval()
    with torch.no_grad():
        flow = experiment.game(knobs)
        fake = experiment.D(experiment.G(experiment.noise))
        real = experiment.D(experiment.digits.images[experiment.examples])
    told = dict(zip(flow.names, flow.notes, strict=True))
    assert told["D(G(z))"] == f"{float(fake.sigmoid().mean()):.2f}"
    assert told["D(x)"] == f"{float(real.sigmoid().mean()):.2f}"
    assert told["G"] == f"L(G) {float(-fake.sigmoid().log().mean()):.2f}"
    assert len(flow.pictures) == sum(flow.shows) == 8
    with pytest.raises(ValueError, match="arrows"):
        Flow(names=["a"], places=[(0, 0)], notes=[""], arrows=[(0, 1)])


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    experiment, knobs = built()
    train(experiment, knobs, 12)
    experiment.G.eval()
    real, fake = experiment.digits.images[experiment.examples], experiment.G(experiment.noise)
    experiment.G.train()
    with torch.no_grad():
        on_real, on_fake = experiment.D(real).sigmoid(), experiment.D(fake).sigmoid()
    values = {name: driving.look(experiment, knobs, name).reading.values for name in PICTURED}
    assert values["game"] == {"fooled": int((on_fake > 0.5).sum()), "all": 64}
    right = {"real": int((on_real > 0.5).sum()), "fake": int((on_fake <= 0.5).sum()), "all": 64}
    assert values["verdicts"] == right
    share = 100 * float(torch.pdist(fake.detach().flatten(1)).mean()) / experiment.spread
    assert float(values["samples"]["percent"]) == pytest.approx(share, rel=0.06)
    picture = driving.look(experiment, knobs, "coverage")
    shares = picture.values[0].tolist()
    assert values["coverage"]["kinds"] == sum(share > 0 for share in shares)
    assert shares[int(values["coverage"]["name"])] == max(shares)
    captions = driving.look(experiment, knobs, "neighbours").captions
    least = min(float(text) for text in captions if text != "G(z)")
    assert float(values["neighbours"]["least"]) == pytest.approx(least, abs=0.06)
    picture = driving.look(experiment, knobs, "latent_walk")
    rows = picture.pixels.float().div(255).view(-1, picture.columns, picture.pixels[0].numel())
    jump = float(rows.diff(dim=1).abs().mean(2).max())
    assert float(values["latent_walk"]["jump"].replace("−", "-")) == pytest.approx(jump, abs=0.006)


def test_of_samples_that_are_nowhere_nothing_is_read() -> None:
    experiment, knobs = built()
    with torch.no_grad():
        for parameter in experiment.G.parameters():
            parameter.fill_(float("nan"))
    for panel in ("game", "samples", "latent_walk", "neighbours", "coverage", "verdicts"):
        assert driving.look(experiment, knobs, panel).reading is None


PICTURED = ["game", "samples", "latent_walk", "neighbours", "coverage", "verdicts"]
