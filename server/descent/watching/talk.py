"""What a run says to a server and hears from it; some of it in the link's threads."""

from __future__ import annotations

import json
import queue
import secrets
import time
from collections.abc import Mapping
from typing import Any

from descent.declared import Declaration
from descent.declared.messages import LARGEST_FRAME, Hello
from descent.engine.inbox import Inbox
from descent.engine.messages import (
    Applied,
    Control,
    Event,
    LookChanged,
    Output,
    PanelFrame,
    Refused,
    Reply,
    ScalarsFrame,
)
from descent.protocol import ENDED
from descent.watching.link import ALONE, Link, Waiting, say
from descent.watching.loop import DrivenLoop


class Talk:
    """The conversation of one run. `loop` is set before it starts."""

    loop: DrivenLoop

    def __init__(self, url: str, device: str) -> None:
        """`device`: the kind that the model is on."""
        self.inbox = Inbox()
        self.shares: queue.SimpleQueue[float] = queue.SimpleQueue()  # of the time, that a server gives panels
        self._device = device
        self._key = secrets.token_hex(16)
        self._told: Declaration | None = None
        self._first = 0  # the first step of the scalars to come
        self._link = Link(url, self._hello, self._greeted, self._hear, say)

    def declare(self, told: Declaration) -> None:
        """Say what the run declares; the first time, begin to look for a server."""
        begun = self._told is not None
        self._told = told
        if begun:
            message = {"type": "declare", "declaration": told.model_dump(mode="json")}
            self._link.put(Waiting(json.dumps(message)))
        else:
            self._link.start()

    def close(self, seconds: float) -> None:
        """Send what waits, if there is a server, for at most so many seconds."""
        self._link.close(seconds)

    @property
    def place(self) -> tuple[str, str]:
        """The server's address, and the run's id there; '' before there is one."""
        return self._link.url, self._link.run

    def is_alone(self) -> bool:
        """Whether a paused run waits for a server that does not come back."""
        link = self._link
        if link.connected:
            return False
        if not link.over and time.monotonic() - link.lost_at < ALONE:
            return False
        say("paused from a page whose server is gone: training goes on")
        return True

    def emit(self, output: Output) -> None:
        """Say what the engine says."""
        match output:
            case ScalarsFrame(_, step, payload):
                first = self._first
                self._first = step + 1
                self._link.put(Waiting(payload, first, step + 1 - first))
            case PanelFrame(_, _, panel, payload):
                if len(payload) > LARGEST_FRAME:
                    most = f"{LARGEST_FRAME} at most"
                    say(f"a picture of {panel} is too large to be shown: {len(payload)} bytes, {most}")
                else:
                    self._link.show(panel, payload)
            case Event(_, _, event):
                self._link.put(Waiting(json.dumps(event)))
                _say_of(event)
            case LookChanged(_, step, knobs):
                if self._link.connected:  # what comes later says more
                    self._link.put(Waiting(json.dumps({"type": "look", "step": step, "knobs": dict(knobs)})))
            case Reply(_, step, reply_to, answer):
                self._link.put(Waiting(json.dumps(_answer(step, reply_to, answer))))
            case _:
                pass  # an engine of ours would say more

    # In the link's threads

    def _hello(self, run: str) -> str:
        assert self._told is not None
        step = self.loop.step if run else 0
        hello = Hello(declaration=self._told, key=self._key, run=run, step=step, device=self._device)
        return hello.model_dump_json()

    def _greeted(self, welcome: dict[str, Any], another: bool) -> list[str]:
        loop = self.loop
        self.shares.put(float(welcome["probe_budget"]))
        if another:
            say(f"watch it at {self._link.url.rstrip('/')}{welcome['path']}")
        if loop.status in ENDED:
            return []
        begun: dict[str, Any] = {"seq": 0, "step": loop.step}
        said = [{"type": "state", **begun, "status": loop.status, "reason": ""}]
        said.append({"type": "look", "step": loop.step, "knobs": loop.knobs.model_dump(mode="json")})
        if steps := loop.kept_steps:
            said.append({"type": "kept", **begun, "steps": steps})
        return [json.dumps(one) for one in said]

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("type") == "control":
            arguments = message.get("arguments", {})
            self.inbox.put(Control(message["name"], arguments, message.get("reply_to")))
        elif message.get("type") == "refused":
            say(f"the server refuses: {message.get('detail', '')}")


def _say_of(event: Mapping[str, Any]) -> None:
    """Tell whoever looks at the terminal what the page has done to the run, or what failed."""
    params = event.get("params", {})
    if event["type"] == "state" and event["status"] == "paused":
        say(f"paused from the page at step {event['step']}; go on from there")
    elif event["type"] == "back":
        say(f"at step {event['step']} the page put back the state after step {event['to']}")
    elif event["type"] == "diagnosis" and event["code"] == "non-finite":
        say(f"not finite at step {event['step']}: {', '.join(params['scalars'])}; training goes on")
    elif event["type"] == "diagnosis" and event["code"] == "probe-failed":
        say(f"the panel {params['panel']} failed ({params['error']}); training goes on")
    elif event["type"] == "diagnosis" and event["code"] == "checkpoint-failed":
        say(f"no checkpoints from step {event['step']} on: {params['error']}; training goes on")


def _answer(step: int, reply_to: int, answer: Applied | Refused | None) -> dict[str, Any]:
    said: dict[str, Any] | None = None
    if isinstance(answer, Applied):
        said = {"changed": answer.changed, "knobs": answer.knobs}
    elif isinstance(answer, Refused):
        said = {"knob": answer.knob, "detail": answer.detail[:2000], "params": answer.params}
    return {"type": "answer", "reply_to": reply_to, "step": step, "answer": said}
