"""Is attention by torch's flex_attention faster than the plain form, and where?

Neighbourhood attention and shifted windows on a square map, 56 x 56 by default: the plain form, its
compiled form, and the compiled form of flex_attention, in turns, forward and, on a GPU, forward
with backward (flex_attention has no gradients on a CPU). Outputs are compared with the plain form.
Ratios are medians of the plain form's time over the other's. The last line is JSON; the exit code
is 1 if an output differs.

    python benchmarks/flex.py [--device cpu|cuda] [--side 56] [--batch 1] [--rounds 7]
        [--dtype float32|bfloat16] [--quick]
"""

import argparse
import json
import platform
import statistics
import time
from typing import Any

import torch
from nas_explorer.search_space.components.attention.flex import with_flex_attention
from nas_explorer.search_space.components.mixers.neighbourhood import NeighbourhoodMixer
from nas_explorer.search_space.components.mixers.windowed import WindowAttention
from nas_explorer.search_space.shapes import Shape
from torch import nn

MIXERS: dict[str, Any] = {
    "neighbourhood 7x7": NeighbourhoodMixer(head_dim=16, kernel_size=7),
    "neighbourhood 13x13": NeighbourhoodMixer(head_dim=16, kernel_size=13),
    "windows 7x7, shifted": WindowAttention(
        head_dim=16, window_height=7, window_width=7, shifted=True
    ),
}
CHANNELS = 64
LARGEST = {"float32": 1e-4, "bfloat16": 5e-2}
"""The largest difference of an output, relative to the largest output, by type."""


def seconds(module: nn.Module, images: torch.Tensor, backward: bool) -> float:
    """Return the time of one pass."""
    started = time.perf_counter()
    if backward:
        module(images).square().mean().backward()
    else:
        with torch.inference_mode():
            module(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the ratios of one mixer and the largest difference."""
    torch.compiler.reset()
    torch.manual_seed(0)
    shape = Shape(CHANNELS, options.side, options.side)
    dtype = getattr(torch, options.dtype)
    plain = MIXERS[name].build(shape).to(options.device, dtype)
    for each in plain.parameters():
        each.data.normal_(0, 0.1)
    flexible, _ = with_flex_attention(plain)
    forms = {
        "plain": plain,
        "compiled": torch.compile(plain),
        "flex": torch.compile(flexible),
    }
    images = torch.randn(options.batch, *shape, device=options.device, dtype=dtype)
    with torch.inference_mode():
        scores = {form: module(images).float() for form, module in forms.items()}
    found = {
        "difference": max(
            float((each - scores["plain"]).abs().max() / scores["plain"].abs().max())
            for each in scores.values()
        )
    }
    for what in ("forward", "training") if options.device == "cuda" else ("forward",):
        times: dict[str, list[float]] = {form: [] for form in forms}
        for _ in range(options.rounds + 1):
            for form, module in forms.items():
                times[form].append(seconds(module, images, what == "training"))
        medians = {form: statistics.median(spent[1:]) for form, spent in times.items()}
        for form in ("compiled", "flex"):
            found[f"{what} {form}"] = medians["plain"] / medians[form]
    return found


def main() -> None:
    """Compare all mixers, print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--side", type=int, default=56)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", default="float32", choices=tuple(LARGEST))
    parser.add_argument("--quick", action="store_true", help="a smoke run: one mixer, a small map")
    options = parser.parse_args()
    if options.quick:
        options.side, options.rounds = 8, 1
    found: dict[str, dict[str, float]] = {}
    for name in list(MIXERS)[: 1 if options.quick else None]:
        found[name] = compare(name, options)
        print(name, *(f"{key} {value:.3g}" for key, value in found[name].items()), sep="  ")
    about = {
        "side": options.side,
        "batch": options.batch,
        "dtype": options.dtype,
        "mixers": found,
        "device": options.device,
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    print(json.dumps(about))
    fine = all(each["difference"] <= LARGEST[options.dtype] for each in found.values())
    raise SystemExit(not fine)


if __name__ == "__main__":
    main()
