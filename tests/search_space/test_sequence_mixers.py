"""Mixers that scan sequences, or replace scans, compute the formulas of their papers."""

from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.base import Norm
from nas_explorer.search_space.components.canonical import canonical_component
from nas_explorer.search_space.components.class_attention import ClassAttentionHead
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.mixers.spatial_state import impulse_response
from nas_explorer.search_space.components.norms import LayerNorm, NoNorm
from nas_explorer.search_space.components.sequence.chunked_attention import ChunkedAttention
from nas_explorer.search_space.components.sequence.modal import ModalFilter
from nas_explorer.search_space.components.sequence.past_gate import PastGate
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from . import sequential
from .tensors import random

COSTS: dict[str, tuple[dict[str, Any], Shape, int]] = {
    # 6 places: queries, keys and values 4 -> 8, decays 4 -> 3 -> 2; one chunk: its state and what
    # is read of it 2 x 6 x 2 x 4, scores 6 x 6 x 2, values 6 x 6 x 4; gate and projection 4 -> 4
    "gated_linear_attention": (
        {"head_dim": 4, "key_dim": 2, "gate_rank": 3, "lifting": "raster", "locality": "none"},
        Shape(4, 2, 3),
        6 * (4 * 8 + 4 * 3 + 3 * 2) + 2 * 6 * 8 + 6 * 6 * (2 + 4) + 2 * 6 * 16,
    ),
    # four routes, each with four gates of 4 inputs and 1 state; projection 4 -> 4
    "recurrent": ({}, Shape(4, 2, 3), 6 * (4 * 4 * (4 + 1) + 16)),
    # both projections 16 -> 16, a 3x3 kernel, 16 -> 5 and 1 -> 16, the state read twice
    "selective_scan": (
        {"lifting": "raster", "state": 2},
        Shape(16, 2, 2),
        4 * (2 * 16 * 16 + 9 * 16 + 16 * 5 + 16 + 2 * 16 * 2),
    ),
    # 2 -> 6, a 1x1 kernel, within the chunk 4 taps, 6 numbers of state written and read, 2 -> 2
    "distilled_hyena": (
        {"lifting": "raster", "head_dim": 2, "modes": 3, "kernel_size": 1},
        Shape(2, 2, 2),
        4 * (2 * 6 + 6 + 4 * 2 + 2 * 6 * 2 + 4),
    ),
    # 4 -> 12, keys by values and queries by both sums, a 3x3 kernel, 4 -> 4
    "simplified_linear_attention": (
        {"head_dim": 4, "kernel_size": 3},
        Shape(4, 2, 3),
        6 * (48 + 16 + 16 + 4 + 9 * 4 + 16),
    ),
    # three places before, a gate 4 -> 4, 2 -> 2
    "parallel_gate": ({"lifting": "raster", "reach": 3}, Shape(2, 2, 2), 4 * (2 * 3 + 16 + 4)),
    # two taps, 2 -> 8, 2 -> 2, two keys of 2 and two values of 2, 2 -> 2
    "chunked_attention": (
        {"lifting": "raster", "key_dim": 2, "chunk": 2, "layers": 1, "kernel_size": 2},
        Shape(2, 2, 2),
        4 * (2 * 2 + 16 + 4 + 2 * (2 + 2) + 4),
    ),
    # 2 -> 2, a 1x1 kernel, 2 -> 1, 2 -> 4, 2 -> 2; one query with four keys and values
    "sparse_hybrid": (
        {"head_dim": 2, "chosen": 1, "kernel_size": 1},
        Shape(2, 2, 2),
        4 * (4 + 2 + 2 + 8 + 4) + 4 + 4 * (2 + 2),
    ),
    # 2 -> 6; two windows: two means, scores and values of each; 4 near and 2 far; 2 -> 2
    "combiner": (
        {"head_dim": 2, "window": 2},
        Shape(2, 2, 4),
        8 * (12 + 4) + 4 * 2 * 4 * 2 + 8 * 2 * (4 + 2) * 2,
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_multiply_adds_are_those_worked_by_hand(name: str) -> None:
    knobs, shape, macs = COSTS[name]
    assert count_module(MIXERS[name](**knobs).build(shape), shape).macs == macs


@pytest.mark.parametrize("lifting", ["raster", "bidirectional"])
def test_vig_is_its_formula(lifting: str) -> None:
    """Liao et al., 2024, equations 6 to 9, with the sequential form of the scan."""
    shape = Shape(8, 3, 4)
    mixer = MIXERS["gated_linear_attention"](head_dim=4, key_dim=2, lifting=lifting)
    module: Any = mixer.build(shape).double()
    for each in module.parameters():
        each.data += 0.3 * random(*each.shape)
    x = random(2, *shape)
    conv = module.local[0]
    local = F.silu(F.conv2d(x, conv.weight, padding=1, groups=8)).flatten(2).transpose(1, 2)

    def linear(layer: nn.Module) -> Tensor:
        weight: Any = layer.weight
        return F.linear(local, weight.flatten(1), layer.bias)  # type: ignore[arg-type]

    def heads(y: Tensor) -> Tensor:
        return y.unflatten(2, (2, -1)).transpose(1, 2)

    q, k, v = map(heads, linear(module.qkv).split([4, 4, 8], dim=2))
    found: list[Tensor] = []
    for number, core in enumerate(module.scan.cores):
        decay = heads(F.logsigmoid(core.decay(linear(module.low))) / 16)
        given = [each.flip(2) if number else each for each in (q / 2**0.5, k, v, decay)]
        y = sequential.gated_linear_attention(*given)
        found.append(y.flip(2) if number else y)

    def normed(y: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(y, weight.shape, weight, 1e-6).transpose(1, 2).flatten(2)

    scanned = normed(torch.stack(found).mean(0), module.norm.weight)
    gate = linear(module.gate).sigmoid()
    mixed = gate * scanned + (1 - gate) * normed(heads(local), module.local_norm.weight)
    expected = mixed @ module.proj.weight.flatten(1).T
    assert torch.allclose(module(x).flatten(2).transpose(1, 2), expected)


@pytest.mark.parametrize("length", [1, 40, 70])
def test_a_distilled_recurrence_is_its_convolution(length: int) -> None:
    module, x = ModalFilter(2, modes=3, form="recurrence").double(), random(2, length, 6)
    taps = module.taps(length).double()
    expected = torch.zeros_like(x)
    for back in range(length):
        of_channels = taps[:, back].repeat_interleave(3)
        expected[:, back:] += of_channels * x[:, : length - back]
    results: list[list[Tensor]] = []
    for form in ("recurrence", "convolution"):
        module.form = form
        module.zero_grad()
        y = module(x)
        assert torch.allclose(y, expected, rtol=1e-4, atol=1e-5)
        (y * random(*y.shape)).sum().backward()
        results.append([each.grad.clone() for each in module.parameters() if each.grad is not None])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_poles_decay_and_turn() -> None:
    """With one real pole of 1/2 and a residue of 3, taps are d, 3, 3/2, 3/4."""
    module = ModalFilter(1, modes=1, form="recurrence")
    with torch.no_grad():
        module.log_decay_hM.fill_(torch.tensor(2.0).log().log())
        module.angle_hM.zero_()
        module.residue_2hM.copy_(torch.tensor([3.0, 0.0])[:, None, None])
        module.direct_h.fill_(7.0)
    assert torch.allclose(module.taps(4)[0], torch.tensor([7.0, 3.0, 1.5, 0.75]))


def test_states_in_two_dimensions_follow_their_recurrence() -> None:
    """Position by position (Baron et al., 2023), halved where both states before are not zero."""
    height, width = 4, 3
    rates, written = random(4, 2, 3).sigmoid(), random(2, 2, 3).sigmoid()
    across, down = (torch.zeros(2, 3, height, width, dtype=torch.float64) for _ in range(2))
    for i in range(height):
        for j in range(width):
            for state, place, two in (
                (across, (i, j - 1), rates[:2]),
                (down, (i - 1, j), rates[2:]),
            ):
                if min(place) >= 0:
                    one, other = across[:, :, *place], down[:, :, *place]
                    both = bool(one.any() and other.any())
                    state[:, :, i, j] = (two[0] * one + two[1] * other) / (2 if both else 1)
            if i == j == 0:
                across[:, :, 0, 0], down[:, :, 0, 0] = written
    found = impulse_response(rates, written, height, width)
    assert torch.allclose(found, torch.stack([across, down]))


def test_simplified_linear_attention_is_its_formula() -> None:
    shape = Shape(8, 3, 4)
    module: Any = MIXERS["simplified_linear_attention"](head_dim=4).build(shape)
    x = random(2, *shape).float()
    q, k, v = module.projection(x).flatten(2).unflatten(1, (3, 2, 4)).unbind(1)
    weights = q.relu().transpose(2, 3) @ k.relu()
    weights = weights / (weights.sum(3, keepdim=True) + 1e-6)
    mixed = (v @ weights.transpose(2, 3)).unflatten(3, (3, 4)).flatten(1, 2)
    local = torch.cat([module.local(each) for each in v.unflatten(3, (3, 4)).unbind(1)], dim=1)
    assert torch.allclose(module(x), module.proj(mixed + local), atol=1e-6)


def test_a_parallel_gate_sees_what_was_before() -> None:
    """The history holds the last positions, without the present one (Jia et al., equation 2)."""
    module, x = PastGate(2, reach=3).double(), random(1, 6, 2)
    past = torch.zeros_like(x)
    for t in range(6):
        for back in range(1, min(t, 3) + 1):
            past[:, t] += module.past.weight[:, 0, 3 - back] * x[:, t - back]
    past = past + module.past.bias
    gate, new = module.gate(torch.cat([x, past], dim=2)).chunk(2, dim=2)
    expected = gate.sigmoid() * past + (1 - gate.sigmoid()) * new.tanh()
    assert torch.allclose(module(x), expected)


@pytest.mark.parametrize("length", [6, 7])
def test_chunked_attention_stays_in_its_chunks(length: int) -> None:
    """A position depends on earlier ones by the convolutions, on later ones in its chunk only."""
    module = ChunkedAttention(2, key_dim=3, chunk=4, layers=1, kernel_size=2)
    x = random(1, length, 2).float().requires_grad_()
    module(x)[0, 0].sum().backward()
    assert x.grad is not None
    size = -(-length // 2)
    seen = x.grad[0].abs().sum(1) > 0
    assert seen[:size].all() and not seen[size:].any()


def test_only_chosen_positions_attend() -> None:
    shape = Shape(4, 3, 3)
    module: Any = MIXERS["sparse_hybrid"](head_dim=2, chosen=2).build(shape)
    for each in module.parameters():
        each.data += 0.5 * random(*each.shape).float()
    x = random(1, *shape).float()
    chosen = module.score(x).flatten().topk(2).indices.tolist()
    base = module.proj(module.gate(x) * module.conv(x))
    apart = (module(x) - base).abs().sum(1).flatten()
    assert [place for place in range(9) if apart[place] > 1e-4] == sorted(chosen)


def test_combiner_of_one_window_is_attention_and_of_two_its_expectation() -> None:
    shape = Shape(4, 2, 4)
    x = random(1, *shape).float()
    for window in (4, 2):
        module: Any = MIXERS["combiner"](head_dim=4, window=window).build(shape)
        for each in module.parameters():
            each.data += 0.5 * random(*each.shape).float()
        q, k, v = module.qkv(x).flatten(2).transpose(1, 2)[0].chunk(3, dim=1)
        if window == 4:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            region = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1])
            y = torch.zeros(8, 4)
            for place in range(8):
                mine, other = region == region[place], region != region[place]
                asking, named = q[other].mean(0) / 2, k[other].mean(0)
                summary = (k[other] @ asking).softmax(0) @ v[other]
                scores = torch.cat([k[mine] @ q[place], (named @ q[place])[None]]) / 2
                y[place] = scores.softmax(0) @ torch.cat([v[mine], summary[None]])
        expected = module.proj(y.T.reshape(1, *shape))
        assert torch.allclose(module(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "knobs", "knob", "most"),
    [
        ("combiner", {"head_dim": 4}, "window", 4),
        ("cascaded_attention", {"heads": 2, "key_dim": 4}, "window", 4),
        ("sparse_hybrid", {"head_dim": 4}, "chosen", 12),
        ("chunked_attention", {"lifting": "raster"}, "chunk", 12),
        ("chunked_attention", {"lifting": "rows_columns"}, "chunk", 4),
        ("chunked_attention", {"lifting": "windows", "window": 2}, "chunk", 4),
        ("parallel_gate", {"lifting": "raster"}, "reach", 11),
        ("parallel_gate", {"lifting": "rows_columns"}, "reach", 3),
    ],
)
def test_a_knob_beyond_the_map_is_clipped(
    name: str, knobs: dict[str, Any], knob: str, most: int
) -> None:
    """The contract of components compares the outputs of both forms; here only those that have
    equal parameters."""
    shape = Shape(8, 3, 4)
    below, clipped, beyond = (MIXERS[name](**knobs, **{knob: most + more}) for more in (-1, 0, 5))
    canonical = [canonical_component(each, shape) for each in (below, clipped, beyond)]
    assert canonical[1] == canonical[2] == clipped.canonical(shape) != canonical[0]
    assert canonical[1].knobs()[knob] == most
    if name in ("parallel_gate", "cascaded_attention"):
        return
    x = random(2, *shape).float()
    outputs: list[Tensor] = []
    for each in (clipped, beyond):
        torch.manual_seed(1)
        outputs.append(each.build(shape)(x))
    assert torch.allclose(outputs[0], outputs[1], atol=1e-6)


@pytest.mark.parametrize("chunk", range(1, 9))
def test_chunks_of_equal_lengths_are_one_network(chunk: int) -> None:
    """Seven rows of five positions: chunks of four are chunks of three, or of four in columns."""
    shape = Shape(4, 7, 5)
    mixer = MIXERS["chunked_attention"](lifting="rows_columns", chunk=chunk)
    least = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 5}.get(chunk, 7)
    assert mixer.canonical(shape).knobs()["chunk"] == least


@pytest.mark.parametrize(
    ("layers", "norm", "forms"),
    [(2, LayerNorm(), 3), (1, LayerNorm(), 2), (2, NoNorm(), 2), (1, NoNorm(), 1)],
)
def test_positions_of_class_attention_that_nothing_reads(
    layers: int, norm: Norm, forms: int
) -> None:
    shape, x = Shape(8, 3, 4), random(2, 8, 3, 4).float()
    outputs: dict[ClassAttentionHead, Tensor] = {}
    for positions in ("kept", "summed", "normed"):
        head = ClassAttentionHead(layers=layers, norm=norm, positions=positions, init=1.0)
        torch.manual_seed(1)
        y = head.build(shape, 5)(x)
        assert torch.equal(outputs.setdefault(head.canonical(shape), y), y)
    assert len(outputs) == forms
