"""Which method of convolution with a kernel as large as the map is the fastest?

The depthwise, zero-padded methods have equal weights: direct (``conv2d``), torch's Fourier
transforms, and transforms written as matrix products (FlashFFTConv's Monarch decomposition). The
methods alternate, so that a change of the machine's load affects all. The last line is JSON.

    python benchmarks/long_kernels.py [--quick] [--device cpu] [--rounds N]
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from statistics import median

import torch
from nas_explorer.search_space.components.mixers.long_conv import LongConv, SquashedConvolution
from nas_explorer.search_space.shapes import Shape
from torch import Tensor
from torch.nn import functional as F

SHAPES = (Shape(96, 56, 56), Shape(192, 28, 28), Shape(384, 14, 14), Shape(768, 7, 7))


def ways(shape: Shape, device: str) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the methods by name, all with one kernel."""
    built: dict[str, SquashedConvolution] = {}
    for transform in ("fft", "monarch"):
        module = LongConv(skip=False, squash=0.0, transform=transform).build(shape)
        assert isinstance(module, SquashedConvolution)
        built[transform] = module.eval().to(device)
    built["monarch"].load_state_dict(built["fft"].state_dict())
    taps = built["fft"].kernel_CHW.detach().flip(-1, -2)[:, None]
    padding = (shape.height - 1, shape.width - 1)
    direct = {"conv2d": lambda x: F.conv2d(x, taps, padding=padding, groups=shape.channels)}
    return {**direct, **built}


def seconds(work: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    work(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measured(shape: Shape, device: str, rounds: int) -> dict[str, float | bool]:
    """Return the milliseconds of each method, and whether all results are equal."""
    torch.manual_seed(0)
    x = torch.randn(1, *shape, device=device)
    found = ways(shape, device)
    with torch.no_grad():
        maps = [work(x) for work in found.values()]
        rows = [{name: seconds(work, x) for name, work in found.items()} for _ in range(rounds)]
    same = all(torch.allclose(each, maps[0], rtol=1e-3, atol=1e-5) for each in maps)
    times = {name: 1000 * median(row[name] for row in rows) for name in found}
    return {**times, "equal": same}


def main() -> None:
    """Measure all shapes and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only the smallest map, two rounds")
    options = parser.parse_args()
    shapes = SHAPES[-1:] if options.quick else SHAPES
    rounds = 2 if options.quick else options.rounds
    table = {str(shape): measured(shape, options.device, rounds) for shape in shapes}
    print("milliseconds   conv2d      fft  monarch  equal")
    for name, row in table.items():
        times = " ".join(f"{row[way]:8.2f}" for way in ("conv2d", "fft", "monarch"))
        print(f"{name:12} {times}  {row['equal']}")
    machine = {"device": options.device, "machine": platform.machine(), "torch": torch.__version__}
    machine |= {"threads": torch.get_num_threads(), "quick": options.quick}
    print(json.dumps({"milliseconds": table, **machine}))


if __name__ == "__main__":
    main()
