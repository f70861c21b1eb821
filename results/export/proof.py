"""The proof that a model file reproduces its network."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ...search_space.components.layers.portable import exported_form
from ...search_space.components.sharing import distinct
from ...search_space.seeds import derive_seed
from ...search_space.shapes import Shape
from .base import ExportError, ModelFormat, Opened
from .file_proof import FileProof, Originals, prove_files
from .int8 import Int8Report
from .side_by_side import time_ratio, timed

BATCHES = (1, 4, 1, 4)
"""Sizes of the batches of random images compared."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The comparison of a model file, read back, with the network that was written."""

    format: str
    """Name of the format."""
    inputs: int
    """Number of images compared."""
    absolute: float
    """Largest absolute difference of a score."""
    relative: float
    """Largest absolute difference, divided by the largest absolute score of the network."""
    real: int
    """Number of compared images from the data; the others are random."""
    agreement: float
    """Share of the images (of the data, if given) with the same top class, 0 to 1."""
    parameters: int | None
    """Trainable parameters, recounted in the file; None if the file does not mark them."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, recounted in the file; None
    if the file holds an operation without a formula."""
    stored: int | None
    """Number of elements in the file's tensors, where parameters cannot be distinguished."""
    folded: bool
    """Whether the file holds the folded form instead of the training form."""
    size: int
    """Size of the file in bytes."""
    enlarged: str | None
    """Height x width of the images compared, counted and timed, if the file does not accept the
    network's own size: its smallest multiple that the file accepts. Else None."""
    sizes: str
    """The accepted heights and widths of images, as text."""
    batches: str
    """The accepted numbers of images in one pass, as text."""
    files: FileProof | None
    """Proof on image files; None without the data."""
    latency_ratio: float
    """Median time of one pass in the file's own runtime, divided by that of the network in torch;
    both on the CPU, alternating. A pass is of one image, or of as many as the file takes."""
    int8: Int8Report | None = None
    """What int8 costs; None for a file in float32."""


def prove(
    network: Network,
    path: Path,
    model_format: ModelFormat,
    images: Tensor | None = None,
    originals: Originals | None = None,
) -> Proof:
    """Read a model file back and compare it with the network.

    The scores on normally distributed random images (seeded by the digest), and on the given
    images, must agree within the format's tolerance. Weights and counts, if the format has them,
    must be equal. Random images have the network's own size, and two others if the file accepts any
    size. Images are enlarged if the file does not accept the network's own size.

    Args:
        network: The network in eval mode, on the CPU.
        path: The file.
        model_format: The file's format.
        images: Images of the data, normalised, (N, C, H, W).
        originals: Images of the data as files or Pillow images; see ``prove_files``.

    Raises:
        ExportError: If the file does not reproduce the network.
    """
    assert not network.training
    opened = model_format.open(path)
    if opened.batch != model_format.batch:
        wanted, found = (each or "any number of" for each in (model_format.batch, opened.batch))
        raise ExportError(f"the file must take {wanted} images in one pass, but takes {found}")
    size = opened.image(network.architecture.input)
    larger = _larger_images(network, size) if model_format.any_resolution else []
    real = [] if images is None else [_enlarged(each, size) for each in images.split(32)]
    absolute, largest = 0.0, 0.0
    agree: list[bool] = []
    for batch in (*_images(network, size), *larger, *real):
        ours, theirs = _scores(network, opened, batch)
        absolute = max(absolute, (ours - theirs).abs().max().item())
        largest = max(largest, ours.abs().max().item())
        agree += (ours.argmax(1) == theirs.argmax(1)).tolist()
    counted = agree[-sum(map(len, real)) :] if real else agree
    same, inputs = sum(agree), len(agree)
    relative = absolute / max(largest, torch.finfo(torch.float32).tiny)
    if relative > model_format.tolerance:
        raise ExportError(
            f"the file must give the network's scores within {model_format.tolerance:g} of the "
            f"largest, but differs by up to {absolute:.3g} (relative {relative:.3g}), and the top "
            f"class agrees on {same} of {inputs} images"
        )
    _compare_weights(network, opened)
    folded = network.folded()
    _compare_counts(network, folded, opened, model_format, size)
    files = None
    if originals is not None:
        files = prove_files(
            lambda batch: opened.run(_enlarged(batch, size)), originals, opened.prepare
        )
    return Proof(
        format=model_format.name,
        inputs=inputs,
        absolute=absolute,
        relative=relative,
        real=sum(map(len, real)),
        agreement=sum(counted) / len(counted),
        parameters=opened.parameters,
        macs=opened.macs,
        stored=opened.stored,
        folded=model_format.folded,
        size=path.stat().st_size,
        enlarged=None if size == network.architecture.input else f"{size.height}x{size.width}",
        sizes=_sizes(network, opened, model_format),
        batches=_batches(opened),
        files=files,
        latency_ratio=_latency_ratio(folded, opened, size),
    )


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable parameters; shared ones count once."""
    return sum(each.numel() for each in distinct(module.parameters()) if each.requires_grad)


def count_macs(module: nn.Module, shape: Shape, images: int = 1, *, exported: bool = False) -> int:
    """Return the multiply-adds of convolutions and matrix products for one image.

    Args:
        module: The module.
        shape: Shape of the image.
        images: Images in the pass, whose mean is taken.
        exported: Whether those of the form for exported graphs are counted.
    """
    # Imported here, since torch's tracer takes seconds to import.
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    form = exported_form() if exported else nullcontext()
    # Before torch 2.15 the counter leaves out the fused attention of the CPU.
    plain = sdpa_kernel(SDPBackend.MATH)
    with form, plain, torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(images, *shape))
    return counter.get_total_flops() // 2 // images


def _batches(opened: Opened) -> str:
    """Return the numbers of images that a file accepts in one pass, as text."""
    if opened.batch is not None:
        return f"{opened.batch} alone"
    return "any" if opened.most is None else f"at most {opened.most}"


def _sizes(network: Network, opened: Opened, model_format: ModelFormat) -> str:
    """Return the image sizes that a file accepts, as text."""
    if network.bound_by:
        height, width = network.architecture.input[1:]
        return f"{height}x{width} alone, since the weights of {network.bound_by} are for one size"
    if model_format.folded and not model_format.any_resolution:  # traced at one size
        return "{1}x{2} alone".format(*network.architecture.input)
    least = "x".join(map(str, opened.least))
    return "those that the network takes" if opened.least == (1, 1) else f"from {least} on"


def _images(network: Network, image: Shape) -> Iterator[Tensor]:
    seed = derive_seed("export", network.architecture.digest)
    generator = torch.Generator().manual_seed(seed)
    for size in BATCHES:
        yield torch.randn(size, *image, generator=generator)


def _larger_images(network: Network, size: Shape) -> list[Tensor]:
    """Return images larger than a size, by multiples of the network's reduction."""
    channels, height, width = size
    step = network.reduction
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, height + down * step, width + right * step, generator=generator)
        for down, right in ((1, 2), (3, 1))
    ]


