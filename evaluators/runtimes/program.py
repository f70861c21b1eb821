"""Tracing of a network by torch's exporter, for any batch size."""

import io
import logging
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ...search_space.errors import WorkError
from ...search_space.shapes import Shape

MOST_IMAGES = 256
"""Largest batch of a program that takes any: ExecuTorch and Core ML need a bound, and the former
plans its memory for it."""

_CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class ExportError(WorkError):
    """An exported file does not reproduce the network; the message is one line with figures."""


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What terminals take for a colour."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name if it has none."""
    lines = _COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def root(error: BaseException) -> BaseException:
    """Return the error that an error was raised from, through all steps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def traced(
    network: nn.Module, shape: Shape, *, any_resolution: bool = False, batch: int | None = None
) -> torch.export.ExportedProgram:
    """Trace a network in eval mode.

    For any resolution, the images are not square, and large enough that every inner map exceeds one
    pixel in height and width: the tracer treats a side of 1 as a constant.

    Args:
        network: The network.
        shape: Shape of its images, (C, H, W).
        any_resolution: Whether the program takes images of any height and width.
        batch: Images in one pass; None: any number, from 1 to ``MOST_IMAGES``.

    Raises:
        ExportError: If the exporter cannot trace a component.
    """
    channels, height, width = shape
    if any_resolution:
        assert isinstance(network, Network), "only a network has a reduction"
        step = network.reduction
        height, width = (max(-(-side // step), 8) * step for side in (height, width))
        width += 4 * step
    # Two images: the tracer would treat a batch of one as a constant.
    images = torch.zeros(batch or 2, channels, height, width)
    free: dict[int, Any] = {}
    if batch is None:
        free[0] = torch.export.Dim("batch", min=1, max=MOST_IMAGES)
    if any_resolution:
        free |= dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    try:
        with quiet():
            return torch.export.export(network, (images,), dynamic_shapes=(free,), strict=False)
    except Exception as error:  # the exporter may raise anything
        raise untraceable(error) from error


def traced_parts(module: nn.Module, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """Trace a module of several inputs in eval mode, for any number of images, the same in each.

    Args:
        module: The module.
        inputs: Its inputs, for two images.

    Raises:
        ExportError: If the exporter cannot trace it.
    """
    batch = torch.export.Dim("batch")
    free = tuple({0: batch} for _ in inputs)
    try:
        with quiet():
            return torch.export.export(module, inputs, dynamic_shapes=(free,), strict=False)
    except Exception as error:  # the exporter may raise anything
        raise untraceable(error) from error


def untraceable(error: Exception) -> ExportError:
    """Return the error to raise where an exporter fails."""
    return ExportError(
        f"the network must be traceable by torch's exporters, but: {first_line(root(error))}"
    )


@contextmanager
def quiet() -> Generator[None]:
    """Suppress output, warnings and logs of the exporters; errors are still raised."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    unread = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(unread), redirect_stderr(unread):
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
