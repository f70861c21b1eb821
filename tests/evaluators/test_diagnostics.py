"""Diagnostics of trained networks against hand-worked numbers."""

import math
from itertools import permutations
from pathlib import Path

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.accuracy.data.given import given_data
from nas_explorer.evaluators.accuracy.data.permit import ReadingPermit
from nas_explorer.evaluators.accuracy.training.losses import output_scale
from nas_explorer.evaluators.base import METRICS, evaluator_of, metric
from nas_explorer.evaluators.diagnostics import (
    DIAGNOSTICS,
    load_diagnostic,
    read_diagnostics,
    register_diagnostic,
)
from nas_explorer.evaluators.measure_diagnostics import measure_diagnostics
from nas_explorer.evaluators.scores import check_not_ranking, read_scores
from nas_explorer.evaluators.trained.base import Diagnostic, Found, Trained
from nas_explorer.evaluators.trained.features import (
    LinearProbe,
    agreement,
    entropy,
    targets,
    view,
)
from nas_explorer.evaluators.trained.filters import (
    FilterEntropy,
    FilterSparsity,
    sparsity,
    spatial_kernels,
    variety,
)
from nas_explorer.evaluators.trained.maps import block_ends, sums
from nas_explorer.evaluators.trained.similarity import (
    SkipRatio,
    alignment,
    independence,
    linear_kernel,
)
from nas_explorer.evaluators.trained.tangent import (
    KernelChange,
    KernelRatio,
    change,
    jacobian,
    products,
    ratio,
)
from nas_explorer.evaluators.trained.uniformity import distance_of_views, uniformity
from nas_explorer.evaluators.training_free.base import NotDefinedError
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.errors import InputError
from torch import nn

from .target_data import images, labels, load, numbers
from .test_accuracy_evaluator import make_architecture
from .test_scores import ATTENTION, CONVOLUTION, IDENTITY, network_of

FLOAT = torch.float64


@pytest.fixture(scope="module")
def data() -> SearchData:
    return load_search_data(DataSpec(name="digits"))


def started(architecture: Architecture, data: SearchData, seed: int = 5) -> Trained:
    """Return a network whose kept weights are those that its training began with."""
    empty = Trained(network=Network(architecture), data=data, start_seed=seed)
    network = empty.untrained()
    assert network is not None
    return Trained(network=network, data=data, start_seed=seed, origin="a test")


def test_kernels_without_a_weight_of_a_hundredth_of_the_largest() -> None:
    kernels = torch.tensor([[1.0, 0.0], [0.009, -0.009], [0.0, 0.0], [0.01, 0.0]])
    assert sparsity(kernels) == 0.5
    assert sparsity(torch.zeros(3, 2)) == 1.0


def test_kernels_that_vary_alike_in_all_directions_have_the_largest_variety() -> None:
    cross = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=FLOAT)
    assert variety(cross) == pytest.approx(1)
    assert variety(3 + cross) == pytest.approx(1), "a constant kernel does not count"
    wide = cross * torch.tensor([3.0, 1.0])  # variances 9 : 1
    nine, one = 0.9 * math.log(0.9), 0.1 * math.log(0.1)
    assert variety(wide) == pytest.approx(-(nine + one) / math.log(2))
    assert variety(cross * torch.tensor([1.0, 0.0])) == pytest.approx(0, abs=1e-9)
    assert variety(torch.ones(4, 9, dtype=FLOAT)) == 0


def test_kernels_are_those_of_convolutions_of_more_than_one_pixel(data: SearchData) -> None:
    trained = started(CONVOLUTION, data)
    kernels = spatial_kernels(trained.network)
    assert {name.partition(".")[0] for name in kernels} == {"stem", "stages"}
    assert {each.shape[1] for each in kernels.values()} == {4, 49}  # patch of 2x2, depthwise 7x7
    (depthwise,) = (each for name, each in kernels.items() if name.startswith("stages"))
    assert len(depthwise) == 32, "the expanded width"
    with torch.no_grad():
        name = next(name for name in kernels if name.startswith("stages"))
        layer = trained.network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        layer.weight[8:] = 0
    found = FilterSparsity().measure(trained)
    assert found.provenance["parts"][name] == 0.75
    assert found.value == pytest.approx(0.75 * 32 / (32 + 16))  # the stem has 16 kernels
    assert 0 < FilterEntropy().measure(trained).value < 1


