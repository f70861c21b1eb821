"""Why do the counters of multiply-adds disagree?

Published networks, and small modules with counts worked by hand, are counted by this package, by
fvcore, by torch and, if installed, by ptflops, thop, torchinfo, torchprofile and deepspeed with
their defaults. Each count has its own process, since some counters leave patches in torch after an
error, and then count double. ``docs/costs.md`` explains the differences. The last line is JSON.

    python benchmarks/counters.py [--quick]
"""

import argparse
import contextlib
import io
import json
import logging
import multiprocessing
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from nas_explorer.evaluators.cost.analysis import count_module
from torch import Tensor, nn
from torch.nn import functional as F
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


class SelfAttention(nn.Module):
    """torch's own attention with 4 heads of 16 channels, over the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 4, batch_first=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Mix the tokens."""
        tokens_BNC = x_BCHW.flatten(2).transpose(1, 2)
        return self.attention(tokens_BNC, tokens_BNC, tokens_BNC, need_weights=False)[0]


class Recurrence(nn.Module):
    """A long short-term memory of 64 cells over the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 64, batch_first=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Mix the tokens."""
        return self.lstm(x_BCHW.flatten(2).transpose(1, 2))[0]


class Spectrum(nn.Module):
    """A Fourier transform and its inverse."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Transform the map there and back."""
        return torch.fft.irfft2(torch.fft.rfft2(x_BCHW))


class OwnKernels(nn.Module):
    """A depthwise 3x3 convolution whose kernels are a linear map of the map's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Linear(64, 64 * 9)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Convolve the map with its own kernels."""
        kernels = self.make(x_BCHW.mean((0, 2, 3))).reshape(64, 1, 3, 3)
        return F.conv2d(x_BCHW, kernels, padding=1, groups=64)


SIDE = 16
"""Side of the small modules' maps, which have 64 channels."""
PIXELS = SIDE**2
MODULES: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "nn.MultiheadAttention": (SelfAttention, 4 * PIXELS * 64**2 + 2 * PIXELS**2 * 64),
    "nn.LSTM": (Recurrence, PIXELS * 4 * 64 * (64 + 64)),
    # Each 2.5 n log2 n for n complex points, halved as one side is real; log2 256 = 8.
    "FFT and back": (Spectrum, 2 * 64 * PIXELS * 8 * 5 // 4),
    "transposed convolution": (
        lambda: nn.ConvTranspose2d(64, 64, 2, stride=2),
        PIXELS * 64 * 64 * 2 * 2,
    ),
    "kernels from the input": (OwnKernels, 64 * 64 * 9 + PIXELS * 64 * 9),
}
"""The small modules by name: constructor, and multiply-adds worked by hand, without biases."""


def ours(module: nn.Module, x: Tensor) -> int:
    """Return our MACs."""
    return count_module(module, x.shape[1:]).macs


def our_activations(module: nn.Module, x: Tensor) -> int:
    """Return our activations."""
    return count_module(module, x.shape[1:]).activations


def fvcore_flops(module: nn.Module, x: Tensor) -> float:
    """Return fvcore's flops (multiply-adds, with some of norms and resizing)."""
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
    """Return ptflops' MACs."""
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
    """Return thop's MACs."""
    from thop import profile

    return profile(module, inputs=(x,), verbose=False)[0]


def torchinfo_macs(module: nn.Module, x: Tensor) -> float:
    """Return torchinfo's multiply-adds."""
    from torchinfo import summary

    return summary(module, input_data=x, verbose=0).total_mult_adds


def torchprofile_macs(module: nn.Module, x: Tensor) -> float:
    """Return torchprofile's MACs."""
    from torchprofile import profile_macs

    return profile_macs(module, x)


def deepspeed_macs(module: nn.Module, x: Tensor) -> float:
    """Return the MACs of deepspeed's profiler."""
    from deepspeed.profiling.flops_profiler import get_model_profile

    _, macs, _ = get_model_profile(
        module, args=[x], print_profile=False, as_string=False, warm_up=0
    )
    return macs


COUNTERS: dict[str, Callable[[nn.Module, Tensor], float]] = {
    "ours": ours,
    "torch": torch_flops,
    "fvcore": fvcore_flops,
    "ptflops": lambda module, x: ptflops_macs(module, x, "pytorch"),
    "ptflops aten": lambda module, x: ptflops_macs(module, x, "aten"),
    "thop": thop_macs,
    "torchinfo": torchinfo_macs,
    "torchprofile": torchprofile_macs,
    "deepspeed": deepspeed_macs,
    "activations": our_activations,
    "fvcore activations": fvcore_activations,
}
PACKAGES = ("torch", "timm", "fvcore", "ptflops", "thop", "torchinfo", "torchprofile", "deepspeed")


def make(name: str) -> tuple[nn.Module, Tensor]:
    """Return a network or small module in eval mode, and its input."""
    if name in MODULES:
        return MODULES[name][0]().eval(), torch.zeros(1, 64, SIDE, SIDE)
    import timm  # imported here, since a quick run does not need it

    module = timm.create_model(name, pretrained=False).eval()
    return module, torch.zeros(1, *module.default_cfg["input_size"])


def figure(task: tuple[str, str]) -> float | None:
    """Return one counter's count of one network; None if the counter fails or is not installed."""
    name, counter = task
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    module, x = make(name)
    try:
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            return float(COUNTERS[counter](module, x))
    except ImportError:
        return None
    except Exception as error:
        print(f"{counter}, {name}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def counted(
    names: tuple[str, ...], counters: tuple[str, ...]
) -> dict[str, dict[str, float | None]]:
    """Return each counter's count of each network, each from a fresh process."""
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":  # a fork of a process that has loaded torch and counted nothing
        timm = ["timm"] if any(name not in MODULES for name in names) else []
        ours = "nas_explorer.evaluators.cost.analysis"
        context.set_forkserver_preload(["torch.utils.flop_counter", "fvcore.nn", ours, *timm])
    tasks = [(name, counter) for name in names for counter in counters]
    with context.Pool(1, maxtasksperchild=1) as pool:
        found = dict(zip(tasks, pool.map(figure, tasks, chunksize=1), strict=True))
    return {name: {each: found[name, each] for each in counters} for name in names}


def show(title: str, table: dict[str, dict[str, float | None]], unit: float) -> None:
    """Print a table."""
    header = [title, *next(iter(table.values()))]
    print("".join(f"{cell:>20}" if column else f"{cell:<30}" for column, cell in enumerate(header)))
    for name, values in table.items():
        cells = ("-" if value is None else f"{value / unit:.3f}" for value in values.values())
        print(f"{name:<30}" + "".join(f"{cell:>20}" for cell in cells))


def versions() -> dict[str, str]:
    """Return the versions of the installed counters."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def main() -> None:
    """Count everything and print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: the small modules")
    options = parser.parse_args()
    of_macs = tuple(name for name in COUNTERS if "activations" not in name)
    quick = ("ours", "torch")
    modules = {
        name: {"by hand": float(MODULES[name][1]), **found}
        for name, found in counted(tuple(MODULES), quick if options.quick else of_macs).items()
    }
    show("thousands", modules, 1e3)
    networks = {} if options.quick else counted(NETWORKS, tuple(COUNTERS))
    if networks:
        show("millions", networks, 1e6)
    figures = {"quick": options.quick, "modules": modules, "networks": networks}
    print(json.dumps({**figures, "device": "cpu", **versions()}))


if __name__ == "__main__":
    main()
