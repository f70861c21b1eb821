"""Scans equal their sequential references, and lifting visits each position once."""

from collections.abc import Callable, Sequence

import pytest
import torch
from nas_explorer.search_space.components.sequence.cells import (
    CELLS,
    GruHeads,
    LstmHeads,
    SlstmHeads,
)
from nas_explorer.search_space.components.sequence.gated_linear import gated_linear_attention
from nas_explorer.search_space.components.sequence.lifting import ROUTES, Lifted
from nas_explorer.search_space.components.sequence.selective_scan import (
    SelectiveScan,
    selective_scan,
)
from torch import Tensor, nn

from ..benchmark_runs import run_benchmark
from . import sequential
from .tensors import random


class CumulativeSum(nn.Module):
    """The sum of all positions of a sequence up to each."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


def lifted(core: Callable[[], nn.Module], lifting: str, merged: str = "sum") -> Lifted:
    cores = [core() for _ in ROUTES[lifting]]
    return Lifted(cores, lifting=lifting, window=3, merged=merged)


def with_gradients(scan: Callable[..., Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    leaves = [each.detach().requires_grad_() for each in given]
    y = scan(*leaves)
    (y * random(*y.shape).to(y.dtype)).sum().backward()
    return [y, *(each.grad for each in leaves if each.grad is not None)]


def assert_close(ours: Sequence[Tensor], theirs: Sequence[Tensor], within: float = 1e-4) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() <= within * b.abs().max()


def in_parallel(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """Gated linear attention as one matrix of weights (Yang et al., 2023, equation 4)."""
    since = log_decay.cumsum(2)
    apart = (since[:, :, :, None] - since[:, :, None]).exp()
    weights = torch.einsum("bhid,bhjd,bhijd->bhij", q, k, apart).tril()
    return weights @ v


@pytest.mark.parametrize("length", [1, 31, 70])
def test_three_forms_of_gated_linear_attention_agree(length: int) -> None:
    given = sequential.gated_linear_inputs(2, 2, length, 3, 5, torch.float32)
    forms = (gated_linear_attention, sequential.gated_linear_attention, in_parallel)
    chunked, recurrent, parallel = (with_gradients(each, given) for each in forms)
    assert_close(chunked, recurrent)
    assert_close(parallel, recurrent)


@pytest.mark.parametrize("length", [6, 64])
def test_the_strongest_decays_stay_finite(length: int) -> None:
    """Log decays below -5 are -5 at any length of the sequence."""
    q, k, v, log_decay = sequential.gated_linear_inputs(1, 1, length, 4, 4, torch.float32)
    y, *gradients = with_gradients(gated_linear_attention, [q, k, v, log_decay - 1e4])
    assert all(each.isfinite().all() for each in gradients)
    raised = torch.full_like(log_decay, -5)
    expected = sequential.gated_linear_attention(q, k, v, raised)
    assert torch.allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 50])
def test_the_selective_scan_is_its_recurrence(length: int) -> None:
    given = sequential.selective_inputs(2, length, 4, 3, torch.float32)
    assert_close(
        with_gradients(selective_scan, given), with_gradients(sequential.selective_scan, given)
    )


def test_steps_start_between_a_thousandth_and_a_tenth() -> None:
    module = SelectiveScan(64, state=4, rank=2)
    steps = nn.functional.softplus(module.step.bias)
    assert steps.min() > 0.00099 and steps.max() < 0.101
    assert torch.allclose(module.log_rate_EM.exp()[0], torch.arange(1.0, 5.0))


@pytest.mark.parametrize("lifting", ROUTES)
@pytest.mark.parametrize("size", [(4, 5), (7, 2), (1, 1)])
def test_each_route_visits_each_position_once(lifting: str, size: tuple[int, int]) -> None:
    x = random(2, 3, *size)
    assert torch.equal(lifted(nn.Identity, lifting, "mean")(x), x)
    both = lifted(nn.Identity, lifting, "concat")(x)
    assert torch.equal(both, torch.cat([x] * len(ROUTES[lifting]), dim=1))


@pytest.mark.parametrize("lifting", ROUTES)
def test_nothing_passes_from_one_image_to_another(lifting: str) -> None:
    module = lifted(lambda: LstmHeads(3, 4, 1), lifting)
    x = random(3, 3, 4, 5).float()
    alone = torch.cat([module(each[None]) for each in x])
    assert torch.allclose(module(x), alone, atol=1e-6)


def test_rows_and_columns_start_anew() -> None:
    x = random(2, 3, 4, 5)
    four = lifted(CumulativeSum, "rows_columns", "concat")(x).chunk(4, dim=1)
    flipped = [x.flip(axis).cumsum(axis).flip(axis) for axis in (2, 3)]
    expected = (x.cumsum(2), flipped[0], x.cumsum(3), flipped[1])
    for found, each in zip(four, expected, strict=True):
        assert torch.allclose(found, each)


def test_windows_start_anew() -> None:
    x = random(1, 2, 3, 6)
    forward, backward = lifted(CumulativeSum, "windows", "concat")(x).chunk(2, dim=1)
    for part in (slice(0, 3), slice(3, 6)):
        flat = x[..., part].flatten(2)
        assert torch.allclose(forward[..., part].flatten(2), flat.cumsum(2))
        assert torch.allclose(backward[..., part].flatten(2), flat.flip(2).cumsum(2).flip(2))


@pytest.mark.parametrize("lifting", ["bidirectional", "four_way", "rows_columns"])
def test_forward_and_backward_scans_mirror_each_other(lifting: str) -> None:
    """On the map turned by half a turn, each route does what its reverse does on the map."""
    module = lifted(lambda: SelectiveScan(3, state=2, rank=1), lifting, "concat").double()
    for core in module.cores:
        core.load_state_dict(module.cores[0].state_dict())
    x = random(1, 3, 4, 5)
    turned = module(x.flip(2, 3)).flip(2, 3).unflatten(1, (-1, 2, 3)).flip(2).flatten(1, 3)
    assert torch.allclose(module(x), turned)


def test_a_gru_of_one_head_is_torchs() -> None:
    ours, theirs = GruHeads(3, 4, 1), nn.GRU(3, 4, batch_first=True)
    state = theirs.state_dict()
    with torch.no_grad():
        ours.given.weight.copy_(state["weight_ih_l0"])
        ours.given.bias.copy_(state["bias_ih_l0"])
        ours.recurrent_hDE[0].copy_(state["weight_hh_l0"].T)
        ours.bias_hGD[0].copy_(state["bias_hh_l0"].unflatten(0, (3, 4)))
    x = random(2, 7, 3).float()
    assert torch.allclose(ours(x), theirs(x)[0], atol=1e-6)


def test_the_scalar_lstm_is_its_equations() -> None:
    """Without the stabiliser (Beck et al., 2024, equations 8 to 10), where nothing overflows."""
    module = SlstmHeads(3, 2, 1).double()
    x = random(1, 6, 3)
    y = cell = normal = torch.zeros(1, 2, dtype=torch.float64)
    expected: list[Tensor] = []
    largest = torch.full((1, 2), -torch.inf, dtype=torch.float64)
    for x_t in x.unbind(1):
        recalled = (y @ module.recurrent_hDE[0]).unflatten(1, (4, 2))
        enter, forget, value, out = (module.given(x_t).unflatten(1, (4, 2)) + recalled).unbind(1)
        cell = forget.sigmoid() * cell + enter.exp() * value.tanh()
        normal = forget.sigmoid() * normal + enter.exp()
        largest = torch.maximum(enter, forget.sigmoid().log() + largest)
        y = out.sigmoid() * cell / torch.maximum(normal, largest.exp())
        expected.append(y)
    assert torch.allclose(module(x), torch.stack(expected, dim=1))


@pytest.mark.parametrize("cell", CELLS)
def test_cells_train_under_autocast(cell: str) -> None:
    torch.manual_seed(1)
    module, x = CELLS[cell](4, 4, 2), random(2, 5, 4).float()
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    y.float().sum().backward()
    assert torch.allclose(y.float(), module(x), atol=0.02)
    assert all(each.grad is not None and each.grad.isfinite().all() for each in module.parameters())


@pytest.mark.parametrize("cell", [GruHeads, LstmHeads, SlstmHeads])
def test_heads_have_states_of_their_own(cell: Callable[[int, int, int], nn.Module]) -> None:
    """One head's output does not depend on the recurrent weights of another."""
    torch.manual_seed(1)
    module, x = cell(3, 4, 2), random(1, 6, 3).float()
    before = module(x)
    for name, value in module.named_parameters():
        if name.startswith(("recurrent", "bias_h")):
            value.data[1] += 1
        elif name.startswith("heads.1.weight_hh"):
            value.data += 1
    after = module(x)
    assert torch.equal(before[..., :2], after[..., :2])
    assert not torch.allclose(before[..., 2:], after[..., 2:])


def test_the_benchmark_of_scans_runs() -> None:
    about = run_benchmark("scans.py", "--quick")
    assert len(about["scans"]) == 4
    assert all(each["difference"] < 1e-4 for each in about["scans"].values())
