"""Networks in int8: the noise, the bytes, what the quantiser makes."""

from dataclasses import replace
from math import prod

import numpy as np
import onnx
import pytest
from nas_explorer.evaluators.accuracy.after_training import AfterTraining
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import CandidateError, Measurement, Setup
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.int8 import accuracy as int8_accuracy
from nas_explorer.evaluators.int8.noise import same_top, sqnr_db, why_broken
from nas_explorer.evaluators.int8.param_bytes import Int8Bytes, int8_saving, saved_by
from nas_explorer.evaluators.int8.quantiser import Quantiser, facts
from nas_explorer.evaluators.int8.runtime import OnnxRuntimeInt8
from nas_explorer.evaluators.int8.session import opened
from nas_explorer.evaluators.measure import measure
from nas_explorer.evaluators.runtimes.graph_runtime import relative_difference
from nas_explorer.evaluators.runtimes.onnx_graph import onnx_graph
from nas_explorer.evaluators.runtimes.program import ExportError
from nas_explorer.evaluators.runtimes.source import source_of
from nas_explorer.results.export.networks import fresh_network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from torch import nn

from ..int8_network import NETWORK

pytestmark = pytest.mark.usefixtures("one_onnx_table")
DIGITS_NETWORK = replace(NETWORK, input=Shape(1, 8, 8), classes=10)


def floats(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_the_noise_of_scores_is_that_worked_by_hand() -> None:
    wanted, found = floats([3, 0], [0, 4]), floats([3, 0], [1, 4])
    # 10 log10((9 + 16) / 1)
    assert sqnr_db(wanted, found) == pytest.approx(13.979, abs=1e-3)
    assert sqnr_db(wanted, wanted) == 150.0
    assert same_top(wanted, floats([3, 0], [4, 1])) == 0.5


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (floats([0, 0], [0, 0]), "at least 3 dB, but is 0.0 dB"),
        (floats([3, 0], [float("nan"), 4]), "must be finite, but 1 of 4 are not"),
        (floats([3, 0]), "must be of (2, 2), but are of (1, 2)"),
    ],
)
def test_a_broken_network_is_refused_by_a_stated_rule(found: np.ndarray, reason: str) -> None:
    said = why_broken(floats([3, 0], [0, 4]), found)
    assert said is not None and reason in said
    assert why_broken(floats([3, 0], [0, 4]), floats([3, 0], [1, 4])) is None


def test_the_bytes_that_int8_saves_are_those_worked_by_hand() -> None:
    # 3 x 3 x 3 x 8 = 216 weights: 4 x 216 bytes become 216, and 8 scales take 32.
    assert int8_saving(216, 8) == 3 * 216 - 32
    dense, depthwise = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 5, groups=8)
    linear = nn.Linear(8, 4)
    whole = nn.Sequential(dense, depthwise, nn.BatchNorm2d(8), linear, linear)
    assert saved_by(whole) == int8_saving(216, 8) + int8_saving(32, 4)


@pytest.fixture(scope="module")
def quantiser() -> Quantiser:
    source = source_of(NETWORK)
    return Quantiser(onnx_graph(source.program, places=True), source.known(32)[0])


@pytest.fixture(scope="module")
def whole(quantiser: Quantiser) -> bytes:
    return quantiser.quantised()


_BYTES: dict[int, int] = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.INT32: 4,
    onnx.TensorProto.INT8: 1,
    onnx.TensorProto.UINT8: 0,  # zero points of maps
    onnx.TensorProto.INT64: 0,  # shapes
}


def test_the_file_has_the_bytes_of_the_metric(whole: bytes) -> None:
    tensors = onnx.load_from_string(whole).graph.initializer
    stored = sum(
        prod(each.dims) * _BYTES[each.data_type]
        for each in tensors
        # Scales of biases are products of those of maps and weights.
        if each.dims and not each.name.endswith(("_zero_point", "bias_quantized_scale"))
    )
    (found,) = Int8Bytes().evaluate(NETWORK)
    assert found.value == stored < architecture_cost(NETWORK).param_bytes