def _enlarged(images: Tensor, size: Shape) -> Tensor:
    """Return images enlarged to a size by repeating pixels."""
    factor = size.height // images.shape[2]
    return images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _scores(network: Network, opened: Opened, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the network and of the file, both finite and of one shape."""
    with torch.no_grad():
        ours, theirs = network(images), opened.run(images)
    for what, scores in (("network", ours), ("file", theirs)):
        if not scores.isfinite().all():
            bad = int((~scores.isfinite()).sum())
            raise ExportError(
                f"the scores of the {what} must be finite, but {bad} of {scores.numel()} are not"
            )
    if ours.shape != theirs.shape:
        raise ExportError(
            f"the file must give scores of {tuple(ours.shape)}, but gives {tuple(theirs.shape)}"
        )
    return ours, theirs


def _compare_weights(network: Network, opened: Opened) -> None:
    state = network.state_dict()
    for name, tensor in opened.weights.items():
        if not torch.equal(tensor, state[name]):
            difference = (tensor.double() - state[name].double()).abs().max().item()
            raise ExportError(
                f"the file must hold the network's weights, but {name!r} differs by up to "
                f"{difference:.3g}"
            )


def _compare_counts(
    network: Network, folded: Network, opened: Opened, model_format: ModelFormat, size: Shape
) -> None:
    traced = model_format.folded
    form = folded if traced else network
    counts = (
        ("parameters", opened.parameters, lambda: count_parameters(form)),
        (
            "multiply-adds",
            opened.macs,
            lambda: count_macs(form, size, opened.batch or 1, exported=traced),
        ),
    )
    for what, counted, count in counts:
        if counted is not None and counted != (expected := count()):
            raise ExportError(
                f"the file must have the network's {expected:,} {what}, but has {counted:,}"
            )


def _latency_ratio(folded: Network, opened: Opened, size: Shape) -> float:
    images = torch.zeros(opened.batch or 1, *size)
    given = opened.pass_ms
    theirs = timed(lambda: opened.run(images)) if given is None else lambda: given(images)
    with torch.no_grad():
        return time_ratio(timed(lambda: folded(images)), theirs)
