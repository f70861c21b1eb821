"""The proof that a model file reproduces its network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...search_space.network import Network
from ...search_space.seeds import derive_seed
from .base import ExportError, ModelFormat, Opened

BATCHES = (1, 4, 1, 4)
"""Sizes of the batches compared."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How a model file, read back, compares with the network that it was written from."""

    format: str
    """Name of the format."""
    inputs: int
    """Number of images compared."""
    absolute: float
    """Largest absolute difference of a score."""
    relative: float
    """The same over the largest absolute score of the network."""
    agreement: float
    """Share of the images on which both name the same class, 0 to 1."""
    parameters: int | None
    """Trainable parameters, counted again in the file; none where it does not tell them apart."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, counted again in the file;
    none where it holds no graph, or an operation that is not counted."""
    size: int
    """Size of the file in bytes."""


def prove(network: Network, path: Path, model_format: ModelFormat) -> Proof:
    """Read a model file back and compare it with the network.

    The scores of normally distributed random images (seeded by the digest) must lie within the
    format's tolerance; weights and counts, where the format has them, must be equal.

    Args:
        network: In eval mode, on the CPU.
        path: The file.
        model_format: Its format.

    Raises:
        ExportError: If the file does not reproduce the network.
    """
    assert not network.training
    opened = model_format.open(path)
    absolute, largest, same, inputs = 0.0, 0.0, 0, 0
    for images in _images(network):
        ours, theirs = _scores(network, opened, images)
        absolute = max(absolute, (ours - theirs).abs().max().item())
        largest = max(largest, ours.abs().max().item())
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        inputs += len(images)
    relative = absolute / max(largest, torch.finfo(torch.float32).tiny)
    if relative > model_format.tolerance:
        raise ExportError(
            f"the file must give the network's scores within {model_format.tolerance:g} of the "
            f"largest, but differs by up to {absolute:.3g} (relative {relative:.3g}), and the top "
            f"class agrees on {same} of {inputs} images"
        )
    _compare_weights(network, opened)
    _compare_counts(network, opened)
    return Proof(
        format=model_format.name,
        inputs=inputs,
        absolute=absolute,
        relative=relative,
        agreement=same / inputs,
        parameters=opened.parameters,
        macs=opened.macs,
        size=path.stat().st_size,
    )


def count_parameters(network: Network) -> int:
    """Return the number of trainable parameters."""
    return sum(weights.numel() for weights in network.parameters() if weights.requires_grad)


def count_macs(network: Network) -> int:
    """Return the multiply-adds of convolutions and matrix products for one image, folded."""
    # Imported here: it takes torch's tracer along, which takes seconds.
    from torch.utils.flop_counter import FlopCounterMode

    folded = network.folded()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        folded(torch.zeros(1, *network.architecture.input))
    return counter.get_total_flops() // 2


def _images(network: Network) -> Iterator[Tensor]:
    seed = derive_seed("export", network.architecture.digest)
    generator = torch.Generator().manual_seed(seed)
    for size in BATCHES:
        yield torch.randn(size, *network.architecture.input, generator=generator)


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


def _compare_counts(network: Network, opened: Opened) -> None:
    counts = (
        ("parameters", opened.parameters, count_parameters),
        ("multiply-adds", opened.macs, count_macs),
    )
    for what, counted, count in counts:
        if counted is not None and counted != (expected := count(network)):
            raise ExportError(
                f"the file must have the network's {expected:,} {what}, but has {counted:,}"
            )
