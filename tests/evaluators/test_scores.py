"""Training-free scores against hand-worked numbers and slow references."""

import math
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.measure_scores import measure_scores
from nas_explorer.evaluators.training_free.base import NotDefinedError, Score
from nas_explorer.evaluators.training_free.deepmad import DeepMad, entropy
from nas_explorer.evaluators.training_free.depth_to_width import DepthToWidth, ratio
from nas_explorer.evaluators.training_free.grad_norm import GradNorm
from nas_explorer.evaluators.training_free.head_rank import HeadRank
from nas_explorer.evaluators.training_free.log_macs import LogMacs
from nas_explorer.evaluators.training_free.naswot import Naswot, log_determinant
from nas_explorer.evaluators.training_free.norms import mean_square
from nas_explorer.evaluators.training_free.ntk import NtkCondition, log_condition
from nas_explorer.evaluators.training_free.random_features import RandomFeatures, explained
from nas_explorer.evaluators.training_free.receptive_field import ReceptiveField, spread
from nas_explorer.evaluators.training_free.signal_drift import drift
from nas_explorer.evaluators.training_free.snip import Snip
from nas_explorer.evaluators.training_free.synflow import ACTIVATIONS, SynFlow
from nas_explorer.evaluators.training_free.zico import steadiness, summed_steadiness
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.norms import ChannelLayerNorm, ChannelRMSNorm
from nas_explorer.search_space.errors import InputError
from torch import Tensor, nn
from torch.nn import functional as F


def network_of(
    mixer: dict[str, object], norm: str = "layer_norm", head_norm: str = "none", depth: int = 1
) -> Architecture:
    block = {
        "name": "metaformer",
        "mixer": mixer,
        "channel_mixer": {"name": "mlp", "ratio": 2.0, "activation": "gelu"},
        "norm": {"name": norm},
        "residual": {"name": "plain"},
    }
    return Architecture.from_json(
        {
            "input": [1, 8, 8],
            "classes": 10,
            "stem": {"name": "patch", "patch_size": 2, "norm": {"name": norm}},
            "stages": [{"width": 16, "depth": depth, "blocks": [block]}],
            "head": {"name": "pooled", "norm": {"name": head_norm}},
        }
    )


IDENTITY = network_of({"name": "identity"})
CONVOLUTION = network_of({"name": "separable_conv", "activation": "gelu"}, norm="batch_norm")
ATTENTION = network_of({"name": "attention", "head_dim": 8}, head_norm="layer_norm")


@pytest.fixture(scope="module")
def data() -> SearchData:
    return load_search_data(DataSpec(name="digits"))


def loss_of(score: Score, architecture: Architecture) -> nn.Module:
    """Return the network after one plain backward pass of the score's batch."""
    network, batch = score.network(architecture), score.batch(architecture)
    F.cross_entropy(network(batch.images_BCHW), batch.labels_B).backward()
    return network


def test_grad_norm_and_snip_are_sums_over_a_plain_backward_pass(data: SearchData) -> None:
    norms = GradNorm(data=data)
    plain = sum(float(p.grad.norm()) for p in loss_of(norms, CONVOLUTION).parameters() if _has(p))
    assert norms.score(CONVOLUTION) == pytest.approx(plain, rel=1e-5)
    snip = Snip(data=data)
    sums = sum(
        float((p.detach() * p.grad).abs().sum())
        for p in loss_of(snip, ATTENTION).parameters()
        if _has(p)
    )
    assert snip.score(ATTENTION) == pytest.approx(sums, rel=1e-5)


