"""Transfer learning: who is trained on what, what stays frozen, and who wins with few labels."""

from __future__ import annotations

import pytest
import torch
from test_contract import loop_of, table, take
from torch import Tensor
from torch.nn import functional as F

from descent.contract import STREAMS, KnobError
from descent.engine.borrowed import Borrowed, Origin, packed, unpacked
from descent.engine.checkpoint import Checkpointer
from descent.engine.loop import Loop
from descent.engine.messages import CheckpointTaken, Replay
from descent.experiments.convolution import transfer_learning
from descent.experiments.convolution.cnn_images import CNNImages
from descent.experiments.convolution.transfer_learning import (
    LABELS,
    LEARNERS,
    POINTS,
    SHOWN,
    TransferLearning,
)
from descent.kit.data.few import Pictures, few_of_each, held_out, lit, pictures_of
from descent.kit.nn.features import neighbours_plane, principal_plane
from descent.registry import experiments
from driving import Driven, break_weights
from tiny import Said

SHORT = 4  # steps on the source


def short(seed: int = 0, **knobs: object) -> Driven:
    return Driven(TransferLearning, seed, source_steps=SHORT, **knobs)


def test_the_first_rows_are_so_many_of_each_class_and_none_of_the_others_is_among_them() -> None:
    pictures = pictures_of("digits", (), torch.Generator().manual_seed(0), "dataset")
    labelled, others = few_of_each(pictures, 100)
    for n in LABELS:
        assert torch.equal(labelled.labels[: 10 * n].bincount(), torch.full((10,), n))
    assert len(labelled.labels) + len(others.labels) == 1797
    assert not (torch.cdist(labelled.pixels.flatten(1), others.pixels.flatten(1)) == 0).any()


def test_source_and_target_share_no_class() -> None:
    run = short()
    assert run.experiment.source_train.classes == tuple("01234")
    assert run.experiment.test.classes == tuple("56789")
    assert run.experiment.test.labels.unique().tolist() == [0, 1, 2, 3, 4]
    train, test = held_out(
        Pictures(torch.arange(10.0).view(10, 1, 1, 1), torch.arange(10), tuple("0123456789"))
    )
    assert (train.labels.tolist(), test.labels.tolist()) == ([2, 3, 4, 5, 6, 7, 8, 9], [0, 1])


def test_light_adds_a_plane_of_the_stated_size_to_each_picture() -> None:
    blank = torch.zeros(4000, 1, 8, 8)
    added = lit(blank, 3.0, torch.Generator().manual_seed(1)) / 127.5
    curvature = added.diff(n=2, dim=3).abs().max() + added.diff(n=2, dim=2).abs().max()
    assert curvature < 1e-4
    assert added.mean((1, 2, 3)).std().item() == pytest.approx(3.0 / 2, rel=0.05)
    across, down = added[:, 0, 0, -1] - added[:, 0, 0, 0], added[:, 0, -1, 0] - added[:, 0, 0, 0]
    slopes = across / 2, down / 2
    assert torch.stack(slopes).square().sum(0).mean().sqrt().item() == pytest.approx(3.0, rel=0.05)
    assert lit(blank, 0.0, torch.Generator()) is blank


def test_the_source_is_trained_first_and_then_stays_as_it_is() -> None:
    run = short().train(SHORT)
    assert all("loss/source" in row for row in run.rows)
    experiment = run.experiment
    source = [*experiment.source.state_dict().values()]
    before = [value.clone() for value in source]
    for network in experiment.fine:  # they begin as the source, each with the frozen learner's last layer
        theirs = experiment.source.features.state_dict()
        assert all(torch.equal(mine, theirs[name]) for name, mine in network.features.state_dict().items())
    for network, head in zip(experiment.fine, experiment.heads, strict=True):
        assert torch.equal(network.last.weight, head.weight)
    first = {name: value.clone() for name, value in experiment.heads[0].named_parameters()}
    run.train(3)
    assert all(torch.equal(a, b) for a, b in zip(source, before, strict=True))
    assert not torch.equal(first["weight"], experiment.heads[0].weight)
    assert not torch.equal(experiment.fine[0].features[0].weight, source[0])
    assert set(run.rows[-1]) == {f"loss/{name}" for name in LEARNERS}


