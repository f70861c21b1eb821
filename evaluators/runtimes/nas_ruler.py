#!/usr/bin/env python3
"""The ruler: a process that runs and times model files in one runtime.

It is one file that needs Python 3.9, NumPy and the runtime alone, so that it can be copied to
another device (``nas ruler -o nas_ruler.py``). It reads requests from standard input and writes
replies to standard output, each a JSON object in one line. ``docs/runtimes.md`` describes the
protocol.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 1
"""Version of the protocol."""
BEAT = 2.0
"""Seconds between two heartbeats during a request."""
STABLE = 0.05
"""Largest relative difference of the medians of the last two windows of a stable warm-up."""
PATIENCE = 10.0
"""Longest warm-up that is not stable, as a multiple of its shortest duration."""

Array = NDArray[np.float32]
Run = Callable[[Array], Array]


class RequestError(Exception):
    """A request that cannot be done; the reply has its text."""


@dataclass(frozen=True)
class Adapter:
    """How a runtime runs model files, on the CPU."""

    load: Callable[[Path, list[int], int, str], Run]
    """Function from the folder of the files, the shape of the images (B, C, H, W), the threads and
    the precision to a function from images to scores."""
    packages: tuple[str, ...]
    """Distributions whose versions are reported; the first is the runtime's."""
    precisions: tuple[str, ...] = ("float32",)
    """Precisions of the arithmetic that can be asked for."""


