"""Costs of modules with one operation against numbers worked by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.counting.handles import FREE, UncountableOperation
from nas_explorer.evaluators.cost.value import Cost
from torch import Tensor, nn
from torch.nn import functional as F


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def count(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Cost:
    return count_module(Apply(function), *shapes)


def amounts(cost: Cost) -> dict[str, int]:
    found = {**cost.macs_by_kind, **cost.other_by_kind, "activations": cost.activations}
    return {name: amount for name, amount in found.items() if amount}


WEIGHT = torch.ones(4, 3)

MACS: list[tuple[Callable[..., Any], tuple[int, ...], dict[str, int]]] = [
    (lambda x: F.conv2d(x, torch.ones(6, 4, 3, 3)), (4, 5, 5), {"conv": 1944, "activations": 54}),
    (
        lambda x: F.conv2d(x, torch.ones(6, 4, 3, 3), padding="same"),
        (4, 5, 5),
        {"conv": 5400, "activations": 150},
    ),
    (
        lambda x: F.conv_transpose2d(x, torch.ones(4, 6, 2, 2), stride=2),
        (4, 3, 3),
        {"conv": 864, "activations": 216},
    ),
    (
        lambda x: F.conv1d(x, torch.ones(6, 2, 3), groups=2),
        (4, 5),
        {"conv": 108, "activations": 18},
    ),
    (lambda x: F.linear(x, WEIGHT), (5, 3), {"linear": 60, "activations": 20}),
    (lambda x: x @ x.mT, (5, 3), {"matmul": 75, "activations": 25}),
    (lambda x: torch.bmm(x, x.mT), (5, 3), {"matmul": 75, "activations": 25}),
    (
        lambda x: torch.baddbmm(torch.ones(1, 5, 5), x, x.mT),
        (5, 3),
        {"matmul": 75, "activations": 25},
    ),
    (lambda x: torch.mm(x[0], x[0].mT), (5, 3), {"matmul": 75, "activations": 25}),
    (
        lambda x: torch.addmm(torch.ones(5), x[0], x[0].mT),
        (5, 3),
        {"linear": 75, "activations": 25},
    ),
    # A sum scaled by two and a product scaled by a half: one product per output element each.
    (
        lambda x: torch.addmm(torch.ones(5), x[0], x[0].mT, beta=2, alpha=0.5),
        (5, 3),
        {"linear": 75, "activations": 25, "elementwise": 50},
    ),
    (
        lambda x: torch.baddbmm(torch.ones(1, 5, 5), x, x.mT, beta=0),
        (5, 3),
        {"matmul": 75, "activations": 25},
    ),
    (lambda x: torch.mv(x[0], WEIGHT[0]), (5, 3), {"matmul": 15, "activations": 5}),
    (
        lambda x: torch.einsum("bij,bkj->bik", x, x),
        (5, 3),
        {"matmul": 75, "activations": 25},
    ),
    # 2 heads x 5 x 5 scores of 3 channels; 60 activations of the output of 30 and 50 scores.
    (
        lambda x: F.scaled_dot_product_attention(x, x, x),
        (2, 5, 3),
        {"attention": 300, "activations": 80, "softmax": 250, "elementwise": 30},
    ),
    (lambda x: torch.fft.fft(x), (5, 8), {"fft": 300}),
    (lambda x: torch.fft.rfft2(x), (5, 4, 8), {"fft": 1000}),
    (lambda x: torch.fft.rfft(x, n=2 * x.shape[-1]), (5, 8), {"fft": 400}),
    (lambda x: torch.fft.irfft(torch.fft.rfft(x)), (5, 8), {"fft": 300}),
    (lambda x: torch.fft.fftn(x, dim=(1, 2)), (2, 4, 8), {"fft": 480}),
    (lambda x: torch.fft.rfft2(x, s=(8, 8)), (5, 4, 8), {"fft": 2400}),
    (lambda x: torch.fft.fftn(x), (4, 8), {"fft": 400}),
]


@pytest.mark.parametrize(("function", "shape", "expected"), MACS)
def test_multiply_adds(
    function: Callable[..., Any], shape: tuple[int, ...], expected: dict[str, int]
) -> None:
    assert amounts(count(function, shape)) == expected


PLACES = torch.zeros(1, 1, 2).long()
ROWS = torch.tensor([1, 3])
ONE = torch.ones(1)
MASK = torch.tensor([True, False, True])

OTHER: list[tuple[Callable[..., Any], tuple[int, ...], dict[str, int]]] = [
    (lambda x: x + 1, (5, 3), {"elementwise": 15}),
    (lambda x: x + x[:, :1], (5, 3), {"elementwise": 15}),
    (F.gelu, (5, 3), {"elementwise": 15}),
    (lambda x: F.silu(x, inplace=True), (5, 3), {"elementwise": 15}),
    (lambda x: F.relu(x).square(), (5, 3), {"elementwise": 30}),
    (lambda x: torch.rsqrt(x), (5, 3), {"elementwise": 15}),
    (lambda x: x.cfloat() * x.cfloat(), (5, 3), {"elementwise": 90}),
    (lambda x: x.cfloat() + x.cfloat(), (5, 3), {"elementwise": 30}),
    (lambda x: F.glu(x, dim=1), (4, 3), {"elementwise": 12}),
    (lambda x: x.clamp(0, 1), (5, 3), {"elementwise": 15}),
    (lambda x: torch.maximum(x, x), (5, 3), {"elementwise": 15}),
    (lambda x: x.max(dim=1).values, (5, 3), {"reduction": 15}),
    (lambda x: x.mean((1, 2)), (5, 3), {"reduction": 15}),
    (lambda x: x.cumsum(1), (5, 3), {"reduction": 15}),
    (lambda x: x.var(1), (5, 3), {"reduction": 45}),
    (lambda x: x.softmax(-1), (5, 3), {"softmax": 75}),
    (lambda x: F.layer_norm(x, (3,)), (5, 3), {"norm": 60}),
    (lambda x: F.layer_norm(x, (3,), WEIGHT[0]), (5, 3), {"norm": 75}),
    (lambda x: F.group_norm(x, 2), (4, 3), {"norm": 48}),
    (lambda x: F.rms_norm(x, (3,), WEIGHT[0]), (5, 3), {"norm": 60}),
    (lambda x: F.batch_norm(x, torch.zeros(5), torch.ones(5)), (5, 3), {"norm": 15}),
    (lambda x: F.avg_pool2d(x, 3, 1, 1), (2, 4, 4), {"pooling": 288}),
    (lambda x: F.max_pool2d(x, 2), (2, 4, 4), {"pooling": 32}),
    (lambda x: F.avg_pool1d(x, 2), (2, 4), {"pooling": 8}),
    (lambda x: F.adaptive_avg_pool2d(x, 3), (2, 4, 4), {"pooling": 32}),
    (lambda x: F.interpolate(x, scale_factor=2), (2, 4, 4), {}),
    (
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        (2, 4, 4),
        {"interpolation": 512},
    ),
    (lambda x: F.interpolate(x, size=(3, 3), mode="bicubic"), (2, 4, 4), {"interpolation": 288}),
    (
        lambda x: F.grid_sample(x, torch.zeros(1, 3, 3, 2), align_corners=False),
        (2, 4, 4),
        {"interpolation": 72},
    ),
    (lambda x: x.sort(dim=-1).values, (2, 8), {"sorting": 48}),
    (lambda x: x.argsort(dim=-1, stable=True), (2, 8), {"sorting": 48}),
    (lambda x: x.topk(3, dim=-1).values, (2, 8), {"sorting": 32}),
    (lambda x: torch.add(x, x, alpha=2), (5, 3), {"elementwise": 30}),
    (lambda x: torch.addcmul(x, x, x), (5, 3), {"elementwise": 30}),
    (lambda x: torch.addcdiv(x, x, x, value=0.5), (5, 3), {"elementwise": 45}),
    (lambda x: torch.lerp(x, x, 0.5), (5, 3), {"elementwise": 45}),
    (lambda x: x.sub_(1, alpha=3), (5, 3), {"elementwise": 30}),
    (lambda x: x.cfloat().sum(), (5, 3), {"reduction": 30}),
    (lambda x: x.cfloat().prod(1), (5, 3), {"reduction": 90}),
    (lambda x: x.cfloat().square(), (5, 3), {"elementwise": 90}),
    (lambda x: torch.einsum("bij->bi", x), (5, 3), {"reduction": 15}),
    (
        lambda x: F.instance_norm(x, torch.zeros(5), torch.ones(5), use_input_stats=False),
        (5, 3),
        {"norm": 15},
    ),
    # 2 places of the index get an element of the source; for a mean all 15 are divided.
    (lambda x: x.scatter_add(1, PLACES, x), (5, 3), {"elementwise": 2}),
    (lambda x: x.scatter(1, PLACES, x), (5, 3), {}),
    (lambda x: x.scatter(1, PLACES, 1.0), (5, 3), {}),
    (lambda x: x.scatter(1, PLACES, x, reduce="add"), (5, 3), {"elementwise": 2}),
    (lambda x: x.scatter_(1, PLACES, 2.0, reduce="multiply"), (5, 3), {"elementwise": 2}),
    (lambda x: x.scatter_reduce(1, PLACES, x, "amax"), (5, 3), {"elementwise": 2}),
    (lambda x: x.scatter_reduce(1, PLACES, x, "mean"), (5, 3), {"elementwise": 17}),
    # 2 rows of 3 channels.
    (lambda x: x.index_add(1, ROWS, x[:, :2]), (5, 3), {"elementwise": 6}),
    (lambda x: x.index_add(1, ROWS, x[:, :2], alpha=2), (5, 3), {"elementwise": 12}),
    (lambda x: x.index_copy(1, ROWS, x[:, :2]), (5, 3), {}),
    (
        lambda x: x.index_put((torch.tensor([0, 0]), ROWS), ONE, accumulate=True),
        (5, 3),
        {"elementwise": 6},
    ),
    (lambda x: x.index_put((torch.tensor([0, 0]), ROWS), ONE), (5, 3), {}),
    # 2 channels, 4 windows of 3x3 that overlap; 2x2 that do not.
    (lambda x: F.fold(x, (4, 4), 3), (18, 4), {"elementwise": 72}),
    (lambda x: F.fold(x, (4, 4), 2, stride=2), (8, 4), {}),
]


@pytest.mark.parametrize(("function", "shape", "expected"), OTHER)
def test_other_operations_are_no_macs(
    function: Callable[..., Any], shape: tuple[int, ...], expected: dict[str, int]
) -> None:
    cost = count(function, shape)
    assert amounts(cost) == expected
    assert cost.macs == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat(x.chunk(2, dim=1)),
        lambda x: x.view(1, 2, 2, 9).permute(0, 3, 1, 2).contiguous().flatten(1),
        lambda x: F.pad(x, (1, 1)).roll(1, 2),
        lambda x: F.unfold(x[None, 0], 3),
        lambda x: x[:, torch.tensor([0, 2])],
        lambda x: torch.where(x.isnan(), x, x).new_zeros(3),
        lambda x: x.expand(2, -1, -1, -1).unbind(0)[0],
        lambda x: x.view(x.shape[0] * x.shape[1], -1),
        lambda x: F.pixel_unshuffle(x, 3),
        lambda x: x.repeat(1, 2, 1, 1).gather(1, torch.zeros(1, 1, 1, 1).long()),
        lambda x: F.dropout(F.dropout2d(x, training=False), training=False),
        lambda x: x.repeat_interleave(x.shape[1], dim=1).masked_fill(MASK, 0),
        lambda x: torch.einsum("bcij->bjic", x),
    ],
)
def test_moving_data_is_free(function: Callable[..., Any]) -> None:
    expected = {"elementwise": 36} if "isnan" in function.__code__.co_names else {}
    assert amounts(count(function, (4, 3, 3))) == expected


def test_what_calculates_in_some_of_its_forms_is_not_free() -> None:
    settings = {"accumulate", "alpha", "beta", "dropout_p", "generator", "p", "reduce", "train"}
    assert {"aten::cat", "aten::gather", "aten::masked_fill_"} <= FREE
    for name in FREE:
        for schema in torch._C._jit_get_schemas_for_operator(name):
            assert settings.isdisjoint(each.name for each in schema.arguments), schema


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: F.dropout(x, 0.1), "dropout .active dropout"),
        (lambda x: F.dropout(x, 0.1, inplace=True), "dropout_ .active dropout"),
        (lambda x: F.dropout2d(x, 0.1), "feature_dropout .active dropout"),
        (lambda x: F.alpha_dropout(x, 0.1, training=True), "alpha_dropout"),
        (
            lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1),
            "scaled_dot_product_attention .active dropout",
        ),
        (lambda x: torch.bernoulli(x), "bernoulli"),
        (lambda x: x + torch.rand_like(x), "rand_like"),
        (lambda x: x + torch.randn(3), "randn"),
        (lambda x: x.clone().uniform_(), "uniform_"),
        (lambda x: F.rrelu(x, training=True), "rrelu"),
        (lambda x: x[x > 0], "index .a number of places that depends on a mask"),
        (lambda x: x.masked_select(x > 0), "masked_select"),
        (lambda x: torch.where(x > 0)[0], "where .a number of places that depends on a mask"),
        (lambda x: x.nonzero(), "nonzero"),
        (
            lambda x: x.repeat_interleave(torch.tensor([1, 2, 1, 1]), dim=1),
            "repeat_interleave .a size that depends on numbers",
        ),
        (lambda x: F.one_hot(x.long()), "one_hot .a size that depends on numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_drawn_or_depends_on_numbers_is_refused(
    function: Callable[..., Any], name: str
) -> None:
    with pytest.raises(UncountableOperation, match=f"got aten::{name}.* in Apply"):
        count(function, (4, 3, 3))


def test_a_recurrent_network_that_drops_out_is_refused() -> None:
    class Always(nn.LSTM):
        def eval(self) -> "Always":
            return self

    with pytest.raises(UncountableOperation, match=r"aten::lstm .active dropout"):
        count_module(Always(3, 4, 2, dropout=0.1), (5, 3))


@pytest.mark.parametrize(
    ("module", "macs", "other"),
    [
        (nn.LSTM(3, 4, batch_first=True), 5 * (16 * 3 + 16 * 4), 9 * 5 * 4),
        (nn.GRU(3, 4, batch_first=True), 5 * (12 * 3 + 12 * 4), 9 * 5 * 4),
        (nn.RNN(3, 4, batch_first=True), 5 * (4 * 3 + 4 * 4), 5 * 4),
        (
            nn.LSTM(3, 4, batch_first=True, bidirectional=True),
            2 * 5 * (16 * 3 + 16 * 4),
            2 * 9 * 5 * 4,
        ),
        (nn.LSTM(3, 4, batch_first=True, proj_size=2), 5 * (16 * 3 + 16 * 2 + 2 * 4), 9 * 5 * 4),
    ],
)
def test_recurrent_networks(module: nn.Module, macs: int, other: int) -> None:
    cost = count_module(module, (5, 3))
    assert cost.macs_by_kind["recurrent"] == cost.macs == macs
    assert cost.other == other


def test_torchs_transformer_layer_is_not_one_operation() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    cost = count_module(layer, (5, 8))
    # Queries, keys, values and output; 2 heads of 5 x 5 scores of 4 channels; the perceptron.
    assert cost.macs == 5 * 4 * 8 * 8 + 2 * 5 * 5 * (4 + 4) + 5 * 2 * 8 * 16
    assert torch.backends.mha.get_fastpath_enabled()


def test_an_operation_without_a_formula_is_an_error_that_names_it() -> None:
    with pytest.raises(UncountableOperation, match=r"got aten::cdist in Apply") as caught:
        count(lambda x: torch.cdist(x, x), (5, 3))
    assert caught.value.operation == "aten::cdist"


def test_a_function_of_ones_own_is_an_error_that_names_it() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # type: ignore[override]
            return 2 * x

    with pytest.raises(UncountableOperation, match=r"PythonOp.*Twice"):
        count(Twice.apply, (5, 3))


def test_a_setting_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UncountableOperation, match=r"fft_rfft .a setting computed at run time"):
        count(lambda x: torch.fft.rfft(x, n=x.shape[-1] ** 2), (2, 4))


def test_counting_a_module_leaves_it_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    module[2].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    cost = count_module(module, (3, 5, 5))
    assert [each.training for each in module.modules()] == [True, True, True, False]
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert cost.params == 3 * 4 + 4 + 4 + 4
    # Weights, running mean and variance at 4 bytes; the count of batches is an integer of 8.
    assert cost.param_bytes == 4 * (24 + 8) + 8


def test_shared_and_frozen_parameters() -> None:
    first = nn.Linear(3, 3)
    module = nn.Sequential(first, first, nn.Linear(3, 2))
    module[2].requires_grad_(False)
    cost = count_module(module, (3,))
    assert cost.params == 3 * 3 + 3
    assert cost.param_bytes == 4 * (12 + 8)
    assert cost.macs == 9 + 9 + 6


def test_half_precision_counts_as_float32() -> None:
    assert count_module(nn.Linear(3, 2).bfloat16(), (3,)) == count_module(nn.Linear(3, 2), (3,))
