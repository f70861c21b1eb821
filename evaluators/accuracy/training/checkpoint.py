"""The state of an interrupted training in a safetensors file, whose content is never executed."""

import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_log = logging.getLogger(__name__)

SECONDS = 10.0
"""Least time of training between two writes, s: a kill costs no more than this and one epoch."""


class Checkpoint:
    """The file of one training's state, written between epochs and removed at the end."""

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        """Set the path and the key of the state of one training.

        Args:
            path: The file; its folder is made when it is written.
            key: All that the training depends on, as JSON values: a state of another key is not
                used.
        """
        self._path = path
        self._key = json.dumps(key, sort_keys=True)
        self._written = time.perf_counter()

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and further values of the state, or None if no usable state is stored."""
        try:
            with safe_open(self._path, framework="pt") as file:
                header = dict(file.metadata() or {})
                if header.get("key") != self._key:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(header["values"])
        except (SafetensorError, OSError, ValueError, LookupError):
            return None

    def write(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a state atomically, unless one was written just before; a failure is logged."""
        if time.perf_counter() - self._written < SECONDS:
            return
        own = {
            name: each.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, each in tensors.items()
        }
        data = save(own, {"key": self._key, "values": json.dumps(values)})
        temporary = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".training.")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(self._path)
        except OSError as error:
            _log.warning("the training's state is not stored in %s: %s", self._path, error)
            if temporary is not None:
                with suppress(OSError):
                    Path(temporary).unlink()
        self._written = time.perf_counter()

    def remove(self) -> None:
        """Remove the file, if there is one."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
