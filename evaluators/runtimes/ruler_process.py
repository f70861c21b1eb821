"""A ruler as the host sees it: a child process that is asked to load, run and time models.

The process may be on another device, through a command such as ``ssh pi python3 nas_ruler.py``.
Whatever it does (lie, hang, die, print garbage) raises ``RulerError``, which costs one candidate.
"""

import base64
import binascii
import json
import math
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..latency.clocks import Pass
from ..latency.settings import ROUNDS, LatencySettings
from ..latency.timing import Timing, timing_of
from . import ruler_script
from .nas_ruler import PROTOCOL, decoded, encoded

SILENCE = 30.0
"""Longest silence of a ruler, s; during a request it sends a heartbeat every 2 s."""
HELLO_SECONDS = 120.0
"""Longest time until the first reply, s: the start of the process, and of a connection."""
REQUEST_SECONDS = 300.0
"""Longest time of another request, s, besides the passes that are timed."""
_LONGEST_LINE = 1 << 28

_STDERR_LINES = 20
_LEAST_SHARE = 0.1
"""Least time of all passes, as a share of the least duration of the rounds."""

Array = NDArray[np.float32]


class RulerError(Exception):
    """A ruler did not do what it was asked; the message is one line."""

    def __init__(self, text: str, *, lost: bool, kind: str = "error") -> None:
        super().__init__(text)
        self.lost = lost
        """Whether the process is of no further use."""
        self.kind = kind
        """``refused`` if the runtime cannot do it, ``memory``, or ``error``."""


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a ruler says of itself."""

    runtime: str
    """Name of the runtime."""
    version: str
    """Version of the runtime."""
    versions: Mapping[str, str]
    """Versions of Python and of all packages used."""
    device: str
    """Name of the device."""
    machine: str
    """Kind of the processor."""
    cores: int | None
    """Number of its cores."""


class Ruler:
    """One ruler process; it ends with this object."""

    def __init__(
        self,
        runtime: str,
        *,
        command: str = "",
        threads: int = 1,
        precision: str = "float32",
        adapter: Path | None = None,
        silence: float = SILENCE,
        patience: float = REQUEST_SECONDS,
    ) -> None:
        """Start the process.

        Args:
            runtime: Name of the runtime.
            command: Command that runs a ruler; empty: the shipped one, in this Python.
            threads: Threads of one operation.
            precision: Precision of the arithmetic.
            adapter: File of the class that runs the runtime's files; None: the ruler knows it.
            silence: Longest silence, s.
            patience: Longest time of one request, s.

        Raises:
            RulerError: If the command cannot be run.
        """
        own = [
            sys.executable,
            str(ruler_script()),
            *(["--adapter", str(adapter)] if adapter else []),
        ]
        self.where = command or "the local ruler"
        self._asked = {"runtime": runtime, "threads": threads, "precision": precision}
        self._silence, self._patience = silence, patience
        self.loaded: set[str] = set()
        """Names of the models that the ruler holds."""
        self._number = 0
        self._hello: Hello | None = None
        self._line: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._errors: list[str] = []
        try:
            self._process = subprocess.Popen(
                shlex.split(command) if command else own,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for this process, which then ends the ruler
            )
        except (OSError, ValueError) as error:
            raise RulerError(f"{self.where} must run, but: {error}", lost=True) from error
        self._end = weakref.finalize(self, _end, self._process)
        assert self._process.stdout is not None and self._process.stderr is not None
        for target, arguments in (
            (_read_lines, (self._process.stdout, self._line)),
            (_read_errors, (self._process.stderr, self._errors)),
        ):
            threading.Thread(target=target, args=arguments, daemon=True).start()

    def close(self) -> None:
        """End the process."""
        self._end()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def hello(self) -> Hello:
        """Return what the ruler says of itself; it is asked once.

        Raises:
            RulerError: If it speaks another protocol, or does not have the runtime.
        """
        if self._hello is None:
            found = self.ask("hello", {"protocol": PROTOCOL, **self._asked}, HELLO_SECONDS)
            if found.get("protocol") != PROTOCOL:
                raise RulerError(
                    f"{self.where} must speak protocol {PROTOCOL}, but speaks "
                    f"{found.get('protocol')!r}: copy the script again (nas ruler -o FILE)",
                    lost=True,
                )
            for name, value in self._asked.items():
                if found.get(name) != value:
                    raise self._wrong(f"hello must repeat {name} {value!r}", found.get(name))
            self._hello = Hello(
                runtime=str(found["runtime"]),
                version=str(found.get("version", "")),
                versions={str(k): str(v) for k, v in dict(found.get("versions", {})).items()},
                device=str(found.get("device", "")),
                machine=str(found.get("machine", "")),
                cores=found.get("cores"),
            )
        return self._hello

    def load(self, model: str, files: Mapping[str, bytes], shape: Sequence[int]) -> None:
        """Send the files of a model and load it.

        Args:
            model: Name of the model in later requests.
            files: Contents by name.
            shape: Shape of its images, (B, C, H, W).

        Raises:
            RulerError: If the runtime refuses them, or the ruler fails.
        """
        self.hello()
        sent = {name: base64.b64encode(data).decode() for name, data in files.items()}
        self.ask("load", {"model": model, "files": sent, "shape": list(shape)}, self._patience)
        self.loaded.add(model)

    def run(self, model: str, images: Array) -> Array:
        """Return the scores of images.

        Raises:
            RulerError: As of ``load``.
        """
        found = self.ask("run", {"model": model, "images": encoded(images)}, self._patience)
        try:
            return decoded(found["scores"])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise self._wrong("scores must be an array", error) from None

    def time(self, models: Mapping[str, Array], settings: LatencySettings) -> list[Timing]:
        """Return the times of models, in turns in rounds, after the warm-up of all.

        Args:
            models: Images by name of model.
            settings: Durations and repetitions.

        Raises:
            RulerError: If the ruler fails, or the times are impossible.
        """
        asked = {
            "models": {name: encoded(images) for name, images in models.items()},
            "rounds": ROUNDS,
            "warmup_seconds": settings.warmup_seconds,
            "warmup_passes": settings.warmup_iterations,
            "repeats": settings.repeats,
            "min_seconds": settings.min_seconds,
            "max_seconds": settings.max_seconds,
        }
        start = time.perf_counter()
        found = self.ask("time", asked, self._patience)
        spent = 1e3 * (time.perf_counter() - start)
        try:
            timed = [
                _timing(found["models"][name], settings=settings, name=name) for name in models
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("the reply must have the times of all passes", error) from None
        total = sum(total for _, total in timed)
        if total > spent:
            rule = f"all passes must fit into the {spent:.0f} ms of the request"
            raise self._wrong(rule, f"{total:.6g} ms")
        return [timing for timing, _ in timed]

    def ask(self, do: str, request: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """Send a request, and return the reply.

        Raises:
            RulerError: If there is no reply in time, it is none, or it says that the request
                failed.
        """
        self._number += 1
        data = json.dumps({"id": self._number, "do": do, **request}).encode() + b"\n"
        threading.Thread(target=self._send, args=(data,), daemon=True).start()
        end = time.monotonic() + seconds
        # A program that starts, or a connection, may be silent all the time.
        silence = seconds if do == "hello" else min(seconds, self._silence)
        while True:
            left = end - time.monotonic()
            try:
                line = self._line.get(timeout=max(0.0, min(left, silence)))
            except queue.Empty:
                self.close()
                silent = (
                    f"said nothing for {silence:g} s" if left > self._silence else "took longer"
                )
                raise RulerError(
                    f"{self.where} must reply to {do!r} within {seconds:g} s, but {silent}",
                    lost=True,
                ) from None
            reply = self._read(line, do)
            if "beat" not in reply:
                break
        if reply.get("id") != self._number:
            raise self._wrong(f"the reply to {do!r} must have id {self._number}", reply.get("id"))
        if "error" in reply:
            text = " ".join(str(reply["error"]).split())[:500]
            raise RulerError(text, lost=False, kind=str(reply.get("kind", "error")))
        return reply

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # a dead process is seen by its end of output
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read(self, line: bytes, do: str) -> dict[str, Any]:
        if not line:
            self.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            last = f": {self._errors[-1]}" if self._errors else ""
            raise RulerError(
                f"{self.where} must reply to {do!r}, but ended with code "
                f"{self._process.returncode}{last}",
                lost=True,
            )
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise self._wrong("a reply must be a JSON object in one line", line[:60])
        return reply

    def _wrong(self, rule: str, given: object) -> RulerError:
        """End the process, which is not to be trusted, and return the error to raise."""
        self.close()
        return RulerError(f"{self.where}: {rule}, but got {given!r}", lost=True)


def _timing(
    reply: Mapping[str, Any], *, settings: LatencySettings, name: str
) -> tuple[Timing, float]:
    """Return the time of a model from a reply, and the sum of its passes in ms.

    Raises:
        ValueError: If a time is impossible.
    """
    rounds = [[(float(wall), float(own)) for wall, own in each] for each in reply["rounds"]]
    if len(rounds) != ROUNDS or not all(rounds):
        raise ValueError(f"{name} must have passes in {ROUNDS} rounds")
    for wall, own in (each for one in rounds for each in one):
        if not (math.isfinite(wall) and wall > 0 and math.isfinite(own) and own >= 0):
            raise ValueError(f"a pass of {name} must take a time, but took {wall!r} ms")
    total = sum(wall for one in rounds for wall, _ in one)
    if total < _LEAST_SHARE * 1e3 * settings.min_seconds:
        raise ValueError(f"passes of {name} must fill the rounds, but take {total:g} ms in all")
    passes = [
        [Pass(wall=wall, own=min(own, wall) if settings.threads == 1 else wall) for wall, own in e]
        for e in rounds
    ]
    timing = timing_of(
        passes, warmup_passes=int(reply["warmup_passes"]), stable=bool(reply["stable"])
    )
    return timing, total


def _read_lines(pipe: IO[bytes], lines: "queue.SimpleQueue[bytes]") -> None:
    """Put lines into a queue, and an empty one after the last."""
    with suppress(OSError, ValueError):
        while line := pipe.readline(_LONGEST_LINE):
            lines.put(line)
    lines.put(b"")


def _read_errors(pipe: IO[bytes], errors: list[str]) -> None:
    """Keep the last lines of a pipe."""
    with suppress(OSError, ValueError):
        while line := pipe.readline(_LONGEST_LINE):
            if text := line.decode(errors="replace").strip():
                errors[:] = [*errors[1 - _STDERR_LINES :], text[:200]]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children."""
    if process.poll() is not None:
        return
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
