#!/bin/sh
# A compiled flex_attention of torch 2.15 gives zeros on a CPU if a table of its mask is filled in the same graph.
#
# The mask of a window of two dimensions is easiest as a table of rows: "this query row sees that key
# row". Made before the compiled function, the table works. Filled inside it by an index assignment,
# every output is 0, without a warning. Written inside as a comparison of two ranges, the
# compilation fails ("No choices exist for backend").
#
# Needs a C++ compiler. Seen (Python 3.11, g++ 12, CPU):
#   table passed in:       largest output 1.7, difference from the eager run 6e-7
#   table filled inside:   largest output 0.0
#   table compared inside: NoValidChoicesError
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v g++ >/dev/null || { echo "needs g++"; exit 1; }
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q torch==2.15.0 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PY'
import warnings

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

warnings.simplefilter("ignore")
torch.manual_seed(0)
SIDE = 14
PLACES = SIDE * SIDE
q, k, v = (torch.randn(1, 2, PLACES, 16) for _ in range(3))


def attend(q, k, v, table):
    def near(image, head, query, key):
        return table[query // SIDE, key // SIDE] & table[query % SIDE, key % SIDE]

    mask = create_block_mask(near, None, None, PLACES, PLACES, device="cpu")
    return flex_attention(q, k, v, block_mask=mask)


def compared():
    place = torch.arange(SIDE)
    return (place[:, None] - place).abs() <= 3


def filled():
    place = torch.arange(SIDE)[:, None]
    table = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    table[place, (place + torch.arange(-3, 4)).clamp(0, SIDE - 1)] = True
    return table


def largest(function, *inputs):
    torch.compiler.reset()
    with torch.inference_mode():
        return torch.compile(function)(*inputs)


right = attend(q, k, v, compared())
assert torch.equal(compared(), filled())
outside = largest(attend, q, k, v, compared())
print(f"table passed in:       largest output {outside.abs().max():.1f}, "
      f"difference {(outside - right).abs().max():.1e}")
inside = largest(lambda q, k, v: attend(q, k, v, filled()), q, k, v)
print(f"table filled inside:   largest output {inside.abs().max():.1f}")
try:
    largest(lambda q, k, v: attend(q, k, v, compared()), q, k, v)
    failed = "compiled"
except Exception as error:
    failed = "NoValidChoicesError" if "No choices exist" in str(error) else type(error).__name__
print(f"table compared inside: {failed}")
assert (outside - right).abs().max() < 1e-5
assert inside.abs().max() == 0
assert failed == "NoValidChoicesError"
PY
