"""Typed errors: each has an HTTP status, a code the page can translate, and a sentence with the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import TypedDict


class ProblemDetails(TypedDict):
    """An error as RFC 9457 problem details: `code` says what is wrong, `field` where, `params` the values."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str
    params: dict[str, Any]


class DescentError(Exception):
    """An error a client caused and can mend. `detail` names the field; `params` are the values in it."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"

    def __init__(self, detail: str, field: str = "", **params: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.params = params

    def problem(self) -> ProblemDetails:
        """RFC 9457 problem details."""
        return {
            "type": "about:blank",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "field": self.field,
            "params": self.params,
        }


class UnknownExperiment(DescentError):
    """No experiment has this id."""

    status = 404
    code = "unknown-experiment"


class BrokenExperiment(DescentError):
    """The file of an experiment of one's own does not load; `file`, `line` and `reason` say where and why."""

    status = 409
    code = "broken-experiment"


class CodeChanged(DescentError):
    """The file of a run's experiment is not what it was when the run was made."""

    status = 409
    code = "code-changed"


class UnknownRun(DescentError):
    """No run has this id (any more)."""

    status = 404
    code = "unknown-run"


class UnknownPanel(DescentError):
    """The experiment has no such panel."""

    status = 404
    code = "unknown-panel"


class NoFrame(DescentError):
    """The panel has no frame at or before the asked step."""

    status = 404
    code = "no-frame"


class BadKnob(DescentError):
    """A knob that does not exist, or a value it cannot take."""

    status = 422
    code = "bad-knob"


class BadSchedule(DescentError):
    """A schedule that a knob cannot follow."""

    status = 422
    code = "bad-schedule"


class FixedKnob(DescentError):
    """A fixed knob cannot change within a run."""

    status = 409
    code = "fixed-knob"


class BadField(DescentError):
    """A field of a request is missing, unknown, or of the wrong type or range."""

    status = 422
    code = "bad-field"


class WrongState(DescentError):
    """The run's status does not allow the operation."""

    status = 409
    code = "wrong-state"


class BadArchive(DescentError):
    """An archive that is no bundle of a run; `entry` says where, `reason` why."""

    status = 422
    code = "bad-archive"


class BadPicture(DescentError):
    """A file that gives no picture; `reason` says why."""

    status = 422
    code = "bad-picture"


class BadFile(DescentError):
    """A file of one's own that is not what a knob needs; `reason` or the untranslated `message` says why."""

    status = 422
    code = "bad-file"


class TooManyRuns(DescentError):
    """As many runs are alive as the settings allow; `reason` is `each` where they are all one's own."""

    status = 429
    code = "too-many-runs"


class TooManySweeps(DescentError):
    """As many sweeps are under way as the settings allow; `reason` is `each` where they are one's own."""

    status = 429
    code = "too-many-sweeps"


class TooManyTables(DescentError):
    """As many tables of scalars are written as the settings allow, and others wait."""

    status = 429
    code = "too-many-tables"


class TooManyTaken(DescentError):
    """Weights of other runs are being taken, and others wait."""

    status = 429
    code = "too-many-taken"


class TooManyViewers(DescentError):
    """As many clients watch, a run or all of them, as the settings allow."""

    status = 429
    code = "too-many-viewers"


class TooManyConnections(DescentError):
    """As many connections are open as the settings, or the system's limit of open files, allow."""

    status = 429
    code = "too-many-connections"


class TooSlow(DescentError):
    """A request did not come to its end in time."""

    status = 408
    code = "too-slow"


class TooManyImports(DescentError):
    """A run is being imported, and another waits."""

    status = 429
    code = "too-many-imports"


class ImportsFull(DescentError):
    """Imported runs take as much of the store as the settings allow; `limit` in bytes."""

    status = 507
    code = "imports-full"


class SweepTooLarge(DescentError):
    """A sweep whose variants take more memory than the settings allow."""

    status = 422
    code = "sweep-too-large"


