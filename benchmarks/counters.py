"""Why do the counters of multiply-adds disagree?

Counts published networks with ours, fvcore's, torch's own and, where they are installed, ptflops'
and thop's counters, each as it comes. ``docs/costs.md`` explains the differences. The last line is
JSON.

    python benchmarks/counters.py [--quick]
"""

import argparse
import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version

import timm
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

NETWORKS = (
    "resnet50",
    "mobilenetv2_100",
    "efficientnet_b0",
    "convnext_tiny",
    "mixer_s16_224",
    "deit_small_patch16_224",
    "swin_tiny_patch4_window7_224",
    "poolformerv2_s12",
    "convformer_s18",
    "caformer_s18",
    "sequencer2d_s",
    "gmlp_s16_224",
)


def ours(module: nn.Module, x: Tensor) -> int:
    """Return our MACs."""
    return count_module(module, x.shape[1:]).macs


def our_activations(module: nn.Module, x: Tensor) -> int:
    """Return our activations."""
    return count_module(module, x.shape[1:]).activations


def fvcore_flops(module: nn.Module, x: Tensor) -> float:
    """Return what fvcore calls flops (multiply-adds, and some of norms and resizing)."""
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(module, x).total()


def fvcore_activations(module: nn.Module, x: Tensor) -> float:
    """Return fvcore's activations."""
    from fvcore.nn import ActivationCountAnalysis

    return ActivationCountAnalysis(module, x).total()


def torch_flops(module: nn.Module, x: Tensor) -> float:
    """Return half the FLOPs of torch's own counter."""
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() / 2


def ptflops_macs(module: nn.Module, x: Tensor, backend: str) -> float:
    """Return what ptflops calls MACs."""
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        module,
        tuple(x.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        backend=backend,
    )
    return macs


def thop_macs(module: nn.Module, x: Tensor) -> float:
    """Return what thop calls MACs."""
    from thop import profile

    return profile(module, inputs=(x,), verbose=False)[0]


COUNTERS: dict[str, Callable[[nn.Module, Tensor], float]] = {
    "ours": ours,
    "fvcore": fvcore_flops,
    "torch": torch_flops,
    "ptflops": lambda module, x: ptflops_macs(module, x, "pytorch"),
    "ptflops aten": lambda module, x: ptflops_macs(module, x, "aten"),
    "thop": thop_macs,
    "activations": our_activations,
    "fvcore activations": fvcore_activations,
}


def figure(name: str, counter: Callable[[nn.Module, Tensor], float]) -> float | None:
    """Return what one counter finds in one network, in millions; none where it fails."""
    module = timm.create_model(name, pretrained=False).eval()
    x = torch.zeros(1, *module.default_cfg["input_size"])
    try:
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            return float(counter(module, x)) / 1e6
    except ImportError:
        return None
    except Exception as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None


def main() -> None:
    """Count all networks and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: one network")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    table: dict[str, dict[str, float | None]] = {}
    print(f"{'millions':<30}" + "".join(f"{name:>20}" for name in COUNTERS))
    for name in NETWORKS[1:2] if options.quick else NETWORKS:
        table[name] = {each: figure(name, counter) for each, counter in COUNTERS.items()}
        cells = ("-" if value is None else f"{value:.3f}" for value in table[name].values())
        print(f"{name:<30}" + "".join(f"{cell:>20}" for cell in cells))
    versions = {each: version(each) for each in ("torch", "timm", "fvcore")}
    print(json.dumps({"quick": options.quick, "millions": table, "device": "cpu", **versions}))


if __name__ == "__main__":
    main()