def _has(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None


def test_synflow_is_the_growth_of_the_output_with_all_weights() -> None:
    """Of a network without signs, the sum of weight x gradient is d R(t w) / dt (Euler)."""
    score = SynFlow()
    network = score.network(CONVOLUTION).eval()

    class Pass(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    for name, module in list(network.named_modules()):
        if isinstance(module, (nn.BatchNorm2d, *ACTIVATIONS)):
            network.set_submodule(name, Pass())

    def summed(factor: float) -> float:
        with torch.no_grad():
            for parameter, weight in zip(network.parameters(), used, strict=True):
                parameter.copy_(factor * weight)
            return float(network(torch.ones(1, 1, 8, 8, dtype=torch.float64)).sum())

    used = [parameter.detach().abs() for parameter in network.parameters()]
    step = 1e-5
    slope = (summed(1 + step) - summed(1 - step)) / (2 * step)
    assert score.score(CONVOLUTION) == pytest.approx(math.log(slope), rel=1e-7)


def test_synflow_neither_collapses_nor_vanishes_behind_a_layer_norm() -> None:
    shallow = SynFlow().score(network_of({"name": "attention", "head_dim": 8}))
    deep = SynFlow().score(network_of({"name": "attention", "head_dim": 8}, depth=12))
    assert 0 < shallow < deep < 700
    assert math.isfinite(SynFlow().score(ATTENTION))


def test_codes_that_share_no_sign_have_a_diagonal_kernel() -> None:
    apart = torch.tensor([[True, False], [False, True]])
    assert log_determinant([apart]) == pytest.approx(math.log(4))
    assert log_determinant([apart, apart]) == pytest.approx(math.log(16))
    half = torch.tensor([[True, True], [True, False]])  # kernel [[2, 1], [1, 2]]
    assert log_determinant([half]) == pytest.approx(math.log(3))
    with pytest.raises(NotDefinedError, match="do not tell all images apart"):
        log_determinant([torch.ones(2, 3, dtype=torch.bool)])


def test_naswot_is_the_kernel_of_the_signs_before_the_activations(data: SearchData) -> None:
    score = Naswot(data=data, settings={"batch": 8})
    network, images = score.network(ATTENTION), score.batch(ATTENTION).images_BCHW
    codes: list[Tensor] = []

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        codes.append((inputs[0] > 0).flatten(1))

    for module in network.modules():
        if isinstance(module, nn.GELU):
            module.register_forward_pre_hook(hook)
    with torch.no_grad():
        network(images)
    code = torch.cat(codes, 1)
    kernel = [[int((one == other).sum()) for other in code] for one in code]
    plain = torch.tensor(kernel, dtype=torch.float64).logdet()
    assert score.score(ATTENTION) == pytest.approx(float(plain))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    assert log_determinant([code[order]]) == pytest.approx(float(plain))


def test_gradients_that_do_not_change_are_left_out() -> None:
    sizes = torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)
    assert steadiness(sizes) == pytest.approx(math.log(2))  # mean 2 by deviation 1
    assert steadiness(torch.ones(2, 3, dtype=torch.float64)) is None
    assert summed_steadiness([sizes, sizes[:1].repeat(2, 1), sizes]) == pytest.approx(math.log(4))
    with pytest.raises(NotDefinedError, match="no layer has gradients that differ"):
        summed_steadiness([torch.ones(2, 3, dtype=torch.float64)])


def test_the_square_that_each_norm_divides_by() -> None:
    x = torch.tensor([[1.0, 3.0], [1.0, 7.0]]).reshape(2, 2, 1, 1)
    assert mean_square(nn.BatchNorm2d(2), x) == pytest.approx(2.0)  # variances 0 and 4
    assert mean_square(ChannelLayerNorm(2, 1e-6, True), x) == pytest.approx(5.0)  # 1 and 9
    assert mean_square(nn.GroupNorm(1, 2), x) == pytest.approx(5.0)
    assert mean_square(nn.LayerNorm(2), x.reshape(2, 2)) == pytest.approx(5.0)
    assert mean_square(ChannelRMSNorm(2, 1e-6), x) == pytest.approx(15.0)  # 5 and 25
    assert mean_square(nn.RMSNorm(2), x.reshape(2, 2)) == pytest.approx(15.0)


def test_entropy_and_depth_by_width_of_a_chain() -> None:
    assert entropy([9, 16], 64) == pytest.approx(math.log(64) * (math.log(9) + math.log(16)))
    assert ratio([4, 4]) == pytest.approx(0.5) and ratio([2, 8, 4]) == pytest.approx(0.75)
    layers = [4, 16, 32]  # a patch of 2x2, and a pixel's two layers of ratio 2
    assert DepthToWidth().score(IDENTITY) == pytest.approx(ratio(layers))
    assert DeepMad().score(IDENTITY) == pytest.approx(8 * entropy(layers, 16 * 4 * 4))
    with pytest.raises(NotDefinedError, match="theory is of convolutions and linear maps, but"):
        DeepMad().score(network_of({"name": "global_filter"}))


def test_the_condition_of_a_kernel() -> None:
    jacobian = torch.diag(torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert log_condition(jacobian) == pytest.approx(2)
    assert log_condition(jacobian.flip(0)) == pytest.approx(2)
    with pytest.raises(NotDefinedError, match="singular"):
        log_condition(torch.ones(2, 3, dtype=torch.float64))


def test_the_kernel_has_a_row_for_each_image(data: SearchData) -> None:
    score = NtkCondition(data=data, settings={"batch": 3})
    network, images = score.network(ATTENTION), score.batch(ATTENTION).images_BCHW
    rows: list[Tensor] = []
    for image in images:  # without batch norm, one image at a time gives the same
        network.zero_grad()
        network(image[None]).sum().backward()
        rows.append(torch.cat([p.grad.flatten() for p in network.parameters() if _has(p)]))
    assert score.score(ATTENTION) == pytest.approx(log_condition(torch.stack(rows)), rel=1e-6)


def test_the_pixels_that_hold_most_of_the_gradient() -> None:
    assert spread(torch.ones(10, 10)) == pytest.approx(0.95)
    assert spread(torch.eye(2)[:1]) == pytest.approx(0.95 / 2)
    assert spread(torch.tensor([[8.0, 1.0, 1.0]])) == pytest.approx(2.5 / 3)
    with pytest.raises(NotDefinedError, match="depends on no pixel"):
        spread(torch.zeros(2, 2))


def test_a_patch_sees_its_own_pixels_and_attention_sees_all() -> None:
    assert 0 < ReceptiveField().score(IDENTITY) <= 4 / 64
    assert ReceptiveField().score(ATTENTION) > 4 / 64


def test_sizes_that_change_tenfold() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert drift(x, 100 * x) == pytest.approx(2) and drift(x, x / 10) == pytest.approx(1)
    with pytest.raises(NotDefinedError, match="changes by the factor 0"):
        drift(x, 0 * x)
    with pytest.raises(NotDefinedError, match="factor nan"):
        drift(0 * x, x)


def test_the_rank_of_heads_is_their_share_of_the_width() -> None:
    assert HeadRank().score(ATTENTION) == 0.5
    with pytest.raises(NotDefinedError, match="no mixer with attention heads"):
        HeadRank().score(CONVOLUTION)


def test_leaving_out_each_image_in_turn() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    targets = features[:, :2] + torch.randn(12, 2, generator=generator, dtype=torch.float64)
    centred = features - features.mean(0)
    kernel = centred @ centred.T
    size = float(kernel.diagonal().mean())
    y = targets - targets.mean(0)
    errors: list[float] = []
    for exponent in range(-6, 3):
        whole = kernel + size + 10.0**exponent * size * torch.eye(12, dtype=torch.float64)
        error = 0.0
        for left in range(12):
            rest = [each for each in range(12) if each != left]
            weights = torch.linalg.solve(whole[rest][:, rest], y[rest])
            error += float((y[left] - whole[left, rest] @ weights).square().sum())
        errors.append(error / y.numel())
    assert explained(features, targets) == pytest.approx(1 - min(errors) / float(y.square().mean()))
    with pytest.raises(NotDefinedError, match="same for all images"):
        explained(torch.ones(4, 2, dtype=torch.float64), targets[:4])


def test_labels_are_needed_where_labels_are_explained() -> None:
    with pytest.raises(CandidateError, match="needs labelled images, and there are none"):
        RandomFeatures().measure(IDENTITY)


def test_all_networks_read_the_same_training_images(data: SearchData) -> None:
    one, other = Naswot(data=data, seed=1), Naswot(data=data, seed=1)
    assert torch.equal(one.batch(IDENTITY).images_BCHW, other.batch(ATTENTION).images_BCHW)
    images = one.batch(IDENTITY, place=1).images_BCHW
    assert not torch.equal(images, one.batch(IDENTITY).images_BCHW)
    assert images.dtype == torch.float32 and SynFlow.dtype == torch.float64
    with pytest.raises(InputError, match=r"must be the data's, .* but got"):
        one.batch(replace(IDENTITY, classes=3))


def test_data_that_do_not_fit_are_refused_whatever_the_score() -> None:
    for name in ("naswot", "zen", "random_features"):
        with pytest.raises(InputError, match=r"must be the data's, .* but got"):
            measure_scores(replace(IDENTITY, classes=3), name, data="digits")


def test_scores_of_one_network_come_with_its_costs_and_reasons() -> None:
    found = measure_scores(IDENTITY, "log_macs,head_rank,random_features")
    macs = architecture_cost(IDENTITY).macs
    assert found.measurements["macs"].value == macs
    assert found.measurements["log_macs"].value == pytest.approx(math.log(macs))
    assert LogMacs().measure(IDENTITY)[0] == found.measurements["log_macs"]
    assert set(found.undefined) == {"head_rank", "random_features"}
    assert measure_scores(IDENTITY, "snip", data="digits").measurements["snip"].value > 0
