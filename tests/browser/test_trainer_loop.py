"""A Hugging Face Trainer in a process of its own fine-tunes a tiny BERT, and the page that watches it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect
from test_own_loop import address, running

from lab import WITHIN, Open, wait_past

SCRIPT = """
import sys, time, warnings
warnings.simplefilter("ignore")
import torch
import transformers
from descent.callbacks import HuggingFace

WORDS, LENGTH = 20, 6
tokens = torch.randint(WORDS, (64, LENGTH), generator=torch.Generator().manual_seed(0))
rows = [{"input_ids": row, "labels": (row[0] < WORDS // 2).long()} for row in tokens]
torch.manual_seed(0)
model = transformers.BertForSequenceClassification(transformers.BertConfig(
    vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=16,
))

class Slow(transformers.TrainerCallback):
    rate = None

    def on_step_end(self, args, state, control, optimizer=None, **_):
        time.sleep(0.01)
        if self.rate != (rate := optimizer.param_groups[0]["lr"]):
            self.rate = rate
            print("rate", rate, flush=True)

look = lambda run: run.look({"input_ids": tokens[:1]}, tokens=list("a tiny".replace(" ", "_")))
transformers.Trainer(
    model=model,
    args=transformers.TrainingArguments(
        sys.argv[0] + ".out", max_steps=10**6, per_device_train_batch_size=8, learning_rate=1e-3,
        lr_scheduler_type="constant", use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True,
    ),
    train_dataset=rows,
    callbacks=[HuggingFace(name="a tiny BERT", prepare=look), Slow()],
).train()
"""


def test_a_trainers_rate_is_dragged_and_its_attention_seen(
    open_page: Open, server: str, tmp_path: Path, screenshots: Path
) -> None:
    with running(tmp_path, server, SCRIPT) as script:
        page = open_page(address(script, server), width=1366, height=768)
        wait_past(page, 20)
        assert script.wait_for(lambda line: line.startswith("rate")) == "rate 0.001"
        expect(page.get_by_text("a tiny BERT").first).to_be_visible(timeout=WITHIN)
        panel = page.locator(".panel[data-step]", has_text="Attention")
        expect(panel).to_be_visible(timeout=WITHIN)
        slider = page.locator("[data-knob=base_lr] input[type=range]").first
        slider.focus()
        for _ in range(10):
            slider.press("ArrowRight")
        line = script.wait_for(lambda line: line.startswith("rate") and line != "rate 0.001")
        assert float(line.split()[1]) > 0.001
        shown = int(panel.get_attribute("data-step") or 0)
        page.wait_for_function(
            "([panel, step]) => Number(panel.dataset.step) > step",
            arg=[panel.element_handle(), shown],
            timeout=WITHIN,
        )
        page.screenshot(path=screenshots / "watching-trainer.png")
