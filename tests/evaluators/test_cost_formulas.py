"""Cost formulas against numbers worked by hand."""

import pytest
from nas_explorer.evaluators.cost.counting import formulas


def test_convolution() -> None:
    # 8 output channels x 5x5 places, each over 3 channels x 3x3 pixels: 8 * 25 * 27.
    assert formulas.convolution((1, 3, 5, 5), (8, 3, 3, 3), (1, 8, 5, 5), transposed=False) == 5400
    # Depthwise: 8 channels x 25 places x 9 pixels.
    assert formulas.convolution((1, 8, 5, 5), (8, 1, 3, 3), (1, 8, 5, 5), transposed=False) == 1800


def test_transposed_convolution_counts_from_the_input() -> None:
    # Each of 3x3 input places meets 4 x 6 x 2 x 2 weights.
    found = formulas.convolution((1, 4, 3, 3), (4, 6, 2, 2), (1, 6, 6, 6), transposed=True)
    assert found == 9 * 96


def test_product() -> None:
    assert formulas.product((2, 3, 4), (2, 3, 5)) == 2 * 3 * 5 * 4
    assert formulas.product((4,), ()) == 4  # a dot product


def test_attention_is_counted_as_if_written_out() -> None:
    # 2 heads, 3 queries, 5 keys of 4 channels, values of 6: scores 2*3*5=30, 30*4 + 30*6 MACs.
    cost = formulas.attention((1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 6))
    assert (cost.macs, cost.scores, cost.out) == (300, 30, 36)


def test_grouped_queries_count_the_heads_of_the_queries() -> None:
    cost = formulas.attention((1, 4, 3, 2), (1, 1, 3, 2), (1, 1, 3, 2))
    assert cost.macs == 4 * 3 * 3 * (2 + 2)


def test_fourier() -> None:
    # 8 complex points: 2.5 * 8 * 3 = 60 MACs; a real side: half.
    assert formulas.fourier((8,), [0], real=False) == 60
    assert formulas.fourier((8,), [0], real=True) == 30
    # 3 channels of a 4x8 map: 3 * 2.5 * 32 * 5.
    assert formulas.fourier((3, 4, 8), [-2, -1], real=False) == 1200
    assert formulas.fourier((3, 1), [1], real=False) == 0  # nothing to transform


def test_lstm() -> None:
    # 5 steps of 2 sequences, 3 -> 4 channels, 4 gates: (16*3 + 16*4) * 10 MACs, 32 * 10 outputs,
    # 9 operations for each of 4 * 2 cells and 5 steps. Biases are free.
    weights = [(16, 3), (16, 4), (16,), (16,)]
    cost = formulas.recurrent((5, 2, 3), (1, 2, 4), weights, cell=9)
    assert (cost.macs, cost.activations, cost.other) == (1120, 320, 360)


def test_recurrent_without_a_batch() -> None:
    cost = formulas.recurrent((5, 3), (1, 4), [(16, 3), (16, 4)], cell=9)
    assert (cost.macs, cost.other) == (560, 180)


def test_sorting() -> None:
    assert formulas.sorting((3, 8), -1) == 3 * 8 * 3
    assert formulas.sorting((3, 8), -1, kept=1) == 3 * 8 * 1
    assert formulas.sorting((3, 8), -1, kept=3) == 3 * 8 * 2
    assert formulas.sorting((3, 1), -1) == 0


def test_folding_adds_where_windows_meet() -> None:
    # 2 channels x 3x3 windows on a 4x4 map, 4 of them one apart: each of 18 x 4 elements is added.
    assert formulas.folding((1, 18, 4), (3, 3), (1, 1), (1, 1)) == 72
    # 2x2 windows at distance two do not overlap; with dilation 2 they span 3 positions.
    assert formulas.folding((1, 8, 4), (2, 2), (1, 1), (2, 2)) == 0
    assert formulas.folding((1, 8, 4), (2, 2), (2, 2), (2, 2)) == 32
    assert formulas.folding((1, 6, 4), (3, 1), (1, 1), (2, 1)) == 24  # on one axis only


def test_indexed() -> None:
    # x[rows], x[rows, columns], x[:, columns] and x[rows_21, columns_3] of a (4, 5, 6).
    assert formulas.indexed((4, 5, 6), [(3,)]) == 3 * 5 * 6
    assert formulas.indexed((4, 5, 6), [(3,), (3,)]) == 3 * 6
    assert formulas.indexed((4, 5, 6), [None, (3,)]) == 3 * 4 * 6
    assert formulas.indexed((4, 5, 6), [(2, 1), (3,)]) == 2 * 3 * 6
    assert formulas.indexed((4, 5), [(), (3,)]) == 3


@pytest.mark.parametrize(
    ("equation", "operands", "macs", "sums"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 30, 0),
        ("bnij, bnjk", [(2, 3, 4, 5), (2, 3, 5, 6)], 2 * 3 * 4 * 5 * 6, 0),  # no arrow: bnik
        ("b...c,dc->b...d", [(2, 7, 3), (5, 3)], 2 * 7 * 3 * 5, 0),
        ("...c,...c", [(2, 7, 3), (7, 3)], 2 * 7 * 3, 0),
        ("bc,bd->bcd", [(2, 3), (2, 5)], 30, 0),  # an outer product multiplies too
        ("ij,jk->k", [(9, 3), (3, 5)], 15, 27),  # i is summed first
        ("ij,jk->j", [(2, 3), (3, 5)], 3, 6 + 15),  # i and k are summed first
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5, 0),
        ("ij->ji", [(2, 3)], 0, 0),  # one operand is permuted,
        ("ii->i", [(3, 3)], 0, 0),
        ("ij->i", [(2, 3)], 0, 6),  # or summed
    ],
)
def test_einsum(equation: str, operands: list[tuple[int, ...]], macs: int, sums: int) -> None:
    cost = formulas.einsum(equation, operands)
    assert (cost.macs, cost.sums) == (macs, sums)


def test_einsum_follows_the_path() -> None:
    operands = [(2, 3), (3, 4), (4, 5)]
    cost = formulas.einsum("ij,jk,kl->il", operands, [1, 2, 0, 1])
    assert cost.macs == 3 * 4 * 5 + 2 * 3 * 5


def test_complex_operands_count_in_the_contractions_that_they_are_in() -> None:
    operands = [(2, 3), (3, 4), (4, 5)]

    def macs(*complex_: bool) -> int:
        return formulas.einsum("ij,jk,kl->il", operands, complex_=complex_).macs

    assert macs(True, True, True) == 4 * (24 + 40)
    assert macs(False, False, True) == 24 + 2 * 40
    assert macs(True, False, False) == 2 * 24 + 2 * 40  # the first result is complex
    assert formulas.einsum("ij->i", [(2, 3)], complex_=[True]).sums == 12
