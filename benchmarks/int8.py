"""What does int8 cost, and what does it gain? Five networks of different token mixers are trained
briefly on digits, enlarged to 32 x 32, and quantised. For each, in the same runtime: the time by
that of float32 (batch 1 and 8), the signal-to-noise ratio of the scores, the top-1 agreement, the
accuracy in both, the size of the file by that of float32, and the part that loses most.

    python benchmarks/int8.py [--networks A,B,...] [--epochs N] [--width N] [--out FILE] [--quick]

With --out, finished networks are kept in a file of JSON lines, and are not measured again.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.results.export.int8 import Int8Plan, time_ratios
from nas_explorer.results.export.int8_forms import InBothForms, calibration
from nas_explorer.results.export.int8_onnx import OnnxQuantiser
from nas_explorer.results.export.networks import trained_network
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp
from nas_explorer.search_space.components.downsampling import ConvDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.shapes import Shape
from torch import Tensor

NETWORKS = ("basic_conv", "separable_conv", "large_kernel_conv", "attention", "pooling")
SIDE = 32


def network(mixer: str, width: int) -> Architecture:
    """Return a network of two stages with one token mixer."""
    cls = TABLES[TokenMixer][mixer]
    chosen = cls()
    assert isinstance(chosen, TokenMixer)
    block = MetaFormerBlock(mixer=chosen, channel_mixer=Mlp())
    return Architecture(
        input=Shape(1, SIDE, SIDE),
        classes=10,
        stem=ConvStem(),
        stages=(
            Stage(width=width, depth=2, blocks=(block,)),
            Stage(width=2 * width, depth=2, blocks=(block,), downsampling=ConvDownsampling()),
        ),
        head=PooledHead(),
    )


def enlarged(images: Tensor) -> Tensor:
    """Return images of 8 x 8 as images of ``SIDE`` x ``SIDE``."""
    large = torch.nn.functional.interpolate(images.float(), size=SIDE, mode="bilinear")
    return large.round().to(torch.uint8)


def digits() -> SearchData:
    """Return the digits, enlarged."""
    data = load_search_data(DataSpec(name="digits"))
    return replace(
        data,
        train_images=enlarged(data.train_images[:]),
        validation_images=enlarged(data.validation_images[:]),
    )


def measured(mixer: str, width: int, epochs: int, data: SearchData) -> dict[str, Any]:
    """Train one network, and compare it in int8 and in float32."""
    kept: list[Any] = []
    evaluator = AccuracyEvaluator(
        data=data,
        recipe=Recipe(epochs=epochs, batch_size=32, lr=4e-3),
        seed=0,
        device=torch.device("cpu"),
        keep=lambda architecture, weights, provenance: kept.append(dict(weights)),
    )
    architecture = network(mixer, width)
    evaluator.measure(architecture)
    plan = Int8Plan(data=data, seed=0, trained=False)  # a broken accuracy is a result here
    trained, images = trained_network(architecture, kept[0]), calibration(plan)
    both = InBothForms(trained, plan, OnnxQuantiser(trained, images), images)
    report = both.report(both.files)
    quantised = both.quantiser.opened(both.files)
    ratio, low, high = time_ratios(both.run, quantised, images[:8])
    return {
        "network": mixer,
        "width": width,
        "epochs": epochs,
        **asdict(report),
        "time_ratio_8": ratio,
        "time_ratios_8": (low, high),
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", default=",".join(NETWORKS), help="token mixers by name")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--out", type=Path, help="file of JSON lines, continued")
    parser.add_argument("--quick", action="store_true", help="one narrow network, one epoch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.networks.split(",")
    width, epochs = options.width, options.epochs
    if options.quick:
        names, width, epochs = names[:1], 8, 1
    done: dict[tuple[str, int, int], dict[str, Any]] = {}
    if options.out and options.out.exists():
        lines = map(json.loads, options.out.read_text().splitlines())
        done = {(each["network"], each["width"], each["epochs"]): each for each in lines}
    data = digits()
    print(
        f"{'network':18} {'time b1':>8} {'time b8':>8} {'SQNR':>6} {'agree':>7} {'float':>7} "
        f"{'int8':>7} {'size':>5}  loses most"
    )
    results: list[dict[str, Any]] = []
    for name in names:
        key = (name, width, epochs)
        if key not in done:
            done[key] = measured(name, width, epochs, data)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(done[key]) + "\n")
        line = done[key]
        results.append(line)
        worst, ratio = next(iter(line["parts"].items()))
        print(
            f"{name:18} {line['time_ratio']:>8.2f} {line['time_ratio_8']:>8.2f} "
            f"{line['sqnr']:>6.1f} {line['agreement']:>7.1%} {line['before']['value']:>7.1%} "
            f"{line['after']['value']:>7.1%} {line['size_ratio']:>5.2f}  {worst} ({ratio:.1f} dB)",
            flush=True,
        )
    line = {"benchmark": "int8", "networks": results}
    print(json.dumps({**line, **describe(torch.device("cpu"))}))


if __name__ == "__main__":
    main()
