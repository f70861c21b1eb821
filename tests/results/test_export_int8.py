"""Export in int8: what it states, what it keeps in float, what it refuses."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.int8.calibration import normalised
from nas_explorer.evaluators.int8.quantiser import Quantiser
from nas_explorer.evaluators.runtimes.onnx_graph import INPUT
from nas_explorer.results.export import ExportError, Proof, export_model
from nas_explorer.results.export.formats import check_int8
from nas_explorer.results.export.int8 import Int8Plan, Run, compared, time_ratios, worst_parts
from nas_explorer.results.export.int8_onnx import Int8Onnx
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from ..benchmark_runs import run_benchmark
from ..helpers import names
from ..int8_network import NETWORK

pytestmark = pytest.mark.usefixtures("one_onnx_table")
Scores = NDArray[np.float32]
SMALL: Architecture = replace(NETWORK, input=Shape(1, 8, 8), classes=10)


@cache
def digits() -> SearchData:
    return load_search_data(DataSpec(name="digits"))


def plan(keep_worst: int = 0, trained: bool = False) -> Int8Plan:
    return Int8Plan(data=digits(), seed=0, keep_worst=keep_worst, trained=trained)


def export(path: Path, int8: Int8Plan, batch: int | None = None) -> Proof:
    return export_model(SMALL, path, weights=None, metadata={}, seed=0, int8=int8, batch=batch)


def without_weights(data: bytes) -> bytes:
    """Return an ONNX file whose weights in int8 are all 0."""
    model = onnx.load_from_string(data)
    for each in model.graph.initializer:
        if each.data_type == onnx.TensorProto.INT8:
            values = onnx.numpy_helper.to_array(each)
            each.CopyFrom(onnx.numpy_helper.from_array(np.zeros_like(values), each.name))
    return model.SerializeToString()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    return path, export(path, plan(keep_worst=1))


def test_what_int8_costs_is_stated_in_proof_and_card(exported: tuple[Path, Proof]) -> None:
    path, proof = exported
    found = proof.int8
    assert found is not None
    assert found.images == len(digits().validation_labels) and found.calibration_images == 128
    assert found.before.low is not None and found.after.high is not None
    assert 10 < found.sqnr < 150 and 0.5 < found.agreement <= 1
    assert found.size_ratio > 0 and 0 < found.time_ratios[0] <= found.time_ratio
    card = path.with_name(path.name + ".md").read_text()
    for what, line in found.lines().items():
        assert f"- {what}: {line}" in card
    assert f"{found.sqnr:.1f} dB" in card and "times that of the float32 file" in card


def test_the_part_that_loses_most_stays_float(exported: tuple[Path, Proof]) -> None:
    path, proof = exported
    assert proof.int8 is not None
    losses = proof.int8.parts
    assert list(losses.values()) == sorted(losses.values())
    assert set(losses) == {"stem", "stages.0.blocks.0.mixer", "stages.0.blocks.0.channel_mixer"} | {
        "head"
    }
    (kept,) = proof.int8.kept
    assert kept == next(iter(losses))
    tensors = {each.name for each in onnx.load(path).graph.initializer if each.data_type == 3}
    assert tensors and not any(name.startswith(f"{kept}.") for name in tensors)
    assert sum(10 ** (-each / 10) for name, each in losses.items() if name != kept) == (
        pytest.approx(10 ** (-proof.int8.sqnr / 10), rel=1.0)  # noise of parts adds up, roughly
    )


def test_the_file_reads_back_with_its_header(exported: tuple[Path, Proof]) -> None:
    path, _ = exported
    stored = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert json.loads(stored["metadata"])["training"] == "untrained"
    assert stored["digest"] == SMALL.digest


def test_a_broken_network_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantised = Quantiser.quantised

    def broken(quantiser: Quantiser, *, keep: Collection[str] = ()) -> bytes:
        return without_weights(quantised(quantiser, keep=keep))

    monkeypatch.setattr(Quantiser, "quantised", broken)
    with pytest.raises(ExportError, match=r"at least 3 dB, but is -?\d+\.\d dB"):
        export(tmp_path / "model.onnx", plan())
    assert names(tmp_path) == []


def test_a_file_unlike_the_quantised_network_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = Int8Onnx.encode

    def broken(form: Int8Onnx, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        return {"": without_weights(encode(form, network, header)[""])}

    monkeypatch.setattr(Int8Onnx, "encode", broken)
    with pytest.raises(
        ExportError, match=r"quantised network's scores within 0\.01 of the largest"
    ):
        export(tmp_path / "model.onnx", plan())
    assert names(tmp_path) == []


def test_the_report_is_of_the_file_at_its_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[int] = []

    def ratios(run: Run, quantised: Run, images: Scores) -> tuple[float, float, float]:
        timed.append(len(images))
        return time_ratios(run, quantised, images)

    monkeypatch.setattr("nas_explorer.results.export.int8_forms.time_ratios", ratios)
    path = tmp_path / "model.onnx"
    found = export(path, plan(), batch=3).int8
    session: Any = InferenceSession(path, providers=["CPUExecutionProvider"])
    with pytest.raises(InvalidArgument):
        session.run(None, {INPUT: np.zeros((1, 1, 8, 8), np.float32)})
    images = normalised(digits(), digits().validation_images)
    whole = len(images) // 3 * 3
    batches = np.split(images[:whole], whole // 3)
    scores: Any = np.concatenate([session.run(None, {INPUT: each})[0] for each in batches])
    right = scores.argmax(1) == digits().validation_labels.numpy()[:whole]
    assert found is not None and timed == [3]
    assert round(found.after.value * len(images)) - right.sum() in range(len(images) - whole + 1)


def giving(scores: Scores) -> Callable[[Scores], Scores]:
    """Return a network that gives these scores, a batch at a time."""
    rest = iter(scores)
    return lambda images: np.stack([next(rest) for _ in images])


def test_trained_weights_must_keep_half_of_what_they_have_learned() -> None:
    labels = digits().validation_labels.numpy()
    right: Scores = 2 * np.eye(10, dtype=np.float32)[labels]
    wrong = np.where((labels > 2)[:, None], np.roll(right, 1, axis=1), right).astype(np.float32)
    found = compared(
        plan(trained=True), giving(right), giving((right + wrong / 2).astype(np.float32))
    )
    assert (found.before.value, found.after.value, found.agreement) == (1.0, 1.0, 1.0)
    with pytest.raises(ExportError, match=r"in int8 must be at least 55\.\d %, halfway"):
        compared(plan(trained=True), giving(right + 10), giving(wrong + 10))
    compared(plan(trained=False), giving(right + 10), giving(wrong + 10))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("model.pt2", True, 0), "a file in int8 must end in .onnx or .xml, but got '.pt2'"),
        (("model.onnx", False, "2"), "int8_keep_worst must come with int8, but got 2"),
        (("model.onnx", True, "-1"), "int8_keep_worst must be at least 0, but got -1"),
    ],
)
def test_what_cannot_be_in_int8_is_refused_in_one_line(
    given: tuple[str, bool, object], reason: str
) -> None:
    name, int8, count = given
    with pytest.raises(InputError) as error:
        check_int8(Path(name), int8, count)
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_images_of_any_size_and_too_many_parts_are_refused() -> None:
    with pytest.raises(InputError, match="must be for images of one size"):
        check_int8(Path("model.onnx"), True, 0, any_resolution=True)
    with pytest.raises(ExportError, match="must be less than 2, the number of parts"):
        worst_parts({"stem": 20.0, "head": 30.0}, 2)


@pytest.mark.slow
def test_openvino_runs_what_nncf_quantises(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="needs the extra nncf")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    path, chosen = tmp_path / "model.xml", plan(keep_worst=1)
    proof = export_model(SMALL, path, weights=None, metadata={}, seed=0, int8=chosen, batch=3)
    found = proof.int8
    assert found is not None and found.quantiser.startswith("nncf ")
    assert 15 < found.sqnr < 150 and found.calibration_images == 128
    assert found.kept == (next(iter(found.parts)),)
    assert set(found.parts) >= {"stem", "stages.0.blocks.0.channel_mixer", "head"}
    assert 'element_type="i8"' in path.read_text()
    assert names(tmp_path) == ["model.bin", "model.xml", "model.xml.md"]


@pytest.mark.slow
def test_the_benchmark_measures_a_network() -> None:
    (found,) = run_benchmark("int8.py", "--quick")["networks"]
    assert found["network"] == "basic_conv" and 10 < found["sqnr"] < 150
