#!/bin/sh
# MNN 3.6.1 ignores the axes of four reductions in ONNX files since opset 18, in silence.
#
# Opset 18 made the axes of ReduceL2, ReduceL1, ReduceSumSquare and ReduceLogSumExp an input, where
# they were an attribute. MNN's converter reads the attribute alone: without one it reduces all
# axes, also the batch, and says nothing. Its ReduceMean and ReduceSum read the input. PyTorch's
# exporter writes opset 18 or later, and ReduceL2 for torch.nn.functional.normalize; a division by
# the one length that is left broadcasts, so scores of the right shape come out wrong.
#
# Seen (Python 3.11, x = random 2 x 3 x 4 x 5, axis 3, keepdims):
#   opset 13, 18: ReduceMean (2, 3, 4, 1) right     opset 13: the four (2, 3, 4, 1) right
#   opset 18:     ReduceL2, ReduceL1, ReduceSumSquare, ReduceLogSumExp (1, 1, 1, 1)
#   x / ReduceL2(x) of opset 18: shape right, the values of the reduction over everything
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q mnn==3.6.1 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PY'
import subprocess
import sys

import MNN
import numpy as np
from onnx import checker, helper, numpy_helper, save

SHAPE, AXIS = (2, 3, 4, 5), 3
REDUCTIONS = {
    "ReduceMean": lambda a, **over: a.mean(**over),
    "ReduceL2": lambda a, **over: np.sqrt((a * a).sum(**over)),
    "ReduceL1": lambda a, **over: np.abs(a).sum(**over),
    "ReduceSumSquare": lambda a, **over: (a * a).sum(**over),
    "ReduceLogSumExp": lambda a, **over: np.log(np.exp(a).sum(**over)),
}
CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv[1:])"
ARGUMENTS = "mnnconvert -f ONNX --modelFile m.onnx --MNNModel m.mnn --bizCode x".split()


def onnx_model(kind, opset, divide):
    axes = [numpy_helper.from_array(np.array([AXIS]), "axes")] if opset >= 18 else []
    inputs, attributes = (["x", "axes"], {}) if axes else (["x"], {"axes": [AXIS]})
    nodes = [helper.make_node(kind, inputs, ["r"], keepdims=1, **attributes)]
    nodes.append(helper.make_node("Div", ["x", "r"], ["y"]) if divide else
                 helper.make_node("Identity", ["r"], ["y"]))
    shape = SHAPE if divide else (*SHAPE[:AXIS], 1)
    given, made = (helper.make_tensor_value_info(*each) for each in (("x", 1, SHAPE), ("y", 1, shape)))
    graph = helper.make_graph(nodes, "graph", [given], [made], axes)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    checker.check_model(model)
    return model


def in_mnn(model, x):
    save(model, "m.onnx")
    subprocess.run([sys.executable, "-c", CONVERT, *ARGUMENTS], capture_output=True, check=True)
    net = MNN.nn.load_module_from_file("m.mnn", ["x"], ["y"])
    given = MNN.expr.const(x, list(x.shape), MNN.expr.NCHW)
    return np.array(MNN.expr.convert(net.forward(given), MNN.expr.NCHW).read())


x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
for opset in (13, 18):
    for kind, reduction in REDUCTIONS.items():
        found = in_mnn(onnx_model(kind, opset, False), x)
        print(f"opset {opset} {kind:16} {found.shape}", flush=True)
        whole = opset == 18 and kind != "ReduceMean"
        wanted = reduction(x, keepdims=True) if whole else reduction(x, axis=AXIS, keepdims=True)
        assert found.shape == wanted.shape, (found.shape, wanted.shape)
        assert np.allclose(found, wanted, rtol=1e-4, atol=1e-5)
found = in_mnn(onnx_model("ReduceL2", 18, True), x)
assert np.allclose(found, x / np.sqrt((x * x).sum()), atol=1e-5)
error = np.abs(found - x / np.sqrt((x * x).sum(AXIS, keepdims=True))).max()
print(f"x / ReduceL2(x) of opset 18: shape {found.shape}, off by {error:.2f}", flush=True)
assert error > 0.1
PY
