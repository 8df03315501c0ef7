"""Trainers of other libraries, the real ones: what their callbacks tell, and what a page does to them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from descent.callbacks import HuggingFace, Lightning
from descent.contract.panels import Attention
from descent.engine.messages import Control
from descent.watching.run import WatchedRun

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_lightning
    import transformers

NOWHERE = "http://127.0.0.1:1"  # training goes on without a server
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # warnings of the two libraries

ROWS, LENGTH, WORDS = 64, 6, 20


class Rows(Dataset[dict[str, Tensor]]):
    """Made tokens; a row's label says whether its first token is a low one."""

    def __init__(self) -> None:
        made = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(WORDS, (ROWS, LENGTH), generator=made)

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        tokens = self.tokens[index]
        return {"input_ids": tokens, "labels": (tokens[0] < WORDS // 2).long()}


def bert(attention: str = "eager") -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
        attn_implementation=attention,
    )
    return transformers.BertForSequenceClassification(config)


def trained(folder: Path, callback: HuggingFace, model: Any = None, **arguments: Any) -> Any:
    """A Trainer that has trained."""
    usual = {"max_steps": 12, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "use_cpu": True}
    settings = (
        {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "seed": 0} | usual | arguments
    )
    trainer = transformers.Trainer(
        model=model or bert(),
        args=transformers.TrainingArguments(str(folder), **settings),
        train_dataset=Rows(),
        eval_dataset=Rows(),
        callbacks=[callback],
    )
    trainer.train()
    return trainer


class Page:
    """What a page would do to a run at given steps, and what the run has told."""

    def __init__(self, at: dict[int, Callable[[WatchedRun], None]] | None = None) -> None:
        self._at = at or {}
        self.rows: list[dict[str, float]] = []
        self.runs: list[WatchedRun] = []

    def __call__(self, run: WatchedRun) -> None:
        """Come between the run and its callback."""
        self.runs.append(run)
        step = run.step

        def told(**scalars: Any) -> None:
            act = self._at.get(len(self.rows))
            self.rows.append({name: float(value) for name, value in scalars.items()})
            if act is not None:
                act(run)
            step(**scalars)

        run.step = told  # type: ignore[method-assign]

    @property
    def names(self) -> list[str]:
        return [one.knob.name for one in self.runs[0]._offer.knobs]


def set_(**knobs: float) -> Callable[[WatchedRun], None]:
    return lambda run: run._talk.inbox.put(Control("knobs", {"knobs": knobs}, None))


def control(name: str) -> Callable[[WatchedRun], None]:
    return lambda run: run._talk.inbox.put(Control(name, {}, None))


def hugging(page: Page, **others: Any) -> HuggingFace:
    return HuggingFace(url=NOWHERE, prepare=page, **others)


def test_every_step_of_a_trainer_is_told_with_the_loss_that_it_logs(tmp_path: Path) -> None:
    page = Page()
    trainer = trained(tmp_path, hugging(page), logging_steps=1, eval_strategy="steps", eval_steps=5)
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 12
    assert [row["loss"] for row in page.rows[:12]] == pytest.approx([e["loss"] for e in logged], abs=1e-5)
    rates = [row["learning_rate"] for row in page.rows[:12]]
    assert rates == pytest.approx([entry["learning_rate"] for entry in logged])
    assert rates[0] == pytest.approx(1e-3)  # the default schedule falls to 0
    assert rates[-1] < 1e-4
    assert "eval_loss" in page.rows[5]
    assert "grad_norm" in page.rows[1]


def test_a_step_is_the_optimizer_s_with_accumulated_gradients(tmp_path: Path) -> None:
    page = Page()
    arguments = {"gradient_accumulation_steps": 4, "max_steps": 3, "per_device_train_batch_size": 4}
    trainer = trained(tmp_path, hugging(page), logging_steps=1, **arguments)
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    steps = [row["loss"] for row in page.rows if "loss" in row]
    assert steps == pytest.approx(logged, abs=1e-4)
    assert len(steps) == 3


def test_a_rate_moved_before_the_schedule_is_multiplied_by_it_from_then_on(tmp_path: Path) -> None:
    page = Page({3: set_(base_lr=5e-3)})
    trained(tmp_path, hugging(page))
    assert page.names[0] == "base_lr"
    rates = [row["learning_rate"] for row in page.rows[:12]]
    factor = [1 - step / 12 for step in range(12)]  # linear, to 0
    expected = [(1e-3 if step <= 3 else 5e-3) * factor[step] for step in range(12)]
    assert rates == pytest.approx(expected)


def test_a_rate_moved_to_next_to_nothing_holds_the_weights(tmp_path: Path) -> None:
    arguments = {"max_steps": 6, "lr_scheduler_type": "constant"}
    still = bert()
    before = {name: value.clone() for name, value in still.named_parameters()}
    trained(tmp_path, hugging(Page({0: set_(base_lr=1e-6)})), still, **arguments)
    apart = max(float((value - before[name]).abs().max()) for name, value in still.named_parameters())
    assert apart < 2e-3  # one step with 0.001, and five that move nothing


def test_gradients_are_clipped_as_the_page_says(tmp_path: Path) -> None:
    lengths: list[float] = []

    def note(run: WatchedRun) -> None:
        gradients = [p.grad for p in run._offer.model.parameters() if p.grad is not None]
        lengths.append(float(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))))

    at = dict.fromkeys(range(1, 6), note)
    trained(tmp_path, hugging(Page({0: set_(clip=1e-3), **at})), max_steps=6, max_grad_norm=0.0)
    assert max(lengths) <= 1.001e-3


