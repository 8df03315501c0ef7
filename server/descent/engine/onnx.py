"""The model of an experiment as ONNX, which many programs run: what its `exported` names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from descent.errors import NoOnnx, NotInstalled

NOISY = "torch.onnx"  # a logger that tells which optional packages are missing


def as_onnx(module: nn.Module, example: torch.Tensor) -> bytes:
    """The module in eval mode as an ONNX file. Its input is `input`, with any number of rows.

    Raises `NotInstalled` without the extra, and `NoOnnx` where torch cannot write such a model.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            "models are written by ONNX: pip install 'descent-playground[onnx]'",
            "format",
            what="ONNX",
            extra="onnx",
        ) from error
    module.eval()
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["input"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            )
            assert program is not None
            data: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # whatever torch's exporter raises: the model is its input
        first = error  # what it was wrapped around says what is wrong with the model
        while first.__cause__ is not None:
            first = first.__cause__  # type: ignore[assignment]
        cause = str(first).strip().splitlines()[0][:200]
        raise NoOnnx(
            f"torch cannot write this model as ONNX: {error}", "format", reason="torch", cause=cause
        ) from error
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Context in which torch tells nothing of its own parts that are to be replaced."""
    logger = logging.getLogger(NOISY)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
