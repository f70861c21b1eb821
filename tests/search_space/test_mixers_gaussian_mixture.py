"""Mixtures of Gaussians as kernels: the analytic convolution and its value on the grid."""

from itertools import product
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.mixers.gaussian_mixture import (
    GaussianMixture,
    GaussianMixtureConv,
    Gaussians,
)
from nas_explorer.search_space.shapes import Shape
from torch import Tensor

SHAPE = Shape(2, 4, 5)


def gaussian(amplitude: float, mean: list[float], covariance: list[list[float]]) -> Gaussians:
    values: list[Any] = [amplitude, mean, covariance]
    return Gaussians(*(torch.tensor(value, dtype=torch.float64) for value in values))


ONE = gaussian(1.5, [0.5, -1.0], [[1.0, 0.4], [0.4, 0.6]])
OTHER = gaussian(-0.7, [1.0, 2.0], [[0.5, -0.1], [-0.1, 0.9]])


def built(**knobs: Any) -> GaussianMixture:
    torch.manual_seed(2)
    module = GaussianMixtureConv(**knobs).build(SHAPE)
    assert isinstance(module, GaussianMixture)
    return module.double()


def value(gaussian: Gaussians, place: Tensor) -> Tensor:
    """Return the value of one Gaussian at one position, by the textbook."""
    away = place - gaussian.mean
    return gaussian.amplitude * (-away @ gaussian.covariance.inverse() @ away / 2).exp()


def test_the_convolution_of_two_gaussians_is_one_with_summed_means_and_covariances() -> None:
    both = ONE.convolved(OTHER)
    assert torch.equal(both.mean, ONE.mean + OTHER.mean)
    assert torch.equal(both.covariance, ONE.covariance + OTHER.covariance)
    step = 0.1
    axis = torch.arange(-8, 8, step, dtype=torch.float64)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    for row, column in ((1.5, 1.0), (0.0, 0.0), (3.0, -1.0)):
        place = torch.tensor([row, column]).double()
        integral = (ONE.at(rows, columns) * OTHER.at(row - rows, column - columns)).sum() * step**2
        assert both.at(*place) == pytest.approx(float(integral), rel=1e-6)
        assert both.at(*place) == pytest.approx(float(value(both, place)))


@pytest.mark.parametrize("depthwise", [False, True])
def test_is_the_convolution_of_the_map_as_a_mixture(depthwise: bool) -> None:
    """Return the convolution of each pixel with each Gaussian, at the pixel centres."""
    module = built(
        gaussians=3, kernel_size=11, radius=1, pixel_spread=0.7, depthwise=depthwise, bias=False
    )
    with torch.no_grad():
        module.mean.normal_()
    x = torch.randn(1, *SHAPE, dtype=torch.float64)
    expected = torch.zeros(1, *SHAPE, dtype=torch.float64)
    gaussians = module.gaussians()
    for out, into in product(range(2), range(2)):
        if depthwise and out != into:
            continue
        kernel = out if depthwise else 2 * out + into
        for row, column, index in product(range(4), range(5), range(3)):
            mass = float(x[0, into, row, column]) / (2 * torch.pi * 0.49)
            pixel = gaussian(mass, [row, column], [[0.49, 0.0], [0.0, 0.49]])
            part = Gaussians(*(each[kernel, index] for each in gaussians))
            moved = part.convolved(pixel)
            for y, z in product(range(4), range(5)):
                expected[0, out, y, z] += value(moved, torch.tensor([y, z]).double()).detach()
    assert torch.allclose(module(x), expected, atol=1e-9)


def test_a_gaussian_beside_the_centre_moves_the_map() -> None:
    module = built(gaussians=1, kernel_size=9, radius=0.05, pixel_spread=0.2, bias=False)
    with torch.no_grad():
        module.mean.copy_(torch.tensor([0.0, 2.0]))
    x = torch.zeros(1, *SHAPE, dtype=torch.float64)
    x[..., 3, 1] = 1
    assert module(x)[0, 0].abs().argmax() == 3 * 5 + 3


def test_every_weight_learns_and_the_window_has_none() -> None:
    weights: set[int] = set()
    for side in (5, 9, 15):
        module = built(gaussians=4, kernel_size=side)
        cost = count_module(module, SHAPE)
        weights.add(cost.params)
        assert cost.macs == 2 * 20 * side**2
    # an amplitude, two coordinates, four factors of the covariance; a bias a channel
    assert weights == {2 * 4 * 7 + 2}
    module = built(depthwise=False)
    assert sum(each.numel() for each in module.parameters()) == 4 * 5 * 7 + 2
    module(torch.randn(1, *SHAPE, dtype=torch.float64)).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and (parameter.grad != 0).all(), name


def test_covariances_stay_positive_definite() -> None:
    module = built(radius=2)
    torch.nn.init.zeros_(module.factor)
    covariance = module.gaussians().covariance
    assert torch.allclose(covariance, 0.2 * torch.eye(2).double())
    torch.nn.init.normal_(module.factor)
    assert (torch.linalg.eigvalsh(module.gaussians().covariance) >= 0.2 - 1e-9).all()
