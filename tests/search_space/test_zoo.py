"""Published networks: their printed figures, and the function that timm computes."""

import random
from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.shipped import shipped_zoo
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.zoo import ZOO, ZooEntry, in_zoo, zoo_entry, zoo_names

from ..benchmark_runs import load_benchmark, run_benchmark

every_entry = pytest.mark.parametrize("entry", ZOO.values(), ids=list(ZOO))


SCRIPT = load_benchmark("zoo.py")
SHIPPED = shipped_zoo()

# benchmarks/zoo.py checks all of them.
SAMPLE = random.Random(1).sample(list(ZOO.values()), 6)
NOTED = random.Random(1).sample([each for each in ZOO.values() if SCRIPT.note_counts(each)], 5)


@every_entry
def test_entries_are_filled_in(entry: ZooEntry) -> None:
    assert zoo_entry(entry.name) is entry
    assert entry.architecture.input == (3, entry.resolution, entry.resolution)
    assert entry.architecture is entry.architecture
    if entry.printed_params is None or entry.printed_macs is None:
        assert entry.note
    else:
        assert 5e5 < entry.printed_params < 1e9 < 50 * entry.printed_macs
    assert ("/" in entry.source or entry.source.startswith("arXiv:")) and "," in entry.source
    assert entry.family and "\n" not in entry.note
    with pytest.raises(FrozenInstanceError):
        entry.name = "other"  # type: ignore[misc]


def test_the_table() -> None:
    assert len({entry.architecture.digest for entry in ZOO.values()}) == len(ZOO) >= 60
    assert len({entry.family.partition(" (")[0] for entry in ZOO.values()}) >= 14
    entry = zoo_entry("convformer_s18")
    assert (entry.printed_params, entry.printed_macs) == (27_000_000, 3_900_000_000)


