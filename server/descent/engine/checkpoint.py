"""Everything needed to continue a run bit for bit, as bytes: safetensors and JSON, no pickle.

A checkpoint is taken between two steps and put back into an experiment that was built with the same seed and
the same fixed knobs, and given the live ones. So it holds what changed since: modules (parameters, buffers,
modes), optimizers, the attributes an experiment writes as it trains, and the random number generators.

An attribute's value is described by JSON in which a tensor is its name in the safetensors part. What an
experiment built and never replaced (data, functions, landscapes) is found there again and not kept; what is
`Transient` is not either.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from descent.contract import Experiment, Transient
from descent.engine import chance
from descent.wire import metadata_of

FORMAT = 1
IMMUTABLE = (bool, int, float, str, bytes, type, PurePath, Transient, torch.device, torch.dtype)


class CheckpointError(ValueError):
    """A checkpoint that cannot be taken or put back: which attribute, and why."""


class Checkpointer:
    """Takes checkpoints of one experiment, and puts them back.

    Made right after `build`: what is then an attribute, and still is the same object later, need not be
    kept unless it can change in place.
    """

    def __init__(self, experiment: Experiment[Any]) -> None:
        self._experiment = experiment
        self._built = dict(vars(experiment))
        self._copies: dict[str, Tensor] = {}  # of tensors as they were built, made when first needed
        self._versions = {
            name: value._version for name, value in self._built.items() if isinstance(value, Tensor)
        }

    def take(self) -> bytes:
        """The experiment as it is now. Raises `CheckpointError` for an attribute that cannot be kept."""
        tensors: dict[str, Tensor] = {}
        for name in vars(self._experiment).keys() - self._built.keys():
            raise CheckpointError(f"{name}: `build` must set every attribute that training writes")
        state = {
            name: _describe(value, name, tensors)
            for name, value in vars(self._experiment).items()
            if not self._is_as_built(name, value)
        }
        version, internal, gauss = random.getstate()
        kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
        drawn: dict[str, Any] = {"python": [version, list(internal), gauss]}
        drawn["numpy"] = [str(kind), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)]
        tensors["rng/torch"] = torch.get_rng_state()
        device = self._experiment.device
        if (own := chance.state_of(device)) is not None:
            tensors[f"rng/{device.type}"] = own
        header = {"format": str(FORMAT), "state": json.dumps(state), "chance": json.dumps(drawn)}
        return save_tensors({name: tensor.cpu() for name, tensor in tensors.items()}, header)

    def put_back(self, data: bytes) -> None:
        """Restore the experiment from `data`.

        Raises `CheckpointError` where `data` is damaged, or is no checkpoint of such an experiment.
        """
        try:
            tensors = load_tensors(data)
            header = metadata_of(data)
            state, drawn = json.loads(header["state"]), json.loads(header["chance"])
        except Exception as error:
            raise CheckpointError(f"this is no checkpoint: {error}") from error
        if int(header["format"]) != FORMAT:
            raise CheckpointError(f"its format is {header['format']}, this version reads {FORMAT}")
        attributes = vars(self._experiment)
        if strange := state.keys() - self._built.keys():
            raise CheckpointError(f"{', '.join(sorted(strange))[:200]}: the experiment has no such attribute")
        for name in attributes.keys() - self._built.keys():
            del attributes[name]
        for name, described in state.items():
            attributes[name] = _restore(attributes.get(name), described, name, tensors)
        version, internal, gauss = drawn["python"]
        random.setstate((version, tuple(internal), gauss))
        kind, keys, position, has_gauss, cached = drawn["numpy"]
        np.random.set_state((kind, np.array(keys, np.uint32), position, has_gauss, cached))
        torch.set_rng_state(tensors["rng/torch"])
        device = self._experiment.device
        chance.set_state_of(device, tensors.get(f"rng/{device.type}"))

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Context in which the experiment may step; its state is restored afterwards."""
        back = self.bookmark()
        try:
            yield
        finally:
            back()

    def bookmark(self) -> Callable[[], None]:
        """Save the experiment's state; returns a function that restores it, any number of times."""
        as_built = {n: v for n, v in vars(self._experiment).items() if self._is_as_built(n, v)}
        for name, value in as_built.items():
            if isinstance(value, Tensor) and name not in self._copies:
                self._copies[name] = value.detach().clone()
        kept = self.take()

        def back() -> None:
            self.put_back(kept)
            for name, value in as_built.items():
                vars(self._experiment)[name] = value
                if isinstance(value, Tensor) and value._version != self._versions[name]:
                    value.data.copy_(self._copies[name])

        return back

    def _is_as_built(self, name: str, value: object) -> bool:
        if self._built.get(name, self) is not value:
            return False
        if isinstance(value, Tensor):  # a fused optimizer writes parameters without counting it
            return not value.requires_grad and value._version == self._versions[name]
        return not _is_changeable(value)


def _is_changeable(value: object) -> bool:
    """Whether a value can change in place."""
    if value is None or isinstance(value, IMMUTABLE) or callable(value):
        return isinstance(value, nn.Module)
    if isinstance(value, tuple):
        return any(_is_changeable(item) for item in value)
    parameters = getattr(type(value), "__dataclass_params__", None)
    return not (parameters and parameters.frozen)


