"""Published networks: the figures that are printed, and the function that timm computes."""

from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest
import torch
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.network import Network
from nas_explorer.search_space.zoo import ZOO, ZooEntry, zoo_entry
from torch.utils.flop_counter import FlopCounterMode

every_entry = pytest.mark.parametrize("entry", ZOO.values(), ids=list(ZOO))


def half_digit(text: str) -> float:
    """Half of the last printed digit: 0.05e9 for 4.1G."""
    number = text[:-1]
    decimals = len(number.partition(".")[2])
    return 0.5 * 10.0**-decimals * {"M": 1e6, "G": 1e9}[text[-1]]


def counted(entry: ZooEntry) -> tuple[int, float]:
    """Trainable parameters and multiply-adds of what is run, by torch's own counter."""
    with torch.device("meta"):
        network = Network(entry.architecture).eval().folded()
        image = torch.empty(1, *entry.architecture.input)
    params = sum(each.numel() for each in network.parameters() if each.requires_grad)
    with FlopCounterMode(display=False) as counter:
        network(image)
    return params, counter.get_total_flops() / 2


@every_entry
def test_entries_are_filled_in(entry: ZooEntry) -> None:
    assert zoo_entry(entry.name) is entry
    assert entry.architecture.input == (3, entry.resolution, entry.resolution)
    assert entry.architecture is entry.architecture
    if entry.printed_params is None or entry.printed_macs is None:
        assert entry.note
    else:
        assert 1e6 < entry.printed_params < 1e9 < 20 * entry.printed_macs
    assert "/" in entry.source and "," in entry.source
    assert entry.family and "\n" not in entry.note
    with pytest.raises(FrozenInstanceError):
        entry.name = "other"  # type: ignore[misc]


def test_the_table() -> None:
    assert len({entry.architecture.digest for entry in ZOO.values()}) == len(ZOO) >= 60
    assert len({entry.family for entry in ZOO.values()}) >= 10
    with pytest.raises(InputError, match="did you mean 'caformer_s18'"):
        zoo_entry("caformer_s_18")
    entry = zoo_entry("convformer_s18")
    assert (entry.printed_params, entry.printed_macs) == (27_000_000, 3_900_000_000)


@pytest.mark.slow
@every_entry
def test_figures_are_the_printed_ones(entry: ZooEntry) -> None:
    """To the last printed digit, or there is a note; never more than 3 % or one such digit off."""
    params, macs = counted(entry)
    printed = (entry.printed_params, entry.printed_macs)
    exact = True
    for ours, theirs, text in zip((params, macs), printed, entry.printed.split(), strict=False):
        if theirs is None:
            exact = False
            continue
        exact = exact and abs(ours - theirs) <= half_digit(text)
        cut_off = 2 * half_digit(text)  # some print whole millions, not rounded
        assert abs(ours - theirs) < max(cut_off, 0.03 * theirs), (ours, theirs)
    assert exact == (not entry.note) or not entry.printed, (params, macs)


def test_figures_by_hand() -> None:
    """IdentityFormer-S12: stem, three downsamplings, twelve blocks, head, all counted on paper."""
    stem = 3 * 49 * 64 + 64 + 64
    widths, depths = (64, 128, 320, 512), (2, 2, 6, 2)
    downs = sum(a + 9 * a * b + b for a, b in pairwise(widths))
    blocks = sum(d * (2 * w + 2 * w * 4 * w + 2) for w, d in zip(widths, depths, strict=True))
    scales = sum(d * 2 * w for w, d in list(zip(widths, depths, strict=True))[2:])
    head = 2 * 512 + 512 * 1000 + 1000
    network = Network(zoo_entry("identityformer_s12").architecture)
    params = sum(each.numel() for each in network.parameters())
    assert params == stem + downs + blocks + scales + head
