"""Runs that train in scripts of their own: they come, go away for a while, come back, and end.

A script that is away goes on training. Its run counts as alive for some time; then it has failed, until the
script comes back with the key that it began the run with.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

from descent import errors
from descent.declared import Declaration, entry_of
from descent.declared.messages import RESTARTING, Answer, Declined, Hello
from descent.engine.messages import Applied, Control, Refused, Reply
from descent.protocol import Declared
from descent.runs import knobs as knob_check
from descent.runs.run import Run
from descent.runs.session import Sessions, script_away
from descent.runs.tags import one_line
from descent.workers.remote import RemoteWorker

AWAY = 30.0  # seconds after which a script that is not connected counts as gone
GONE = "script-gone"  # the reason of its run


class Scripts:
    """The runs whose training loop is someone's own, of one server."""

    def __init__(
        self, sessions: Sessions, find: Callable[[str], Awaitable[Run]], enter: Callable[..., Run]
    ) -> None:
        """`find`: a run by its id; `enter`: takes the fields of a new one. Both as of the manager."""
        self._sessions = sessions
        self._find = find
        self._enter = enter
        self._leaving: dict[str, asyncio.TimerHandle] = {}  # by run: when it counts as gone

    async def greet(self, hello: Hello, owner: str = "") -> tuple[Run, RemoteWorker]:
        """The run of a script, a new one, `owner`'s, or the one it has begun before, and what its
        commands go to.

        Raises `TooManyRuns`.
        """
        run = await self._known(hello) or self._new(hello, owner)
        worker = RemoteWorker()
        if run.worker is not None:  # a connection that nobody has noticed the end of
            run.worker.kill()
        run.worker = worker
        if timer := self._leaving.pop(run.id, None):
            timer.cancel()
        if run.ended:
            self._revive(run)
        if run.recorded is not None and not run.told:  # it was read from the record
            run.told = run.step
        self.declare(run, hello.declaration)
        run.watching = run.channel.watched()
        panels, fps = run.watching
        worker.send(Control("watch", {"panels": panels, "max_fps": fps}))
        return run, worker

    def declare(self, run: Run, told: Declaration) -> None:
        """Take in what a run declares of itself; its viewers hear where that is new."""
        entry = entry_of(told)
        if entry is run.entry:
            return
        assert run.declared is not None, run.id
        run.knobs = {**entry.knobs_type().model_dump(mode="json"), **run.knobs}
        run.entry = entry
        run.declared = {**run.declared, "declaration": told.model_dump(mode="json")}
        seq = run.channel.last_seq + 1
        event = Declared(seq=seq, step=run.step)
        run.channel.keep(seq, event.model_dump_json().encode(), binary=False)
        self._sessions.changed(run)

    def answer(self, run: Run, said: Answer) -> None:
        """Hand on the answer to a command."""
        answer: Applied | Refused | None = None
        if isinstance(said.answer, Declined):
            answer = Refused(said.answer.knob, said.answer.detail, said.answer.params)
        elif said.answer is not None:
            answer = Applied(said.step, said.answer.changed, said.answer.knobs)
        self._sessions.receive(run, Reply(run.channel.last_seq, said.step, said.reply_to, answer))

    async def keep(self, run: Run) -> None:
        """Have a script keep the state it has now. Raises `NotRecorded`, `WrongState`, `ScriptAway`,
        `NoAnswer` and `BadCheckpoint`.
        """
        await self._ask(run, "keep")

    async def go_back(self, run: Run, step: int, knobs: Mapping[str, Any]) -> None:
        """Have a script put back the last state it keeps at or before `step`, with some knobs changed.

        Raises `NotRecorded` where there is none, `BadKnob`, and what `keep` does.
        """
        checked = knob_check.check(run.entry, knobs, before=run.knobs)
        if run.own_loop and not any(kept <= step for kept in run.kept):
            raise errors.NotRecorded(f"the script keeps no state at or before step {step}", "step")
        await self._ask(run, "back", step=step, knobs={name: checked[name] for name in knobs})

    async def _ask(self, run: Run, name: Literal["keep", "back"], **arguments: Any) -> None:
        if not run.own_loop:
            raise errors.NotRecorded(
                "only a script's own loop is put back in place; branch this run instead", "run"
            )
        await self._sessions.need(run, "running", "paused")
        try:
            await self._sessions.ask(run, name, **arguments)
        except errors.BadKnob as error:
            if error.field != "step":
                raise
            raise errors.BadCheckpoint(error.detail, "step", cause=error.detail) from error

    def left(self, run: Run, worker: RemoteWorker) -> None:
        """The connection of a script has ended. It has some time to come back."""
        if run.worker is not worker:
            return
        run.worker = None
        if run.ended:
            return
        for reply in run.replies.values():
            if not reply.done():
                reply.set_exception(script_away(run))
        loop = asyncio.get_running_loop()
        self._leaving[run.id] = loop.call_later(AWAY, self._gone, run)

    def close(self, runs: Iterable[Run]) -> None:
        """The server ends: tell the scripts, so that they look for the next one."""
        for timer in self._leaving.values():
            timer.cancel()
        for run in runs:
            if isinstance(run.worker, RemoteWorker):
                run.worker.leave(RESTARTING, "the server ends")
                run.worker = None

    async def _known(self, hello: Hello) -> Run | None:
        if not hello.run:
            return None
        try:
            run = await self._find(hello.run)
        except errors.DescentError:
            return None
        key = (run.declared or {}).get("key", "")
        mine = hmac.compare_digest(str(key), _digest(hello.key))
        return run if mine and run.entry.id == hello.declaration.id and run.status != "finished" else None

    def _new(self, hello: Hello, owner: str) -> Run:
        entry = entry_of(hello.declaration)
        knobs = entry.knobs_type().model_dump(mode="json")
        told: dict[str, Any] = {"declaration": hello.declaration.model_dump(mode="json")}
        run = self._enter(
            entry=entry,
            knobs=knobs,
            built_with=knobs,
            began_with=knobs,
            seed=0,
            device=hello.device,
            step=hello.step,
            name=one_line(hello.declaration.name),
            owner=owner,
            declared={**told, "key": _digest(hello.key)},
        )
        run.become("starting")
        self._sessions.announce(run)
        return run

    def _revive(self, run: Run) -> None:
        run.ready = asyncio.Event()
        run.lost = False
        run.become("queued")
        run.become("starting")
        self._sessions.begin_recording(run)
        self._sessions.announce(run)

    def _gone(self, run: Run) -> None:
        self._leaving.pop(run.id, None)
        if run.worker is None and not run.ended:
            self._sessions.end(run, "failed", GONE)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