def test_dense_layers_alone_are_in_int8_and_chosen_ones_stay_float(
    quantiser: Quantiser, whole: bytes
) -> None:
    kept = quantiser.quantised(keep=("stem.conv",))
    in_int8 = [
        {
            each.name.removesuffix(".weight_quantized")
            for each in onnx.load_from_string(data).graph.initializer
            if each.name.endswith(".weight_quantized")
        }
        for data in (whole, kept)
    ]
    assert in_int8[0] == set(quantiser.modules) and "stem.conv" in in_int8[0]
    assert in_int8[1] == in_int8[0] - {"stem.conv"}
    assert not any("dwconv" in name for name in quantiser.modules)


def test_the_scores_are_near_those_of_float_and_the_same_in_any_batch(
    quantiser: Quantiser, whole: bytes
) -> None:
    images, wanted = source_of(NETWORK).known(32)
    run = opened(whole)
    found = run(images)
    assert 20 < sqnr_db(wanted, found) < 150
    alone = np.concatenate([run(images[at : at + 1]) for at in range(4)])
    assert np.array_equal(alone, found[:4])
    assert sqnr_db(wanted, opened(quantiser.quantised(keep=quantiser.modules[:-1]))(images)) > (
        sqnr_db(wanted, found)
    )


def test_a_network_without_dense_layers_is_refused(quantiser: Quantiser) -> None:
    with pytest.raises(ExportError, match="dense convolutions or linear maps"):
        quantiser.quantised(keep=quantiser.modules)


@pytest.fixture(scope="module")
def measured() -> dict[str, Measurement]:
    evaluator = accuracy_evaluator()
    assert [each.name for each in evaluator.measured] == ["accuracy", "accuracy@int8"]
    return {each.metric: each for each in evaluator.measure(DIGITS_NETWORK)}


def accuracy_evaluator() -> AccuracyEvaluator:
    setup = Setup(
        settings=Recipe(epochs=2, batch_size=32, lr=0.02).to_json(),
        data=DataSpec(name="digits").to_json(),
        metrics=("accuracy@int8", "param_bytes@int8"),
    )
    return AccuracyEvaluator.make(setup)


def test_the_accuracy_in_int8_is_of_the_trained_weights(measured: dict[str, Measurement]) -> None:
    found, whole = measured["accuracy@int8"], measured["accuracy"]
    stated = found.provenance
    assert stated["accuracy_in_float"] == whole.value
    assert abs(found.value - whole.value) < 0.05 and stated["agreement"] > 0.9
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert (stated["calibration_images"], stated["calibration_seed"]) == (128, 0)
    assert stated["quantiser"].startswith("onnxruntime ") and stated["sqnr_db"] > 15
    assert stated["fingerprint"] == whole.provenance["fingerprint"]


def test_a_network_that_cannot_be_quantised_fails_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise ExportError("no trace of this one")

    monkeypatch.setattr(int8_accuracy, "traced", refuse)
    data = load_search_data(DataSpec(name="digits"))
    network = fresh_network(DIGITS_NETWORK, 0)
    trained = AfterTraining(network=network, data=data, seed=0, provenance={})
    with pytest.raises(CandidateError, match="not_defined: int8: no trace of this one"):
        int8_accuracy.accuracy_in_int8(trained)


def test_the_runtime_in_int8_states_its_calibration() -> None:
    runtime = OnnxRuntimeInt8()
    source = source_of(NETWORK)
    (file,) = runtime.convert(source, 1).values()
    images, wanted = source.known(4)
    assert 0 < relative_difference(opened(file)(images), wanted) < runtime.tolerance["float32"]
    assert runtime.stated() == facts(128, 0)
    assert any(each.data_type == 3 for each in onnx.load_from_string(file).graph.initializer)


def test_trained_weights_are_needed_for_the_accuracy_in_int8() -> None:
    with pytest.raises(InputError, match=r"must be exact or measured, but got 'accuracy'"):
        measure(NETWORK, metrics="accuracy@int8")
