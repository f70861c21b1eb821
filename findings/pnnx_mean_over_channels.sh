#!/bin/sh
# pnnx writes a mean over the channels of a map without its axis, and ncnn then returns something else.
#
# An ONNX model of a 1x1 convolution, ReduceMean over axis 1 (channels, keepdims) and a product is
# converted for a fixed batch of 1. In the .param file the Reduction has an empty list of axes
# ("-23303=0") in place of one axis, the first ("-23303=1,0"). ncnn loads it without a warning and
# returns a map of the right shape with wrong values. A mean over rows and columns is right
# ("-23303=2,1,2"), and the same file with the axis put in is right too.
#
# Seen (Python 3.11, map of 4 x 6 x 5): error relative to the largest value
#   as pnnx writes it:    0.5 or more
#   with the axis put in: 1e-7
#   over rows and columns: 1e-7
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q ncnn==1.0.20261020 pnnx==20261020 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PY'
import subprocess
from pathlib import Path

import ncnn
import numpy as np
import pnnx
from onnx import helper, numpy_helper, save

SHAPE = (1, 4, 6, 5)
random = np.random.default_rng(0)
x = random.standard_normal(SHAPE).astype(np.float32)
weight = random.standard_normal((4, 4)).astype(np.float32)
z = np.einsum("oc,bchw->bohw", weight, x)


def convert(axes):
    weights = [
        numpy_helper.from_array(weight[:, :, None, None], "weight"),
        numpy_helper.from_array(np.array(axes), "axes"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["z"]),
        helper.make_node("ReduceMean", ["z", "axes"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["z", "mean"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, SHAPE) for name in "xy"]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), "m.onnx")
    shape = f"inputshape=[{','.join(map(str, SHAPE))}]"
    subprocess.run([pnnx.EXEC_PATH, "m.onnx", shape, "fp16=0"], capture_output=True, check=True)
    return Path("m.ncnn.param").read_text()


def error(param, axes):
    Path("m.ncnn.param").write_text(param)
    net = ncnn.Net()
    for name in dir(net.opt):
        if any(kind in name for kind in ("fp16", "bf16", "int8")):
            setattr(net.opt, name, False)
    assert net.load_param("m.ncnn.param") == 0 and net.load_model("m.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0]))
    code, found = extractor.extract("out0")
    found, wanted = np.array(found)[None], z * z.mean(axes, keepdims=True)
    assert code == 0 and found.shape == wanted.shape
    return np.abs(found - wanted).max() / np.abs(wanted).max()


channels = convert([1])
print([line for line in channels.splitlines() if line.startswith("Reduction")])
assert " -23303=0 " in channels
as_written, repaired = error(channels, (1,)), error(channels.replace(" -23303=0 ", " -23303=1,0 "), (1,))
places = error(convert([2, 3]), (2, 3))
print(f"as pnnx writes it: {as_written:.1g}, with the axis: {repaired:.1g}, rows and columns: {places:.1g}")
assert as_written > 0.1 and max(repaired, places) < 1e-5
PY