def test_a_network_without_such_convolutions_says_so(data: SearchData) -> None:
    stem = {"name": "patch", "patch_size": 1, "norm": {"name": "none"}}
    json = {**network_of({"name": "identity"}).to_json(), "stem": stem}
    trained = started(Architecture.from_json(json), data)
    found = measure_diagnostics(trained, "filter_entropy,filter_sparsity")
    assert set(found.undefined) == {"filter_entropy", "filter_sparsity"}
    assert "no convolution of more than one pixel" in found.undefined["filter_entropy"]


def test_the_kernel_of_a_linear_map_is_the_product_of_images_of_one_class() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2, bias=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.linear(images.flatten(1))

    images = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]).reshape(3, 2, 1, 1)
    rows = jacobian(Flat(), images, torch.tensor([0, 0, 1]))  # type: ignore[arg-type]
    expected = torch.tensor([[5.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 1.0]])
    assert torch.equal(products(rows, rows), expected.double())


def test_the_size_and_the_change_of_kernels() -> None:
    own = torch.tensor([[3.0, 4.0], [0.0, 1.0]])  # norms 5 and 1
    assert ratio(torch.tensor([[0.0, 10.0], [1.0, 0.0]]), own) == pytest.approx(2)
    apart = torch.tensor([1.0, -1.0, 0.0])
    plain, line = torch.eye(3), apart.outer(apart)
    assert change(plain, 7 * plain + 2) == pytest.approx(0, abs=1e-6)
    assert change(plain, line) == pytest.approx(1 - 2 / (math.sqrt(2) * 2))
    with pytest.raises(NotDefinedError, match="do not depend on the weights"):
        ratio(own, 0 * own)
    with pytest.raises(NotDefinedError, match="gradients of all training images are the same"):
        change(plain, torch.ones(3, 3))


def test_a_kernel_does_not_change_without_training(data: SearchData) -> None:
    assert KernelChange().measure(started(ATTENTION, data)).value < 1e-6
    other = started(ATTENTION, data, seed=6)
    moved = Trained(network=other.network, data=data, start_seed=5)
    assert KernelChange().measure(moved).value > 0.001
    unknown = Trained(network=other.network, data=data)
    with pytest.raises(NotDefinedError, match="began with are not known"):
        KernelChange().measure(unknown)


def scaled_numbers(folder: Path, factor: float) -> Trained:
    """Return the same network, which predicts two numbers, the first in another unit."""
    pixels = images()
    data = load(given_data((pixels, numbers(pixels) * [factor, 1]), folder))
    found = started(make_architecture(classes=2), data)
    scale = output_scale(data)
    assert scale is not None
    scale.put_into(found.network)
    return found


def test_diagnostics_of_numbers_do_not_depend_on_their_units(tmp_path: Path) -> None:
    small, large = (scaled_numbers(tmp_path, factor) for factor in (1, 1000))
    for kind in (KernelRatio, LinearProbe):
        found = kind().measure(small)
        assert kind().measure(large).value == pytest.approx(found.value, rel=1e-3)
        assert found.provenance["version"] == 2, "earlier values depended on the units"
    assert KernelChange().measure(large).value < 1e-5, "the network is the untrained one"


def test_the_kernel_of_labels_is_the_mean_over_them(tmp_path: Path) -> None:
    pixels = images()
    trained = started(
        make_architecture(classes=2), load(given_data((pixels, labels(pixels)), tmp_path))
    )
    found = KernelRatio()
    network = found.network(trained)
    sums = [torch.zeros(()), torch.zeros(())]
    for place in (0, 1):
        own, new = (
            jacobian(network, each.images_BCHW, torch.full((len(each.labels),), place))
            for each in (found.training(trained), found.validation(trained))
        )
        sums = [sums[0] + products(new, own), sums[1] + products(own, own)]
    measured = found.measure(trained)
    assert measured.value == pytest.approx(ratio(*sums))
    assert measured.provenance["version"] == 2 and LinearProbe.version_for("labels") == 1