def _describe(value: object, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors put into `tensors` under their path."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            # Kept apart from what it may be a view of, and from what training writes into it later.
            tensors[path] = value.detach().clone().contiguous()
            return {"tensor": path, "device": value.device.type}
        case np.ndarray():
            tensors[path] = torch.from_numpy(value.copy())
            return {"array": path}
        case torch.Generator():
            tensors[path] = value.get_state()
            return {"generator": path}
        case nn.Module():
            named = [*value.named_parameters(), *value.named_buffers()]
            modes = {name: module.training for name, module in value.named_modules()}
            return {
                "module": {name: _describe(item, f"{path}.{name}", tensors) for name, item in named},
                "modes": modes,
            }
        case Optimizer():
            return {"optimizer": _describe(value.state_dict(), path, tensors), "kind": type(value).__name__}
        case list() | tuple() | set() | frozenset() | deque():
            items = [_describe(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
            if isinstance(value, tuple) and type(value) is not tuple:
                return {"built": type(value).__name__} if not _is_changeable(value) else {"named": items}
            return {_CONTAINERS[type(value)]: items}
        case Mapping():
            return {
                "dict": [
                    [_describe(key, path, tensors), _describe(item, f"{path}.{key}", tensors)]
                    for key, item in value.items()
                ]
            }
        case _ if not _is_changeable(value):
            return {"built": type(value).__name__}
        case _ if hasattr(value, "__dict__"):
            attributes = {
                name: _describe(item, f"{path}.{name}", tensors) for name, item in vars(value).items()
            }
            return {"object": attributes}
        case _:
            raise CheckpointError(f"{path}: a {type(value).__name__} cannot be kept")


_CONTAINERS = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}
_MAKE: Mapping[str, Callable[[list[Any]], Any]] = {name: kind for kind, name in _CONTAINERS.items()}


def _restore(present: Any, described: Any, path: str, tensors: Mapping[str, Tensor]) -> Any:
    """The value of `described`, written into `present` where possible, since others may refer to it."""
    kind, content = next(iter(described.items())) if isinstance(described, dict) else ("", described)
    _need_like(present, kind, content, path)
    match kind:
        case "":
            return content
        case "tensor":
            return _fill(present, tensors[content], described["device"], path)
        case "array":
            return tensors[content].numpy()
        case "generator":
            generator = present if isinstance(present, torch.Generator) else torch.Generator()
            return generator.set_state(tensors[content])
        case "module":
            _need(present, nn.Module, path)
            named = {**dict(present.named_parameters()), **dict(present.named_buffers())}
            if named.keys() != content.keys():
                raise CheckpointError(f"{path}: its parameters are {', '.join(content)}")
            for name, item in content.items():
                _restore(named[name], item, f"{path}.{name}", tensors)
            for name, module in present.named_modules():
                module.training = described["modes"][name]
            return present
        case "optimizer":
            _need(present, Optimizer, path)
            if type(present).__name__ != described["kind"]:
                raise CheckpointError(f"{path}: it was {described['kind']}, and is {type(present).__name__}")
            try:
                present.load_state_dict(_restore(None, content, path, tensors))
            except (ValueError, KeyError) as error:
                raise CheckpointError(f"{path}: {error}") from error
            return present
        case "dict":
            old = present if isinstance(present, Mapping) else {}
            pairs = [(_key(key), item) for key, item in content]
            return {key: _restore(old.get(key), item, f"{path}.{key}", tensors) for key, item in pairs}
        case "built":
            if type(present).__name__ != content:
                raise CheckpointError(f"{path}: it was a {content}, and is a {type(present).__name__}")
            return present
        case "object":
            for name, item in content.items():
                if name not in vars(present):
                    raise CheckpointError(f"{path}: a {type(present).__name__} has no {name}"[:200])
                vars(present)[name] = _restore(vars(present).get(name), item, f"{path}.{name}", tensors)
            return present
        case "named":
            old_items = list(present)
            return type(present)(
                *(
                    _restore(o, item, f"{path}.{i}", tensors)
                    for i, (o, item) in enumerate(zip(old_items, content, strict=True))
                )
            )
        case _:
            old_items = list(present) if isinstance(present, list | tuple | deque) else []
            items = [
                _restore(old_items[i] if i < len(old_items) else None, item, f"{path}.{i}", tensors)
                for i, item in enumerate(content)
            ]
            return _MAKE[kind](items)


def _key(described: Any) -> Any:
    """A dictionary's key: JSON's own, or a tuple."""
    return tuple(map(_key, described["tuple"])) if isinstance(described, dict) else described


def _fill(present: Any, tensor: Tensor, device: str, path: str) -> Tensor:
    if not isinstance(present, Tensor):
        return tensor.to(device)
    if present.shape == tensor.shape and present.dtype == tensor.dtype:
        with torch.no_grad():
            return present.copy_(tensor)
    if present.requires_grad:
        raise CheckpointError(f"{path}: its shape was {tuple(tensor.shape)}, and is {tuple(present.shape)}")
    return tensor.to(present.device)


def _need(present: object, kind: type, path: str) -> None:
    if not isinstance(present, kind):
        raise CheckpointError(f"{path}: there is no {kind.__name__} to put it into")


def _need_like(present: object, kind: str, content: object, path: str) -> None:
    """Raises `CheckpointError` for a value of another sort than the present one; None goes with any."""
    if isinstance(content, str) and kind == "":
        sorts: tuple[type, ...] = (str,)
    elif kind in ("", "tensor", "array"):
        sorts = (bool, int, float, Tensor, np.ndarray)
    elif kind in _MAKE:
        sorts = (list, tuple, set, frozenset, deque)
    else:
        sorts = {"dict": (Mapping,), "generator": (torch.Generator,)}.get(kind, (object,))
    if present is not None and content is not None and not isinstance(present, sorts):
        raise CheckpointError(f"{path}: it was another sort of value than a {type(present).__name__}")
