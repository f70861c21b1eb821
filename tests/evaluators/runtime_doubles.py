"""A made-up runtime that knows the scores of known images, and rulers that misbehave."""

import io
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from nas_explorer.evaluators.runtimes.graph_runtime import GraphRuntime
from nas_explorer.evaluators.runtimes.source import Source

ADAPTER = '''
"""Runs files of known scores: a pass looks its images up."""
import os
import signal
import sys

import numpy as np


name = "lookup"
packages = ("numpy",)


def load(folder, shape, threads, precision):
    print("a runtime that prints")  # goes to standard error
    found = np.load(folder / "known.npz")
    known = {name: found[name] for name in found}
    if known["fault"] == 1:
        raise ValueError("Unsupported operator: Fancy")
    died = os.path.exists(__file__ + ".died")
    if known["fault"] == 2 or (known["fault"] == 3 and not died):
        open(__file__ + ".died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)

    def run(images):
        same = (images[:, None] == known["images"][None]).all(axis=(2, 3, 4))
        return known["scores"][same.argmax(axis=1)]

    return run
'''


class Lookup(GraphRuntime):
    """A runtime whose files hold the scores of the known images."""

    name = "lookup"
    package = "numpy"
    fault = 0
    """1: the runtime refuses candidates; 2: it dies of them; 3: it dies of the first."""
    error = 0.0
    """Error of the scores of candidates."""

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the file of known scores; the sentinel has no fault."""
        known, scores = source.known(4)
        is_sentinel = type(source.network).__name__ == "Sentinel"
        buffer = io.BytesIO()
        np.savez(
            buffer,
            images=known,
            scores=scores + (0 if is_sentinel else self.error),
            fault=0 if is_sentinel else self.fault,
        )
        return {"known.npz": buffer.getvalue()}


def lookup(folder: Path, *, fault: int = 0, error: float = 0.0) -> type[Lookup]:
    """Return the runtime, with its adapter in a folder."""
    adapter = folder / "lookup_adapter.py"
    adapter.write_text(ADAPTER)
    fields = {"adapter": adapter, "fault": fault, "error": error, "__doc__": Lookup.__doc__}
    return type("Lookup", (Lookup,), fields)


MISBEHAVIOURS = """
import json, sys, time
HELLO = {"protocol": 1, "runtime": "lookup", "threads": 1, "precision": "float32",
         "version": "1.0", "versions": {}, "device": "board", "machine": "arm", "cores": 4}
mode = sys.argv[1]
def say(**reply):
    sys.stdout.write(json.dumps(reply) + "\\n")
    sys.stdout.flush()
for line in sys.stdin:
    request = json.loads(line)
    number, do = request["id"], request["do"]
    if do == "hello":
        if mode == "old":
            say(**{**HELLO, "protocol": 0, "id": number})
        elif mode == "other":
            say(**{**HELLO, "runtime": "openvino", "id": number})
        elif mode == "dies":
            sys.stderr.write("ssh: connect to host pi: No route to host\\n")
            sys.exit(255)
        else:
            say(**{**HELLO, "id": number})
    elif mode == "garbage":
        sys.stdout.write("Welcome to the board!\\n")
        sys.stdout.flush()
    elif mode == "hangs":
        time.sleep(60)
    elif mode == "beats":
        while True:
            say(beat=2.0)
            time.sleep(0.02)
    elif mode == "stale":
        say(id=number - 1)
    elif mode == "scores":
        say(id=number, scores={"shape": [4, 10], "float32": "AAAA"})
    elif do == "time":
        each = {"slow": 1e6, "fast": 1e-9, "none": 0.0, "nan": float("nan")}[mode]
        passes = [[[each, each]] * 2] * 5
        say(id=number, models={name: {"rounds": passes, "warmup_passes": 3, "stable": True}
                               for name in request["models"]})
    else:
        say(id=number)
"""


def misbehaving(folder: Path, mode: str) -> str:
    """Return the command of a ruler that misbehaves."""
    script = folder / "misbehaving.py"
    script.write_text(MISBEHAVIOURS)
    return shlex.join([sys.executable, "-S", str(script), mode])
