"""Weights and files of the networks that runtimes are compared on."""

from pathlib import Path

import pytest
import torch
from nas_explorer.evaluators.base import Setup
from nas_explorer.evaluators.runtime_choice import optional_latencies, set_runtimes
from nas_explorer.evaluators.runtimes import is_ruler, ruler_script
from nas_explorer.evaluators.runtimes.onnx_graph import evaluate_constants
from nas_explorer.evaluators.runtimes.onnx_runtimes import Mnn, Tract
from nas_explorer.evaluators.runtimes.program import first_line, untraceable
from nas_explorer.evaluators.runtimes.source import varied
from nas_explorer.search_space.errors import InputError
from onnx import TensorProto, ValueInfoProto, checker, helper, numpy_helper
from torch import nn


class Branch(nn.Module):
    """A residual branch that starts silent, as published networks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.full((4, 1, 1), 1e-6))
        self.gate = nn.Parameter(torch.zeros(1))
        self.temperature = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gate * x + self.scale * self.conv(self.norm(x))


def test_no_branch_is_silent_and_no_scale_is_left_out() -> None:
    torch.manual_seed(0)
    branch = Branch().eval()
    conv = branch.conv.weight.detach().clone()
    x = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        before = branch(x)
        after = varied(branch)(x)
    assert before.abs().max() < 1e-4 and after.abs().max() > 0.1
    assert torch.equal(branch.conv.weight, conv)  # weights that are random already stay
    assert branch.temperature.item() == 2.0
    for each in (branch.norm.weight, branch.norm.bias, branch.norm.running_mean, branch.scale):
        assert each is not None and each.std() > 0
    assert branch.norm.running_var is not None and branch.norm.running_var.min() > 0


def test_which_latencies_may_be_missing() -> None:
    settings = {"runtime": "eager"}
    evaluation = {
        "latency": dict(settings),
        "latency@openvino": {"runtime": "openvino"},
        "cost": {},
    }
    assert optional_latencies(evaluation, ()) == ("latency@openvino",)
    assert optional_latencies(evaluation, ("latency@openvino",)) == ()
    set_runtimes(evaluation, ("onnxruntime",), device_command="ssh pi nas-ruler")
    assert optional_latencies(evaluation, ()) == ("latency", "latency@openvino")
    assert {each["device_command"] for name, each in evaluation.items() if name != "cost"} == {
        "ssh pi nas-ruler"
    }


def test_a_runtime_refuses_a_precision_and_threads_that_it_has_not() -> None:
    with pytest.raises(InputError, match=r"dtype in runtime mnn must be one of float32, but got"):
        Mnn().evaluator(Setup(settings={"runtime": "mnn", "dtype": "bfloat16"}))
    with pytest.raises(InputError, match=r"threads must be 1 in runtime tract, but got 2"):
        Tract().evaluator(Setup(settings={"runtime": "tract", "threads": 2}))
    with pytest.raises(InputError, match=r"layout must be 'best' in runtime mnn, which"):
        Mnn().evaluator(Setup(settings={"runtime": "mnn", "layout": "contiguous"}))


def test_a_ruler_is_known_by_its_text(tmp_path: Path) -> None:
    assert is_ruler(ruler_script())
    assert not is_ruler(tmp_path) and not is_ruler(Path(__file__))


def test_what_depends_on_weights_alone_is_evaluated() -> None:
    def value(name: str) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])

    nodes = [
        helper.make_node("Add", ["w", "w"], ["twice"]),
        helper.make_node("Mul", ["image", "twice"], ["scaled"]),
        helper.make_node("Add", ["scaled", "w"], ["scores"]),
    ]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 3.0])
    graph = helper.make_graph(nodes, "graph", [value("image")], [value("scores")], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    evaluate_constants(model)
    checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add"]
    found = {each.name: numpy_helper.to_array(each).tolist() for each in model.graph.initializer}
    assert found == {"w": [1.0, 3.0], "twice": [2.0, 6.0]}


def test_what_an_exporter_fails_of_is_its_first_cause_in_one_line() -> None:
    error = RuntimeError("\x1b[96mStep 2 of 3\x1b[0m failed.\nNext steps: ...")
    assert first_line(error) == "Step 2 of 3 failed."
    error.__cause__ = ValueError("cannot view a tensor\nas another one")
    assert str(untraceable(error)).endswith("exporters, but: cannot view a tensor")
