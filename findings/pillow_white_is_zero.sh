#!/bin/sh
# Pillow 13.0.0 inverts an 8-bit greyscale TIFF whose zero is white, and leaves a 16-bit one as it is.
#
# Photometric interpretation 0 (WhiteIsZero) says that small values are bright. The same picture, a
# bright pixel and a dark one, is written with it in 8 and in 16 bits. Both are valid TIFF; Pillow
# gives bright, dark for the first and dark, bright for the second, without a word. A big-endian
# file of the same 16 bits is not read at all.
#
# Seen (Python 3.11, tifffile 2026.3.3 to write the files):
#   8 bits: [255, 55]
#   16 bits: [0, 51400]
#   16 bits, big-endian: UnidentifiedImageError
#
# Exits non-zero if this changes.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q pillow==13.0.0 tifffile==2026.3.3 numpy
cd "$folder"
"$folder/env/bin/python" - <<'PY'
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

# 0 is white: the first pixel is bright, the second dark.
tifffile.imwrite("8.tif", np.array([[0, 200]], np.uint8), photometric="miniswhite")
tifffile.imwrite("16.tif", np.array([[0, 51400]], np.uint16), photometric="miniswhite")
tifffile.imwrite("be.tif", np.array([[0, 51400]], ">u2"), photometric="miniswhite", byteorder=">")
eight, sixteen = (np.asarray(Image.open(f"{bits}.tif")).tolist()[0] for bits in (8, 16))
print("8 bits:", eight)
print("16 bits:", sixteen)
try:
    Image.open("be.tif")
    big = "read"
except UnidentifiedImageError as error:
    big = type(error).__name__
print("16 bits, big-endian:", big)
assert eight == [255, 55], "8 bits are no longer inverted"
assert sixteen == [0, 51400], "16 bits are no longer left as they are"
assert big == "UnidentifiedImageError", "big-endian files are read now"
PY
