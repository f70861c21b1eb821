"""Do the networks of the zoo compute what timm's networks of the same name compute?

Each published network that timm has too gets the random weights of timm's network, by the mapping
of warm starts, on small images. Scores, the gradient of their squares by the image, and the scores
of the folded form must agree with timm's within 1e-4 of their largest value. Differences are
listed. The last line is JSON; the exit code is 1 if a network differs, or none is compared.

    python benchmarks/zoo_timm.py [--quick] [--side N] [--only PREFIX ...] [--largest PARAMETERS]
"""

import argparse
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from typing import Any, NamedTuple

import timm
import torch
from nas_explorer.results.final.timm_weights import in_our_order, our_weights, timms_form
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.components.layers.folding import foldable
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import ZOO, ZooEntry
from nas_explorer.search_space.zoo.names import plain_name
from torch import Tensor, nn

CLOSE = 1e-4
"""Largest difference of equal functions, as a share of the largest value."""
NATIVE = ("crossvit", "swin", "twins", "maxvit", "halonet", "sehalonet")
"""Prefixes of timm's names of networks with windows or tokens for the published size of images."""


class Differences(NamedTuple):
    """Largest differences between our network and timm's, as shares of the largest value."""

    scores: float
    """Of the scores."""
    gradient: float
    """Of the gradient by the image."""
    folded: float | None
    """Of the folded form's scores; None if the network does not fold."""

    @property
    def known(self) -> list[float]:
        """The differences of all forms that the network has."""
        return [each for each in self if each is not None]

    @property
    def close(self) -> bool:
        """Whether all differences are small; one that is no number is not."""
        return all(each < CLOSE for each in self.known)

    def __str__(self) -> str:
        return " ".join("unfolded" if each is None else f"{each:.0e}" for each in self)


def pairs(prefixes: tuple[str, ...]) -> Iterator[tuple[ZooEntry, str]]:
    """Yield the networks that timm has too, with timm's names."""
    known = {plain_name(name): name for name in timm.list_models()}
    for entry in ZOO.values():
        names = [plain_name(name) for name in (entry.name, *entry.aliases)]
        found = next((known[name] for name in names if name in known), None)
        if found and entry.name.lower().startswith(prefixes):
            yield entry, found


def reference(name: str, side: int, **options: Any) -> nn.Module:
    """Return timm's network for images of a side, with random weights that keep the scale."""
    model = timm.create_model(name, pretrained=False, **options)
    if any("img_size" in signature(cls.__init__).parameters for cls in type(model).mro()):
        model = timm.create_model(name, pretrained=False, img_size=side, **options)
    return drawn(model)


def drawn(model: nn.Module) -> nn.Module:
    """Return a network for evaluation, with random weights that keep the scale."""
    draw = torch.Generator().manual_seed(3)
    for key, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.dim() > 1:
            bound = (3 / value[0].numel()) ** 0.5  # of variance one over the number of inputs
            value.uniform_(-bound, bound, generator=draw)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=draw)
        else:
            value.add_(0.1 * torch.randn(value.shape, generator=draw))
    return model.eval()


def run(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores and the gradient of the sum of their squares by the images."""
    images = images.clone().requires_grad_()
    scores = network(images)
    (gradient,) = torch.autograd.grad(scores.square().sum(), images)
    return scores.detach(), gradient


def off(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference as a share of the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def compare(architecture: Architecture, name: str, **options: Any) -> Differences:
    """Compare a network with timm's.

    Args:
        architecture: Our network, for square images of the size to compare on.
        name: timm's name of the network.
        options: Options of timm's network.
    """
    side, classes = architecture.input.height, architecture.classes
    model = reference(name, side, num_classes=classes, **options)
    return differences(architecture, model, name)


def differences(architecture: Architecture, model: nn.Module, name: str) -> Differences:
    """Return the differences of our network and timm's with the same weights.

    Args:
        architecture: Our network.
        model: timm's network.
        name: timm's name of the network.
    """
    architecture = timms_form(architecture, name)
    network = Network(architecture).eval()
    network.load_state_dict(our_weights(architecture, in_our_order(model)))
    images = torch.randn(2, *architecture.input, generator=torch.Generator().manual_seed(2))
    scores, gradient = run(model, images)
    ours = run(network, images)
    folded = None
    if foldable(network):
        with torch.no_grad():
            folded = off(network.folded()(images), scores)
    return Differences(off(ours[0], scores), off(ours[1], gradient), folded)


def padded(name: str) -> dict[str, Any]:
    """Return the options that give a network of timm equal padding on both sides, as ours have."""
    return {"conv_padding": ""} if re.match(r"maxvit_\w+_tf_", name) else {}


def rank(value: float) -> tuple[bool, float]:
    """Return a key that orders a value that is no number above all numbers."""
    return math.isnan(value), value


def main() -> None:
    """Compare all networks, print the differences and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--side", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--only", nargs="*", default=[""], help="prefixes of names")
    parser.add_argument("--largest", type=float, default=4e8, help="most parameters of a network")
    options = parser.parse_args()
    started = time.perf_counter()
    compared: list[tuple[ZooEntry, str]] = []
    skipped: list[str] = []
    for entry, name in pairs(tuple(options.only)):
        if (entry.printed_params or 0) <= options.largest:
            compared.append((entry, name))
        else:
            print(f"{entry.name}: skipped, more than {options.largest:.0e} parameters", flush=True)
            skipped.append(entry.name)
    if not compared:
        limits = f"--only {options.only} and --largest {options.largest:g}"
        raise SystemExit(f"a network of timm must be left to compare, but {limits} leave none")
    compared = compared[: 1 if options.quick else None]
    worst, wrong = 0.0, []
    for entry, name in compared:
        side = entry.resolution if name.startswith(NATIVE) else options.side
        architecture = replace(entry.architecture, input=Shape(3, side, side))
        try:
            found = compare(architecture, name, **padded(name))
        except (AssertionError, InputError, RuntimeError) as error:  # other weights, or sizes
            print(f"{entry.name}: {str(error).splitlines()[0]}", flush=True)
            wrong.append(entry.name)
            continue
        print(f"{entry.name:26} {name:26} {found}", flush=True)
        worst = max(worst, *found.known, key=rank)
        if not found.close:
            wrong.append(entry.name)
    about = {
        "networks": len(compared),
        "apart": wrong,
        "skipped": skipped,
        "largest_difference": worst,
        "seconds": time.perf_counter() - started,
        "torch": torch.__version__,
        "timm": timm.__version__,
    }
    print(json.dumps(about))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