def test_the_independence_criterion_is_the_sum_over_different_images() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(5, 3, generator=generator, dtype=FLOAT) for _ in range(2))
    k, m = one @ one.T, other @ other.T
    pairs = list(permutations(range(5), 2))
    triples, quads = list(permutations(range(5), 3)), list(permutations(range(5), 4))
    plain = sum(float(k[i, j] * m[i, j]) for i, j in pairs) / len(pairs)
    plain += sum(float(k[i, j] * m[q, r]) for i, j, q, r in quads) / len(quads)
    plain -= 2 * sum(float(k[i, j] * m[i, q]) for i, j, q in triples) / len(triples)
    assert independence(k, m) == pytest.approx(plain)


def test_turned_and_scaled_features_are_alike() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(12, 4, generator=generator, dtype=FLOAT)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=FLOAT))
    kernel = linear_kernel(features)
    assert alignment(kernel, linear_kernel(3 * features @ turn + 2)) == pytest.approx(1)
    unlike = torch.randn(12, 4, generator=generator, dtype=FLOAT)
    assert abs(alignment(kernel, linear_kernel(unlike)) or 1) < 0.5
    assert alignment(kernel, linear_kernel(torch.ones(12, 4, dtype=FLOAT))) is None


def test_the_stream_and_the_branch_of_a_sum(data: SearchData) -> None:
    trained = started(IDENTITY, data)
    network, images = trained.network.eval(), torch.randn(3, 1, 8, 8)
    found = sums(network, images)
    assert len(found) == 2  # of the mixer and of the channel mixer
    with torch.no_grad():
        stream = network.get_submodule("stem")(images)
        branch = network.get_submodule("stages.0.blocks.0.norm1")(stream)
    sizes = [float(each.flatten(1).norm(dim=1).mean()) for each in (stream, branch)]
    first = next(iter(found.values()))
    assert first == pytest.approx(sizes, rel=1e-5)
    parts = SkipRatio().measure(trained).provenance["parts"]
    assert list(parts) == list(found)


def test_zero_branches_have_no_ratio(data: SearchData) -> None:
    trained = started(IDENTITY, data)
    for each in trained.network.get_submodule("stages.0.blocks.0").parameters():
        nn.init.zeros_(each)
    with pytest.raises(NotDefinedError, match="the branch is zero"):
        SkipRatio().measure(trained)


def test_a_network_of_one_block_has_no_two_layers(data: SearchData) -> None:
    found = measure_diagnostics(started(IDENTITY, data), "layer_similarity")
    assert "one block alone" in found.undefined["layer_similarity"]
    deep = started(network_of({"name": "identity"}, depth=3), data)
    parts = measure_diagnostics(deep, "layer_similarity").measurements["layer_similarity"]
    assert list(parts.provenance["parts"]) == list(block_ends(deep.network))
    assert parts.value == pytest.approx(sum(parts.provenance["parts"].values()) / 3)
    assert 0 < parts.value <= 1


def test_the_entropy_of_features_counts_their_directions() -> None:
    cross = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=FLOAT)
    assert entropy(cross) == pytest.approx(math.log(2) / math.log(3))  # two of three directions
    assert entropy(5 + cross) == pytest.approx(entropy(cross))
    with pytest.raises(NotDefinedError, match="same for all images"):
        entropy(torch.ones(4, 3, dtype=FLOAT))
    with pytest.raises(NotDefinedError, match="one direction alone"):
        entropy(cross[:, :1])


def test_views_that_are_recognised() -> None:
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=FLOAT)
    rest = math.log(1 + 2 * math.exp(-10) + math.exp(-20))  # cosines 1, 0, 0, -1 by 0.1
    assert agreement(cross, cross) == pytest.approx(1 - rest / math.log(4))
    assert agreement(cross, 0 * cross) == pytest.approx(0, abs=1e-9), "all views are alike"
    assert agreement(cross, -cross) < 0


def test_the_distance_of_views_and_the_uniformity_of_images_on_the_sphere() -> None:
    cross = torch.tensor([[2.0, 0], [0, 1], [-3, 0], [0, -1]], dtype=torch.float64)
    assert distance_of_views(cross, 5 * cross) == pytest.approx(0), "lengths do not count"
    assert distance_of_views(cross, -cross) == pytest.approx(4)
    assert distance_of_views(cross, cross.roll(1, 0)) == pytest.approx(2), "right angles"
    potential = (4 * math.exp(-4) + 2 * math.exp(-8)) / 6  # 4 pairs at right angles, 2 opposite
    assert uniformity(cross) == pytest.approx(math.log(potential))
    assert uniformity(cross[:1].repeat(3, 1)) == pytest.approx(0)
    with pytest.raises(NotDefinedError, match="zero"):
        uniformity(0 * cross)


