"""How much memory does a process need for large data sets? Made-up JPEG files are packed into a tar
archive, decoded, and used for one epoch of training, in a process of its own. Its peak is compared
with the size of the decoded images. Anonymous memory counts, not the parts of the mapped file that
the operating system may drop. The last line is JSON.

    python benchmarks/memory.py [--images 50000] [--side 224] [--folder FOLDER] [--quick]
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = 10


def write_archive(path: Path, count: int, side: int) -> None:
    """Write made-up colour images of a few large shapes, all different."""
    random = np.random.default_rng(0)
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            pixels = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            out = io.BytesIO()
            Image.fromarray(pixels).resize((side, side)).save(out, "JPEG", quality=60)
            for ending, content in (("jpg", out.getvalue()), ("cls", b"%d" % (number % CLASSES))):
                info = tarfile.TarInfo(f"{number:07d}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def anonymous() -> int:
    """Return the anonymous memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) * 1024 for each in lines if each.startswith("RssAnon"))


class Peak:
    """Samples the anonymous memory until it is asked for the peak."""

    def __init__(self) -> None:
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._peak = max(self._peak, anonymous())

    def end(self) -> int:
        """Return the peak in bytes."""
        self._over.set()
        self._thread.join()
        return max(self._peak, anonymous())


def measure(archive: Path, cache: Path) -> dict[str, Any]:
    """Load the data and train for one epoch; return times and peaks above the start."""
    import torch
    from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
    from nas_explorer.evaluators.accuracy.recipe import Recipe
    from nas_explorer.evaluators.accuracy.training.loop import train

    start, began, peak = anonymous(), time.perf_counter(), Peak()
    side = json.loads(os.environ["NAS_BENCHMARK_SIDE"])
    data = load_search_data(DataSpec(name=f"shards:{archive}", resolution=side), cache=cache)
    loaded, load_peak, peak = time.perf_counter(), peak.end(), Peak()
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 16, stride=16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, CLASSES),
    )
    train(model, data, Recipe(epochs=1), seed=0, device=torch.device("cpu"))
    return {
        "load_seconds": loaded - began,
        "epoch_seconds": time.perf_counter() - loaded,
        "load_peak": load_peak - start,
        "epoch_peak": peak.end() - start,
        "fingerprint": data.fingerprint,
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--folder", type=Path, help="folder for the files; by default temporary")
    parser.add_argument("--quick", action="store_true", help="400 images of 32 pixels")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return
    if options.quick:
        options.images, options.side = 400, 32
    os.environ["NAS_BENCHMARK_SIDE"] = str(options.side)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        archive, cache = Path(folder) / "images.tar", Path(folder) / "cache"
        write_archive(archive, options.images, options.side)
        command = [sys.executable, __file__, "--child", str(archive), str(cache)]
        found: dict[str, dict[str, Any]] = {}
        for part in ("first process", "next process"):
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[part] = json.loads(done.stdout.splitlines()[-1])
    size = options.images * 3 * options.side**2
    print(f"{options.images} images of {options.side} pixels, decoded {size / 1e9:.2f} GB")
    for part, each in found.items():
        print(
            f"{part}: {each['load_seconds']:.0f} s to load with {each['load_peak'] / 1e9:.2f} GB, "
            f"{each['epoch_seconds']:.0f} s an epoch with {each['epoch_peak'] / 1e9:.2f} GB"
        )
    line = {
        "benchmark": "memory",
        "images": options.images,
        "side": options.side,
        "decoded_bytes": size,
        "processes": found,
        "device": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