def test_frozen_steps_are_torchs_adam_on_the_last_layer() -> None:
    run, twin = short().train(SHORT), short().train(SHORT).experiment
    experiment = run.experiment
    few = SHOWN["few"]
    layer = twin.heads[few]
    reference = torch.optim.Adam(layer.parameters(), run.knobs.lr_head)
    x, y = twin.labelled.pixels[:25], twin.labelled.labels[:25]  # 5 of each class: one batch, in any order
    for _ in range(3):
        run.train(1)
        loss = F.cross_entropy(layer(twin.source.features(x).detach()), y) / len(LABELS)
        reference.zero_grad()
        loss.backward()
        reference.step()
    torch.testing.assert_close(experiment.heads[few].weight, layer.weight, rtol=1e-3, atol=1e-5)


def test_accuracies_are_those_of_the_networks_as_they_are_used() -> None:
    run = short().train(20)
    experiment = run.experiment
    x, y = experiment.test.pixels, experiment.test.labels
    network = experiment.scratch[2].eval()
    share = (network(x).argmax(1) == y).float().mean().item()
    assert experiment.accuracy[2, 2].item() == pytest.approx(share, abs=1e-6)
    assert run.last("few/scratch") == pytest.approx(experiment.accuracy[2, SHOWN["few"]].item())
    curves = run.look("curves")
    assert curves.x.tolist() == [*LABELS]
    assert torch.equal(torch.as_tensor(curves.values)[0], experiment.accuracy)


def test_the_plane_is_that_of_the_two_largest_singular_values() -> None:
    torch.manual_seed(0)
    h = torch.randn(50, 6) * torch.tensor([5.0, 3.0, 1.0, 0.5, 0.2, 0.1]) + 7
    at = principal_plane(h)
    values = torch.linalg.eigvalsh(h.T.cov()).flip(0)[:2]
    torch.testing.assert_close(at.T.cov().diagonal(), values)
    assert abs(at.T.cov()[0, 1]) < 1e-4
    torch.testing.assert_close(at.mean(0), torch.zeros(2), atol=1e-5, rtol=0)


def of_own_class(at: Tensor, labels: Tensor) -> float:
    """The share of points whose nearest neighbour is of their class."""
    apart = torch.cdist(at, at).fill_diagonal_(torch.inf)
    return (labels[apart.argmin(1)] == labels).float().mean().item()


def test_by_t_sne_neighbours_stay_near_that_pca_lays_upon_others() -> None:
    run = short(laid="t-sne", plane="pixels", light=0.0)
    x, y = run.experiment.test.pixels[: POINTS["t-sne"]], run.experiment.test.labels[: POINTS["t-sne"]]
    before = torch.get_rng_state()
    panel = run.look("features")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.as_tensor(panel.points), torch.as_tensor(run.look("features").points))
    assert len(panel.points) == len(panel.pictures) == len(x)
    by_tsne = of_own_class(torch.as_tensor(panel.points), y)
    assert by_tsne > of_own_class(principal_plane(x.flatten(1)), y) + 0.1
    assert by_tsne > of_own_class(x.flatten(1), y) - 0.1  # nearly as in all dimensions


@pytest.mark.parametrize("h", [torch.ones(40, 5), torch.eye(3), torch.randn(6, 4)])
def test_vectors_that_do_not_differ_or_are_few_have_a_place_too(h: Tensor) -> None:
    at = neighbours_plane(h)
    assert at.shape == (len(h), 2)
    assert at.isfinite().all()


def test_shuffling_moves_every_pixel_of_the_target_alike_and_none_of_the_source() -> None:
    plain, shuffled = short(light=0.0).experiment, short(light=0.0, shuffled=True).experiment
    assert torch.equal(plain.source_train.pixels, shuffled.source_train.pixels)
    one, other = plain.test.pixels.flatten(1), shuffled.test.pixels.flatten(1)
    assert torch.equal(one.sort(1).values, other.sort(1).values)
    assert not torch.equal(one, other)
    assert torch.equal(one.sum(0).sort().values, other.sum(0).sort().values)


@pytest.mark.parametrize("knobs", [{"source": "digits"}])
def test_a_source_that_is_the_target_is_refused(knobs: dict[str, str]) -> None:
    with pytest.raises(KnobError, match="source: it is the target itself"):
        Driven(TransferLearning, **knobs)


