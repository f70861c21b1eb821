#!/bin/sh
# safetensors 0.8.0 writes the same tensors and metadata with different bytes.
#
# The entries of the metadata stand in the file in an order that changes from one call to the next,
# also within one process. So a checksum of a file does not tell whether its content has changed,
# and two exports of one model differ. The tensors and their order are always the same. Compare
# what load_file and safe_open().metadata() return, or give only one entry of metadata.
#
# Seen (Linux, Python 3.11):
#   20 files with 6 entries of metadata: 20 contents, 1 set of entries
#   20 files with 1 entry: 1 content
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q safetensors==0.8.0 numpy==2.4.6
cat >"$folder/order.py" <<'PY'
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

folder = Path(sys.argv[1])


def written(entries):
    metadata = {f"key{number}": "value" for number in range(entries)}
    contents, read = set(), set()
    for number in range(20):
        path = folder / f"{entries}-{number}.safetensors"
        save_file({"weight": np.arange(3, dtype=np.float32)}, path, metadata)
        contents.add(path.read_bytes())
        with safe_open(path, framework="numpy") as file:
            read.add(tuple(sorted(file.metadata().items())))
    return len(contents), len(read)


many, one = written(6), written(1)
print(f"20 files with 6 entries of metadata: {many[0]} contents, {many[1]} set of entries")
print(f"20 files with 1 entry: {one[0]} content")
sys.exit(0 if many[0] > 1 and many[1] == 1 and one == (1, 1) else 1)
PY
"$folder/env/bin/python" "$folder/order.py" "$folder"