def test_networks_are_found_by_the_names_of_papers() -> None:
    names = zoo_names()
    assert len({"".join(filter(str.isalnum, name.lower())) for name in names}) == len(names)
    for name in names:
        assert zoo_entry(name) is zoo_entry(name.lower().replace("-", "_"))
    for written, name in (
        ("VAN-B0", "van_b0"),
        ("FasterNet-T0", "fasternet_t0"),
        ("PATNet-T0", "PartialNet_t0"),
        ("PartialNet-T0", "PartialNet_t0"),
        ("CAS-ViT-XS", "rcvit_xs"),
        ("ConvNeXt V2-A", "convnextv2_atto"),
        ("InceptionNeXt-T", "inceptionnext_tiny"),
        ("Mixer-S/16", "mixer_s16_224"),
        ("ResMLP-S12", "resmlp_12_224"),
        ("ResNet-50", "resnet50"),
        ("convnext_tiny", "ConvNeXt-T"),
        ("convnext_xlarge", "ConvNeXt-XL"),
        ("convnext_tiny.fb_in22k_ft_in1k_384", "ConvNeXt-T-384"),
        ("caformer_s18.sail_in1k_384", "caformer_s18_384"),
        ("tf_efficientnet_cc_b0_4e.in1k", "tf_efficientnet_cc_b0_4e"),
        ("convnext_isotropic_small", "ConvNeXt-S iso"),
        ("convnext_dcls_tiny", "ConvNeXt-T-dcls"),
        ("inception_next_base", "inceptionnext_base"),
        ("asmlp_tiny_patch4_shift5_224", "AS-MLP-T"),
        ("FocalNet-T (SRF)", "focalnet_tiny_srf"),
        ("focalnet_base_iso_16", "focalnet_base_iso"),
        ("HorNet-S-GF", "hornet_small_gf"),
        ("VAN-Tiny", "van_b0"),
        ("resmlpB_24", "resmlp_big_24_224"),
        ("mobilenetv2_100", "mobilenet_v2"),
        ("WRN-50-2", "wide_resnet50_2"),
        ("vit_b_16", "vit_base_patch16_224"),
        ("deit_base_patch16_224.fb_in1k", "vit_base_patch16_224"),
        ("Swin-T", "swin_tiny_patch4_window7_224"),
    ):
        assert in_zoo(written) and zoo_entry(written) is ZOO[name]
    for other in ("VAN-B9", "resnet18.pt2", "convnext_tiny.onnx", "efficientnet_cc_b0_4e"):
        assert not in_zoo(other)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("convnext_tini", "did you mean 'convnext_tiny'?"),
        ("covnext_tiny", "did you mean 'convnext_tiny'?"),
        ("cafromer_s18", "did you mean 'caformer_s18'?"),
        ("CAFormer-S19", "of CAFormer there are caformer_s18, caformer_s18_384, caformer_s36, "),
        ("van_b7", "of VAN there are van_b0, van_b1, van_b2, van_b3, van_b4"),
        ("convnext_xxlarge", "of ConvNeXt there are ConvNeXt-T, "),
        ("convnextv2_small", "of ConvNeXt V2 there are convnextv2_atto, "),
        ("focalnet_tiny_erf", "of FocalNet there are focalnet_tiny_srf, focalnet_tiny_lrf, "),
        ("fasternet_x", "of FasterNet there are fasternet_t0, "),
        ("densenet_121", f"nas zoo lists all {len(ZOO)}"),
    ],
)
def test_no_other_network_of_the_family_is_offered_as_the_one(given: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        zoo_entry(given)
    text = f"a published network must go by a known name, but got {given!r}; {hint}"
    assert str(caught.value).startswith(text) and "\n" not in str(caught.value)


@every_entry
def test_figures_are_the_printed_ones(entry: ZooEntry) -> None:
    """Counts equal the printed digits, or have a note; none is more than 3 % or one digit off.

    A note is also needed if rounding to few digits differs by more than 1 %.
    """
    counts = SHIPPED.get(entry.architecture.digest)
    if counts is None:  # the shipped costs are from other code
        cost = architecture_cost(entry.architecture)
        counts = cost.params, cost.macs
    assert SCRIPT.figures_wrong(entry, counts, counts[1]) is None


@pytest.mark.slow
@pytest.mark.parametrize("entry", SAMPLE, ids=lambda each: each.name)
def test_torch_s_own_counter_finds_the_printed_figures(entry: ZooEntry) -> None:
    cost = architecture_cost(entry.architecture)
    ours = cost.params, cost.macs
    assert tuple(SHIPPED.get(entry.architecture.digest, ours)) == ours
    counts = SCRIPT.counted(entry)
    assert counts[0] == cost.params
    assert SCRIPT.figures_wrong(entry, counts, cost.macs) is None


@pytest.mark.slow
@pytest.mark.parametrize("entry", NOTED, ids=lambda each: each.name)
def test_notes_count_norms_and_biases(entry: ZooEntry) -> None:
    """The figure of a note is the count, and rounds (or truncates) to the printed one."""
    assert SCRIPT.note_wrong(entry, architecture_cost(entry.architecture)) is None


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    assert run_benchmark("zoo.py", "--quick", "--only", "starnet_s1")["disagree"] == 0


def test_figures_by_hand() -> None:
    """IdentityFormer-S12: stem, three downsamplings, twelve blocks and head, counted by hand."""
    stem = 3 * 49 * 64 + 64 + 64
    widths, depths = (64, 128, 320, 512), (2, 2, 6, 2)
    downs = sum(a + 9 * a * b + b for a, b in pairwise(widths))
    blocks = sum(d * (2 * w + 2 * w * 4 * w + 2) for w, d in zip(widths, depths, strict=True))
    scales = sum(d * 2 * w for w, d in list(zip(widths, depths, strict=True))[2:])
    head = 2 * 512 + 512 * 1000 + 1000
    network = Network(zoo_entry("identityformer_s12").architecture)
    params = sum(each.numel() for each in network.parameters())
    assert params == stem + downs + blocks + scales + head