def test_what_is_said_of_the_learners_is_what_the_pictures_show() -> None:
    run = short().train(4)  # the source is being trained: nobody has learnt yet
    assert run.look("curves").reading is None
    given = run.look("given").reading.values
    assert (given["n"], given["all"]) == ("5", 5 * len(run.experiment.test.classes))
    assert given["others"] == len(run.experiment.test.labels)
    run.train(200)
    picture = run.look("curves")
    right = dict(zip(picture.series, torch.as_tensor(picture.values).view(3, 4)[:, 1].tolist(), strict=True))
    best = max(right, key=right.__getitem__)
    if sorted(right.values())[-2] < right[best]:
        said = picture.reading.values
        assert (said["n"], said["learner"], said["percent"]) == ("5", best, f"{100 * right[best]:.0f}")
    picture = run.look("features")
    share = of_own_class(torch.as_tensor(picture.points), torch.as_tensor(picture.groups))
    assert picture.reading.values == {"beside": f"{100 * share:.0f}"}


def test_of_features_that_are_none_nothing_is_said() -> None:
    run = short().train(4)
    break_weights(run.experiment)
    assert run.look("features").reading is None
    run.experiment.accuracy[:] = 0.2  # all say the same class
    run.experiment.step_index = 10_000
    assert run.look("curves").reading is None


@pytest.fixture(scope="module")
def lent() -> Borrowed:
    """What is taken of a run of `cnn-images` after 300 steps."""
    run = Driven(CNNImages, 1)
    checkpointer = Checkpointer(run.experiment)
    run.train(300)
    knobs = run.knobs.model_dump(mode="json")
    origin = Origin(experiment="cnn-images", knobs=knobs, seed=1, streams=STREAMS, step=300)
    return Borrowed(CNNImages, packed(checkpointer.take(), origin))


def begun(lent: Borrowed, replay: Replay | None = None, **knobs: object) -> tuple[Loop, Said]:
    return loop_of(
        experiments()["transfer-learning"],
        knobs={"recorded": "run", **knobs},
        borrowed={"run": lent},
        max_steps=None,
        record_budget=0.01,
        replay=replay,
    )


def test_a_recorded_run_is_the_source_from_the_first_step(lent: Borrowed) -> None:
    experiment = begun(lent)[0].experiment
    _, weights = unpacked(lent.data)
    assert torch.equal(experiment.source.features[0].weight, weights["layers.0.weight"])
    assert torch.equal(experiment.fine[0].features[0].weight, weights["layers.0.weight"])
    assert not torch.equal(experiment.scratch[0].features[0].weight, weights["layers.0.weight"])
    assert experiment.begins == 0
    assert experiment.test.classes == tuple("0123456789")
    with torch.no_grad():
        assert experiment._kept(experiment.source) > 0.9  # its own pictures, in even light


def test_with_a_recorded_source_replays_give_the_same_numbers(lent: Borrowed) -> None:
    original, said = begun(lent)
    take(original, 2)
    original._keep()
    take(original, 3)
    original._flush()
    (kept,) = (output for output in said if isinstance(output, CheckpointTaken))
    losses = table(said)
    for replay in (Replay(4, {}), Replay(4, {}, kept.step, kept.payload)):
        again, heard = begun(lent, replay)
        take(again, 1)
        again._flush()
        assert {name: values[-1:] for name, values in losses.items()} == table(heard)


def test_a_source_with_other_colours_is_refused_at_the_knob(
    lent: Borrowed, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = pictures_of("digits", (), torch.Generator(), "dataset")
    coloured = Pictures(grey.pixels.expand(-1, 3, -1, -1), grey.labels, grey.classes)
    monkeypatch.setattr(transfer_learning, "pictures_of", lambda *_: coloured)
    with pytest.raises(KnobError, match=r"recorded: its pictures have 1 colour channels, the target's 3"):
        begun(lent)


@pytest.mark.thorough
def test_frozen_features_beat_from_scratch_with_five_labels_or_fewer() -> None:
    """At four seeds of five, at least."""
    wins = torch.zeros(2, dtype=torch.long)
    for seed in range(5):
        experiment = Driven(TransferLearning, seed).train(500).experiment
        frozen, _, scratch = experiment.accuracy
        wins += (frozen > scratch)[:2].long()
    assert wins.min() >= 4