def test_stop_ends_the_trainer_cleanly_and_it_can_train_again(tmp_path: Path) -> None:
    page = Page({4: control("stop")})
    trainer = trained(tmp_path, hugging(page))
    assert trainer.state.global_step == 5
    assert page.runs[0].stopped
    trainer.train()
    assert trainer.state.global_step == 12
    assert len(page.runs) == 2


def test_pause_holds_the_trainer(tmp_path: Path) -> None:
    held: list[str] = []

    def come_back(run: WatchedRun) -> bool:
        assert run._loop is not None
        held.append(run._loop.status)
        return True

    def pause(run: WatchedRun) -> None:
        assert run._loop is not None
        run._loop._alone = lambda: come_back(run)  # asked only while it waits
        control("pause")(run)

    page = Page({2: pause})
    trainer = trained(tmp_path, hugging(page))
    assert held == ["paused"]
    assert trainer.state.global_step == 12


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_of_a_hugging_face_model_is_that_which_it_gives(attention: str) -> None:
    model = bert(attention)
    model.train()
    batch = {"input_ids": Rows().tokens[:3], "attention_mask": torch.ones(3, LENGTH, dtype=torch.long)}
    run = WatchedRun(model, [], "bert", NOWHERE)
    run.look(batch, tokens=list("abcdef"))
    assert [probe.panel.kind for probe in run._offer.looks] == ["attention"]
    model.eval()
    with torch.no_grad():
        shown = run._offer.looks[0].look()
        assert model.config._attn_implementation == attention
        reference = bert("eager").eval()(**batch, output_attentions=True).attentions
    assert isinstance(shown, Attention)
    expected = torch.stack([layer[0] for layer in reference])
    assert torch.allclose(torch.as_tensor(shown.weights), expected, atol=1e-6)
    assert list(shown.queries) == list("abcdef")


def test_a_model_within_one_s_own_shows_its_attention_too() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = bert("sdpa").bert

        def forward(self, tokens: Tensor) -> Tensor:
            found: Tensor = self.inner(input_ids=tokens).last_hidden_state
            return found

    run = WatchedRun(Own(), [], "own", NOWHERE)
    run.look(Rows().tokens[:1])
    assert [probe.panel.kind for probe in run._offer.looks] == ["attention"]


def test_where_no_weights_come_it_says_what_to_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bert("sdpa")
    monkeypatch.setattr(type(model), "set_attn_implementation", lambda *_: None)
    WatchedRun(model, [], "bert", NOWHERE).look(Rows().tokens[:1])
    assert "attn_implementation='eager'" in capsys.readouterr().err