def load_onnxruntime(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load an ONNX file in ONNX Runtime, which takes any batch."""
    ort: Any = importlib.import_module("onnxruntime")
    options: Any = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    file = str(folder / "model.onnx")
    session: Any = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def load_openvino(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load model.onnx or model.xml in OpenVINO, which by itself takes bfloat16."""
    core: Any = importlib.import_module("openvino").Core()
    model: Any = core.read_model(str(next(folder.glob("model.[ox]*"))))
    model.reshape(shape)
    config = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request: Any = core.compile_model(model, "CPU", config).create_infer_request()
    return lambda images: request.infer([images], share_inputs=True, share_outputs=True)[0]


def load_mnn(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load an MNN file, with its arithmetic set to float32."""
    module: Any = importlib.import_module("MNN")
    nn, expr = module.nn, module.expr
    config = {"backend": "CPU", "numThread": threads, "precision": "high"}
    file, manager = str(folder / "model.mnn"), nn.create_runtime_manager((config,))
    net = nn.load_module_from_file(file, ["image"], ["scores"], runtime_manager=manager)
    const, convert, order = expr.const, expr.convert, expr.NCHW
    return lambda images: np.array(
        convert(net.forward(const(images, list(images.shape), order)), order).read()
    )


def load_tract(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load an ONNX file of one batch in tract, which has one thread."""
    model: Any = importlib.import_module("tract").onnx().load(str(folder / "model.onnx"))
    model.set_input_fact(0, ",".join([*map(str, shape), "f32"]))
    runnable = model.into_model().into_runnable()
    return lambda images: runnable.run([images])[0].to_numpy()


def load_ncnn(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load a network in ncnn, which takes one image, with all its shorter numbers switched off."""
    ncnn: Any = importlib.import_module("ncnn")
    net = ncnn.Net()
    net.opt.use_vulkan_compute, net.opt.num_threads = False, threads
    for name in dir(net.opt):
        if any(kind in name for kind in ("fp16", "bf16", "int8")):
            setattr(net.opt, name, False)
    if net.load_param(str(folder / "model.param")) or net.load_model(str(folder / "model.bin")):
        raise ValueError("ncnn cannot load the files")

    def run(images: Array) -> Array:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(images[0]))
        code, found = extractor.extract("out0")
        if code:
            raise ValueError(f"ncnn ended with code {code}")
        return np.array(found)[None]

    return run


def load_executorch(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load a program of one batch in ExecuTorch."""
    torch: Any = importlib.import_module("torch")
    runtime: Any = importlib.import_module("executorch.runtime").Runtime
    pool: Any = importlib.import_module("executorch.extension.pybindings.portable_lib")
    pool._unsafe_reset_threadpool(threads)
    method = runtime.get().load_program(str(folder / "model.pte")).load_method("forward")
    return lambda images: method.execute([torch.from_numpy(images)])[0].numpy()


def load_litert(folder: Path, shape: list[int], threads: int, precision: str) -> Run:
    """Load a file of one batch in LiteRT."""
    module: Any = importlib.import_module("ai_edge_litert.interpreter")
    net = module.Interpreter(str(folder / "model.tflite"), num_threads=threads)
    net.allocate_tensors()
    given, found = (e[0]["index"] for e in (net.get_input_details(), net.get_output_details()))
    return lambda images: (net.set_tensor(given, images), net.invoke(), net.get_tensor(found))[2]


ADAPTERS: dict[str, Adapter] = {
    "onnxruntime": Adapter(load_onnxruntime, ("onnxruntime",)),
    "onnxruntime-int8": Adapter(load_onnxruntime, ("onnxruntime",)),
    "openvino": Adapter(load_openvino, ("openvino",), ("float32", "bfloat16")),
    "mnn": Adapter(load_mnn, ("mnn",)),
    "tract": Adapter(load_tract, ("tract",)),
    "ncnn": Adapter(load_ncnn, ("ncnn",)),
    "executorch": Adapter(load_executorch, ("executorch", "torch")),
    "litert": Adapter(load_litert, ("ai-edge-litert",)),
}
"""The adapters by the name of their runtime; ``--adapter`` adds to them."""


class Model:
    """A loaded model."""

    def __init__(self, run: Run, folder: object) -> None:
        self.run, self.folder = run, folder
        self.passes: list[list[tuple[float, float]]] = []
        self.warmup_passes = 0
        self.stable = False

    def time(self, images: Array) -> tuple[float, float]:
        """Return the wall time and the CPU time of one pass, ms."""
        own_start = time.process_time_ns()
        start = time.perf_counter_ns()
        self.run(images)
        wall = time.perf_counter_ns() - start
        own = time.process_time_ns() - own_start
        return wall / 1e6, own / 1e6

    def times(self) -> dict[str, Any]:
        """Return the times of all passes, for the reply."""
        warm = {"warmup_passes": self.warmup_passes, "stable": self.stable}
        return {"rounds": self.passes, **warm}

    def warm_up(self, images: Array, seconds: float, passes: int) -> None:
        """Run untimed passes until the medians of two windows of passes agree."""
        self.passes, self.warmup_passes, self.stable = [], 0, False
        start = time.perf_counter()
        before = 0.0
        while True:
            now = median(self.time(images)[0] for _ in range(passes))
            self.warmup_passes += passes
            low, high = sorted((now, before))
            self.stable = before > 0 and high - low <= STABLE * low
            before = now
            spent = time.perf_counter() - start
            if spent >= seconds and (self.stable or spent >= PATIENCE * seconds):
                return

    def round(self, images: Array, *, rounds: int, asked: Mapping[str, Any], alone: bool) -> None:
        """Time one round of passes, after an untimed one that refills the caches."""
        self.time(images)
        start = time.perf_counter()
        found: list[tuple[float, float]] = []
        undisturbed = 0
        while True:
            wall, own = self.time(images)
            found.append((float(f"{wall:.6g}"), float(f"{own:.6g}")))
            undisturbed += not alone or wall - own <= 0.02 * wall + 0.005
            spent = rounds * (time.perf_counter() - start)
            enough = rounds * undisturbed >= asked["repeats"] and spent >= asked["min_seconds"]
            if enough or (len(found) >= 2 and spent >= asked["max_seconds"]):
                break
        self.passes.append(found)


class Ruler:
    """Does the requests."""

    def __init__(self) -> None:
        self.adapter: Adapter | None = None
        self.threads, self.precision = 1, "float32"
        self.models: dict[str, Model] = {}

    def do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply to a request, without its number."""
        known = {"hello": self.hello, "load": self.load, "run": self.scores, "time": self.time}
        do = request.get("do")
        if do not in known:
            raise RequestError(f"do must be one of {', '.join(known)}, but got {do!r}")
        return known[do](request)

    def hello(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the runtime, its threads and its precision; reply with versions and device."""
        name, precision = request["runtime"], request.get("precision", "float32")
        if name not in ADAPTERS:
            raise RequestError(f"runtime must be one of {', '.join(ADAPTERS)}, but got {name!r}")
        adapter = ADAPTERS[name]
        if precision not in (known := adapter.precisions):
            raise RequestError(f"precision must be one of {', '.join(known)}, but got {precision}")
        found = {each: version_of(each) for each in ("numpy", *adapter.packages)}
        if not found[adapter.packages[0]]:
            raise RequestError(f"{adapter.packages[0]} must be installed on the device, but is not")
        self.adapter, self.precision = adapter, precision
        self.threads = int(request.get("threads", 1))
        return {
            "protocol": PROTOCOL,
            "runtime": name,
            "version": found[adapter.packages[0]],
            "versions": {"python": platform.python_version(), **found},
            "precision": precision,
            "threads": self.threads,
            "device": device_name(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        }

    def load(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Load a model from files, sent in base64."""
        if self.adapter is None:
            raise RequestError("hello must be the first request")
        folder = tempfile.TemporaryDirectory(prefix="nas-ruler-")
        for name, text in request["files"].items():
            if Path(name).name != name:
                raise RequestError(f"the name of a file must have no folder, but got {name!r}")
            (Path(folder.name) / name).write_bytes(base64.b64decode(text))
        place, shape = Path(folder.name), request["shape"]
        run = self.adapter.load(place, shape, self.threads, self.precision)
        self.models[request["model"]] = Model(run, folder)
        return {}

    def scores(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a model once, and reply with its scores."""
        found = np.asarray(self._model(request["model"]).run(decoded(request["images"])))
        return {"scores": encoded(found.astype(np.float32))}

    def time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Time several models in turns, after the warm-up of all; reply with every pass."""
        rounds, alone = int(request["rounds"]), self.threads == 1
        pairs = [(self._model(name), decoded(images)) for name, images in request["models"].items()]
        for model, images in pairs:
            model.warm_up(images, request["warmup_seconds"], int(request["warmup_passes"]))
        for _ in range(rounds):
            for model, images in pairs:
                model.round(images, rounds=rounds, asked=request, alone=alone)
        return {"models": {name: self.models[name].times() for name in request["models"]}}

    def _model(self, name: str) -> Model:
        if name not in self.models:
            raise RequestError(f"a model must be loaded first, but got {name!r}")
        return self.models[name]


def encoded(array: Array) -> dict[str, Any]:
    """Return an array as JSON values: its shape, and its float32 numbers in base64."""
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(data).decode()}


def decoded(stated: Mapping[str, Any]) -> Array:
    """Return the array of ``encoded``."""
    data = np.frombuffer(base64.b64decode(stated["float32"]), dtype="<f4")
    return data.astype(np.float32).reshape(stated["shape"])


def version_of(package: str) -> str:
    """Return the version of an installed distribution; empty if it is not installed."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""


def device_name() -> str:
    """Return the name of the board or the processor."""
    with suppress(OSError):
        return Path("/proc/device-tree/model").read_text().strip("\0\n ")
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Line:
    """The line to the host: replies and heartbeats."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", 0)
        os.dup2(2, 1)  # what a runtime prints must not come between the replies
        self._lock = threading.Lock()

    def send(self, reply: Mapping[str, Any]) -> None:
        """Write a reply."""
        data = json.dumps(reply).encode() + b"\n"
        with self._lock:
            rest = memoryview(data)
            while rest:
                rest = rest[self._out.write(rest) or 0 :]

    @contextmanager
    def beating(self) -> Generator[None]:
        """Write a heartbeat every ``BEAT`` seconds inside."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT):
                self.send({"beat": BEAT})

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def reply_to(ruler: Ruler, line: bytes) -> dict[str, Any]:
    """Return the reply to one line."""
    number: object = None
    try:
        request = json.loads(line)
        number = request.get("id")
        return {"id": number, **ruler.do(request)}
    except RequestError as error:
        return {"id": number, "error": str(error), "kind": "request"}
    except MemoryError:
        return {"id": number, "error": "no memory left", "kind": "memory"}
    except Exception as error:  # runtimes raise anything
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return {"id": number, "error": text[:500], "kind": "refused"}


def main() -> None:
    """Do requests until standard input ends."""
    parser = argparse.ArgumentParser(description="Runs and times model files; docs/runtimes.md")
    parser.add_argument("--adapter", metavar="FILE", help="file of a further runtime")
    asked = parser.parse_args()
    line = Line()
    if asked.adapter:
        found = importlib.util.spec_from_file_location("nas_ruler_adapter", asked.adapter)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        precisions = getattr(module, "precisions", ("float32",))
        ADAPTERS[module.name] = Adapter(module.load, module.packages, precisions)
    ruler = Ruler()
    for request in sys.stdin.buffer:
        with line.beating():
            reply = reply_to(ruler, request)
        line.send(reply)


if __name__ == "__main__":
    main()
