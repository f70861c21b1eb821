"""Forms of components for exported graphs: equal to those of a run, of operations runtimes have."""

import pytest
import torch
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.channel_mixers.response import GlobalResponseNorm
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.layers.portable import (
    bands,
    circular_pad,
    exported_form,
    exporting,
    length,
    shifted,
    unit,
)
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.mixers.dynamic_kernels import inner_windows, windows
from nas_explorer.search_space.components.mixers.fourier import from_spectrum, spectrum
from nas_explorer.search_space.components.mixers.fourier_matrices import RealPair
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

SHAPE = Shape(32, 8, 6)
X = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def differ(one: Tensor, other: Tensor) -> float:
    """Return the largest difference relative to the largest number."""
    return float((one - other).abs().max() / other.abs().max())


def test_modules_take_the_exported_form_only_inside() -> None:
    assert not exporting()
    with exported_form():
        assert exporting()
    assert not exporting()


def test_slices_are_the_elements_of_the_windows() -> None:
    padded = F.pad(X, (1, 1, 1, 1))
    for found, wanted in (
        (bands(padded, (3, 3), inner=False), windows(X, 3)),
        (bands(X, (3, 3), inner=True), inner_windows(X, 3)),
    ):
        by_column = torch.stack([each.unflatten(2, (3, *X.shape[2:])) for each in found], 5)
        assert torch.equal(by_column.movedim(2, 4), wanted)
    strided = [*shifted(padded, (3, 3), 2)]
    assert torch.equal(torch.stack(strided, 4), windows(X, 3)[:, :, ::2, ::2].flatten(4))


def test_lengths_and_circular_padding_are_those_of_a_run() -> None:
    plain = [length(X, (2, 3)), unit(X, 1), circular_pad(X, 2, 1)]
    with exported_form():
        ours = [length(X, (2, 3)), unit(X, 1), circular_pad(X, 2, 1)]
    assert all(differ(one, other) < 1e-6 for one, other in zip(ours, plain, strict=True))


@pytest.mark.parametrize("size", [(8, 6), (11, 9), (16, 12)])
@pytest.mark.parametrize("band", [None, (3, 2)])
def test_matrices_are_the_fourier_transform(
    size: tuple[int, int], band: tuple[int, int] | None
) -> None:
    wanted = spectrum(X, size, "fft", band)
    with exported_form():
        found = spectrum(X, size, "fft", band)
        assert isinstance(found, RealPair)
        back = from_spectrum(found, size, "fft", (8, 6), band)
    assert differ(torch.complex(found.real, found.imag), wanted) < 1e-6
    assert differ(back, from_spectrum(wanted, size, "fft", (8, 6), band)) < 1e-6


MADE: list[TokenMixer] = [
    MIXERS[name](**knobs)
    for name, knobs in (
        ("attention", {}),
        ("window_attention", {"shifted": True, "window_height": 4, "window_width": 4}),
        ("grid_attention", {"grid_size": 4}),
        ("halo_attention", {"block_size": 4, "halo": 1}),
        ("neighbourhood_attention", {"kernel_size": 5}),
        ("conv_attention", {}),
        ("criss_cross_attention", {}),
        ("cross_covariance_attention", {}),
        ("cond_conv", {}),
        ("dynamic_conv", {}),
        ("contmix", {}),
        ("fourier", {}),
        ("adaptive_frequency_filter", {"transform": "monarch"}),
        ("orchid", {}),
    )
]


def built(mixer: TokenMixer) -> nn.Module:
    torch.manual_seed(1)
    return fold(mixer.build(SHAPE).eval())


@pytest.mark.parametrize("mixer", MADE, ids=lambda mixer: mixer.name)
def test_mixers_give_the_same_in_both_forms(mixer: TokenMixer) -> None:
    module = built(mixer)
    with torch.no_grad():
        wanted = module(X)
        with exported_form():
            assert differ(module(X), wanted) < 1e-5


@pytest.mark.slow
def test_the_exported_graph_has_no_operations_that_few_runtimes_have() -> None:
    by_name = {mixer.name: built(mixer) for mixer in MADE}
    names = "attention conv_attention cond_conv dynamic_conv"
    network = nn.Sequential(*(by_name[name] for name in names.split()), GlobalResponseNorm(32))
    images = (torch.zeros(2, *SHAPE),)
    graph = torch.export.export(network, images, strict=False).graph
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    kinds = {str(node.target).split(".")[1] for node in nodes if "aten" in str(node.target)}
    unknown = {"einsum", "unfold", "complex", "linalg_vector_norm", "linalg_vecdot"}
    assert {"matmul", "cat"} <= kinds
    assert not {kind for kind in kinds if kind in unknown or "fft" in kind}