class Small(pytorch_lightning.LightningModule):
    """A line that is fitted to made points."""

    def __init__(self, schedule: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        self._schedule = schedule
        self.losses: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x)
        return found

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        loss = (self(batch) - batch.sum(1, keepdim=True)).square().mean()
        self.log("train_error", loss)
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch: Tensor, _: int) -> None:
        self.log("val_loss", (self(batch) - batch.sum(1, keepdim=True)).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        if not self._schedule:
            return optimizer
        halve = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": halve, "interval": "step"}}


def fitted(page: Page, model: Small | None = None, **arguments: Any) -> tuple[Any, Small]:
    """A Lightning trainer that has trained, and its module."""
    model = model or Small()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    usual = {"accelerator": "cpu", "max_steps": 12, "enable_model_summary": False}
    callback = Lightning(url=NOWHERE, prepare=page)
    trainer = pytorch_lightning.Trainer(**quiet | usual | arguments, callbacks=[callback])  # type: ignore[arg-type]
    points = torch.rand(48, 2, generator=torch.Generator().manual_seed(1))
    load = DataLoader(points, batch_size=8)  # type: ignore[arg-type]
    trainer.fit(model, load, DataLoader(points, batch_size=48))  # type: ignore[arg-type]
    return trainer, model


def test_every_step_of_lightning_is_told_with_what_the_module_logs() -> None:
    page = Page()
    _, model = fitted(page)
    steps = [row for row in page.rows if "loss" in row]
    assert [row["loss"] for row in steps] == pytest.approx(model.losses)
    assert [row["train_error"] for row in steps] == pytest.approx(model.losses)
    assert [number for number, row in enumerate(page.rows) if "val_loss" in row] == [6, 12]


def test_lightning_accumulates_too() -> None:
    page = Page()
    _, model = fitted(page, accumulate_grad_batches=3, max_steps=4)
    steps = [row["loss"] for row in page.rows if "loss" in row]
    assert steps == pytest.approx(torch.tensor(model.losses).reshape(4, 3).mean(1).tolist())


def test_a_rate_moved_in_lightning_is_multiplied_by_its_schedule() -> None:
    page = Page({2: set_(base_lr=0.4)})
    fitted(page, Small(schedule=True), max_steps=5)
    rates = [row["learning_rate"] for row in page.rows if "learning_rate" in row]
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.05, 0.025])


def test_lightning_s_gradients_are_clipped_though_a_closure_computes_them() -> None:
    model = Small()
    lengths: list[float] = []

    def note(run: WatchedRun) -> None:
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        lengths.append(float(torch.linalg.vector_norm(torch.cat(gradients))))

    fitted(Page({0: set_(clip=1e-3), **dict.fromkeys(range(1, 6), note)}), model, max_steps=6)
    assert len(lengths) == 5
    assert max(lengths) <= 1.001e-3


def test_stop_ends_lightning_cleanly() -> None:
    page = Page({4: control("stop")})
    trainer, _ = fitted(page)
    assert trainer.global_step == 5
    assert trainer.state.finished


def test_an_error_in_lightning_ends_the_run_as_failed() -> None:
    class Broken(Small):
        def training_step(self, batch: Tensor, index: int) -> Tensor:
            if index == 3:
                raise RuntimeError("broken")
            return super().training_step(batch, index)

    ends: list[str] = []

    def note(run: WatchedRun) -> None:
        finish = run.finish
        run.finish = lambda *given: (ends.append(given[0]), finish(*given))[1]  # type: ignore

    with pytest.raises(RuntimeError, match="broken"):
        fitted(Page({0: note}), Broken())
    assert ends == ["failed"]


def test_what_is_missing_is_said_with_what_to_install() -> None:
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "import descent\n"
        "assert 'torch' not in sys.modules\n"
        "try: descent.callbacks.HuggingFace\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "pip install 'descent-playground[huggingface]'" in told