def test_a_view_is_a_shifted_image() -> None:
    images = torch.zeros(64, 1, 16, 16)
    images[:, :, 8, 8] = 100
    places = view(images, 1).flatten(1).argmax(1)
    rows, columns = places // 16, places % 16
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}
    assert torch.equal(view(images, 1), view(images, 1))
    assert not torch.equal(view(images, 1), view(images, 2))


def test_targets_of_classes_and_of_numbers() -> None:
    assert targets(torch.tensor([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert targets(torch.tensor([[0, 1], [1, 1]]), 2).tolist() == [[0, 1], [1, 1]], "labels"
    assert targets(torch.tensor([0.5, 2.0]), 1).tolist() == [[0.5], [2.0]]
    with pytest.raises(NotDefinedError, match="same label"):
        targets(torch.tensor([1, 1]), 3)


def test_all_diagnostics_of_one_network_with_its_macs(data: SearchData) -> None:
    trained = started(network_of({"name": "separable_conv", "activation": "gelu"}, depth=2), data)
    before = {name: each.clone() for name, each in trained.network.state_dict().items()}
    mode = trained.network.training
    found = measure_diagnostics(trained)
    assert not found.undefined and {*DIAGNOSTICS, "macs"} <= set(found.measurements)
    again = measure_diagnostics(trained)
    assert found == again, "the same images and views each time"
    assert trained.network.training == mode
    assert all(torch.equal(each, before[n]) for n, each in trained.network.state_dict().items())
    assert {found.measurements[name].provenance["version"] for name in DIAGNOSTICS} == {1}
    for name in DIAGNOSTICS:
        provenance = found.measurements[name].provenance
        assert {"batch", "seed", "version", "dtype", "fingerprint", "weights"} <= set(provenance)
        assert provenance["dtype"] in ("float32", "float64")
        cls = load_diagnostic(name)
        assert cls.name == name and "20" in (cls.__doc__ or ""), "the paper with its year"


def test_a_diagnostic_is_no_metric_of_a_search() -> None:
    for name in DIAGNOSTICS:
        assert metric(name).score and name not in METRICS
        with pytest.raises(InputError, match="must not be diagnostics of trained networks"):
            check_not_ranking([name])
        with pytest.raises(InputError, match="nas fidelity --diagnostics"):
            evaluator_of(name)
    with pytest.raises(InputError, match="got 'filter_entropy', which is none"):
        read_scores("filter_entropy")
    with pytest.raises(InputError, match="did you mean 'filter_entropy'"):
        read_diagnostics("filter_entrop")
    with pytest.raises(InputError, match="got 'naswot', which is none"):
        read_diagnostics("naswot")
    assert read_diagnostics("all,skip_ratio") == tuple(DIAGNOSTICS)


def test_data_of_other_classes_are_refused(data: SearchData) -> None:
    json = {**IDENTITY.to_json(), "classes": 3}
    with pytest.raises(InputError, match=r"must be the data's, .* but got"):
        Trained(network=Network(Architecture.from_json(json)), data=data)


def test_the_test_split_stays_closed(data: SearchData, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a diagnostic reads the test split")

    monkeypatch.setattr(ReadingPermit, "__init__", refuse)
    assert measure_diagnostics(started(IDENTITY, data), "linear_probe").measurements


def test_your_own_diagnostic_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_explorer.evaluators.diagnostics.DIAGNOSTICS", dict(DIAGNOSTICS))
    own = metric("skip_ratio").to_json()

    class Layers(Diagnostic):
        """The number of parameter tensors."""

        name = "tensors"
        metrics = (type(metric("skip_ratio")).from_json({**own, "name": "tensors"}),)

        def find(self, trained: Trained) -> Found:
            return Found(value=len(list(trained.network.parameters())))

    class Two(Layers):
        name = "two"

    register_diagnostic(Layers)
    assert read_diagnostics("tensors") == ("tensors",)
    assert load_diagnostic("tensors") is Layers
    with pytest.raises(InputError, match="must have one metric, of its own name"):
        register_diagnostic(Two)