class SweepFailed(DescentError):
    """A sweep's worker could not begin, or ended early; `cause` says why."""

    status = 500
    code = "sweep-failed"


class TooLarge(DescentError):
    """A request body or an archive's entry over the limit."""

    status = 413
    code = "too-large"


class NotAllowed(DescentError):
    """The Host or Origin is not one this server answers to."""

    status = 403
    code = "not-allowed"


class NotSignedIn(DescentError):
    """This server asks for a key, and none came."""

    status = 401
    code = "not-signed-in"


class WrongToken(DescentError):
    """A key that does not open this server; `reason`: `stale` if it did once, else `wrong`."""

    status = 401
    code = "wrong-token"


class TooManyRequests(DescentError):
    """One person asks more often than the settings allow; `seconds` until the next request is answered."""

    status = 429
    code = "too-many-requests"


class TooManyTokens(DescentError):
    """Too many wrong keys came, from this address or in all; `seconds` until the next is looked at."""

    status = 429
    code = "too-many-tokens"


class NotPermitted(DescentError):
    """What is asked needs another role, or another's run: `reason`."""

    status = 403
    code = "not-permitted"


class UnknownKey(DescentError):
    """No key and no person has this id."""

    status = 404
    code = "unknown-key"


class TooManyPeople(DescentError):
    """There are as many keys, or people who came by one, as there can be: `most`."""

    status = 409
    code = "too-many-people"


class NotRecorded(DescentError):
    """The requested data is not in the record."""

    status = 409
    code = "not-recorded"


class NoWeights(DescentError):
    """The experiment trains without a model."""

    status = 409
    code = "no-weights"


class NoOnnx(DescentError):
    """The model cannot be written as ONNX; with the `reason` torch, `cause` says why."""

    status = 409
    code = "no-onnx"


class DifferentShape(DescentError):
    """A branch's knobs would make another model than the one whose weights it continues."""

    status = 409
    code = "different-shape"


class BadCheckpoint(DescentError):
    """A checkpoint that the run cannot be continued from; `cause` says why."""

    status = 409
    code = "bad-checkpoint"


class WorkerLost(DescentError):
    """The worker of a branch was killed, or crashed; `cause` says by what."""

    status = 500
    code = "worker-lost"


class OwnLoop(DescentError):
    """The run trains in a script of its own: its state cannot be built here."""

    status = 409
    code = "own-loop"


class ScriptAway(DescentError):
    """The script in which the run trains is not connected now."""

    status = 409
    code = "script-away"


class BadSaying(DescentError):
    """What a script's training loop said cannot be understood."""

    status = 422
    code = "bad-saying"


class NoScript(DescentError):
    """The run cannot be written as a script."""

    status = 409
    code = "no-script"


class NotInstalled(DescentError):
    """An optional part of Descent is not installed: `what`, which comes with the `extra`."""

    status = 501
    code = "not-installed"


class NotWritten(DescentError):
    """The store cannot be written to."""

    status = 507
    code = "not-written"


class NoAnswer(DescentError):
    """The run's worker did not answer in time; it may be in the middle of a long step."""

    status = 504
    code = "no-answer"


class UnknownFile(DescentError):
    """No file of one's own has this id (any more)."""

    status = 404
    code = "unknown-file"


class UnknownData(DescentError):
    """No data set has this name."""

    status = 404
    code = "unknown-data"


class FetchFailed(DescentError):
    """A data set could not be fetched; `reason` says why. It is the `problem` of a data set."""

    status = 502
    code = "fetch-failed"


class NoDevice(DescentError):
    """The device is not on this machine."""

    status = 422
    code = "no-device"


def again(problem: Mapping[str, Any]) -> DescentError:
    """The error whose problem details these are, as another process told them."""
    kind = next(kind for kind in DescentError.__subclasses__() if kind.code == problem["code"])
    return kind(problem["detail"], problem["field"], **problem["params"])
