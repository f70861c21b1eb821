"""Do the networks of the zoo compute what timm's networks of the same names compute?

For every published network that timm has, timm's network with random weights is built (nothing is
downloaded), its weights are copied into ours, and scores and gradients of the image are compared on
two small images where timm's network takes them. Differences are divided by the largest absolute
score, or gradient. The last line is JSON; the exit code is 1 if a difference is not below 1e-4,
or no network is compared.

    python benchmarks/zoo_functions.py [--quick] [--only PREFIX ...] [--largest PARAMETERS]
"""

import argparse
import itertools
import json
import math
import time
from dataclasses import replace
from typing import Any

import timm
import torch
from nas_explorer.results.final.timm_weights import in_our_order, our_weights, timms_form
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import ZOO, ZooEntry
from nas_explorer.search_space.zoo.names import plain_name
from torch import Tensor, nn

LIMIT = 1e-4
"""The largest relative difference of equal functions."""


NATIVE = ("swin", "twins")
"""Beginnings of the names of networks whose windows need the published size of images."""


def timms_name(entry: ZooEntry, known: dict[str, str]) -> str | None:
    """Return timm's name of a published network, or None."""
    names = map(plain_name, (entry.name, *entry.aliases))
    return next((known[name] for name in names if name in known), None)


def reference(name: str, side: int, **options: Any) -> nn.Module:
    """Return timm's network with random weights, for images of a given side."""
    try:
        model = timm.create_model(name, pretrained=False, img_size=side, **options)
    except TypeError:  # a network for images of any size
        model = timm.create_model(name, pretrained=False, **options)
    draw = torch.Generator().manual_seed(3)
    for key, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.dim() > 1:
            bound = (3 / value[0].numel()) ** 0.5  # of variance one over the number of inputs
            value.uniform_(-bound, bound, generator=draw)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=draw)
        elif value.dim() == 1:
            value.add_(0.2 * torch.randn(value.shape, generator=draw))
    return model.eval()


def run(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores, and gradients of a weighted sum of them by the images."""
    images = images.clone().requires_grad_()
    scores = module(images)
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(5))
    (scores * weights).sum().backward()
    assert images.grad is not None
    return scores.detach(), images.grad


def differences(architecture: Architecture, name: str, **options: Any) -> tuple[float, float]:
    """Return the relative differences of scores and of gradients of the image.

    Args:
        architecture: Our network, for images of the size to compare on.
        name: timm's name of the network.
        options: Options of timm's network.
    """
    model = reference(name, architecture.input.height, **options)
    architecture = timms_form(architecture, name)
    network = Network(architecture).eval()
    with torch.no_grad():
        network.load_state_dict(our_weights(architecture, in_our_order(model)))
    images = torch.randn(2, *architecture.input, generator=torch.Generator().manual_seed(2))
    pairs = zip(run(network, images), run(model, images), strict=True)
    scores, gradients = (
        float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs
    )
    return scores, gradients


def close(found: tuple[float, float]) -> bool:
    """Whether all differences are small; one that is no number is not."""
    return all(each <= LIMIT for each in found)


def rank(value: float) -> tuple[bool, float]:
    """Return a key that orders a value that is no number above all numbers."""
    return math.isnan(value), value


def main() -> int:
    """Compare, print a table and the JSON line; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--only", nargs="*", default=[""], help="only networks with these prefixes")
    parser.add_argument("--largest", type=float, default=4e8, help="most parameters of a network")
    parser.add_argument("--side", type=int, default=64, help="side of the images, if possible")
    given = parser.parse_args()
    known = {plain_name(name): name for name in timm.list_models()}
    found: dict[str, tuple[float, float]] = {}
    skipped: list[str] = []
    start = time.monotonic()
    for entry in ZOO.values():
        name = timms_name(entry, known)
        small = entry.printed_params is None or entry.printed_params <= given.largest
        if name is None or not entry.name.startswith(tuple(given.only)):
            continue
        if given.quick and found:
            break
        if not small:
            print(f"{entry.name:40s} skipped: more than {given.largest:.0e} parameters", flush=True)
            skipped.append(entry.name)
            continue
        side = entry.resolution if name.startswith(NATIVE) else given.side
        architecture = replace(entry.architecture, input=Shape(3, side, side))
        try:
            found[entry.name] = differences(architecture, name)
            shown = "  ".join(f"{each:.1e}" for each in found[entry.name])
            print(f"{entry.name:40s} {shown}  {side}", flush=True)
        except Exception as error:
            found[entry.name] = (float("inf"), float("inf"))
            print(f"{entry.name:40s} {type(error).__name__}: {error}", flush=True)
    if not found:
        limits = f"--only {given.only} and --largest {given.largest:g}"
        raise SystemExit(f"a network of timm must be left to compare, but {limits} leave none")
    apart = [name for name, each in found.items() if not close(each)]
    print(
        json.dumps(
            {
                "networks": len(found),
                "apart": apart,
                "skipped": skipped,
                "largest": max(itertools.chain(*found.values()), key=rank),
                "seconds": round(time.monotonic() - start),
                "timm": timm.__version__,
            }
        )
    )
    return 1 if apart else 0


if __name__ == "__main__":
    raise SystemExit(main())
