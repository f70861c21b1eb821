"""Can every component be exported as it says?

A network of each mixer that claims ONNX support is exported; its scores and multiply-adds in ONNX
Runtime must be those of the network. A network of each mixer that takes maps of any size is traced
for any size; the program must take three sizes exactly if the mixer says so. A few networks with
all other components are exported to ONNX. ``tests/contracts/test_mixers_onnx.py`` and
``tests/results/test_export_onnx.py`` make the same checks with samples. Disagreements are listed.
The last line is JSON; the exit code is 1 if there are any.

    python benchmarks/exports.py [--quick] [--only NAME ...] [--one-size] [--record]

With ``--record`` the mixers that could be exported to ONNX are added to the list of the tests,
which export each mixer that is not in it.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.errors import known_name

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.contracts.test_mixers_onnx import EXPORTED, around, assert_runs_in_onnx, takes_any_size
from tests.onnx_table import one_table
from tests.results.test_export_onnx import everything


def of_onnx(architecture: Architecture, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the ONNX file of a network."""
    try:
        assert_runs_in_onnx(architecture, folder / "net.onnx", 1e-4)
    except Exception as error:  # a difference, or whatever an exporter raises
        first = str(error).partition("\n")[0]
        yield f"ONNX: {type(error).__name__}: {first[:200]}"


def of_mixer(cls: type[TokenMixer], folder: Path, *, any_size: bool) -> Iterator[str]:
    """Yield what is wrong with the exports of a mixer; ``any_size``: also of those for any size."""
    if cls.exportable():
        yield from of_onnx(around(cls()), folder)
    if any_size and cls.any_resolution() and takes_any_size(cls()) != cls.any_size_program():
        yield f"a program for any size: must be {cls.any_size_program()}"


def record(name: str) -> None:
    """Add a mixer to the list of those that have been exported."""
    listed = {name, *EXPORTED.read_text().split()}
    EXPORTED.write_text("\n".join(sorted(listed)) + "\n")


def main() -> None:
    """Check all components, print the disagreements and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: one mixer")
    parser.add_argument("--only", nargs="*", default=[], help="only mixers of these names")
    parser.add_argument(
        "--one-size", action="store_true", help="no programs for any size, which take minutes"
    )
    parser.add_argument("--record", action="store_true", help="add mixers to the tests' list")
    options = parser.parse_args()
    names = [known_name("token mixer", each, MIXERS) for each in options.only] or [*MIXERS]
    every = not options.one_size
    rest = [] if options.only or options.quick else everything()
    started = time.perf_counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, one_table():
        looks = [
            *((each.outline(), of_onnx(each, Path(folder))) for each in rest),
            *((name, of_mixer(MIXERS[name], Path(folder), any_size=every)) for name in names),
        ]
        looks = looks[: 1 if options.quick else None]
        for name, look in looks:
            began = time.perf_counter()
            found = [f"{name}: {each}" for each in look]
            took = [f"{name}: {time.perf_counter() - began:.1f} s"]
            print(*(found or took), sep="\n", flush=True)
            wrong += found
            if options.record and not found and name in MIXERS and MIXERS[name].exportable():
                record(name)
    about = {
        "networks": len(looks),
        "disagreements": len(wrong),
        "seconds": time.perf_counter() - started,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    print(json.dumps(about))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
