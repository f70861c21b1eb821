"""Conversion of an opened image to plain pixels: upright, 8 bits per channel, opaque.

Exported source files contain these functions. Each function imports the packages that it needs, so
an exported network needs only torch, and Pillow and NumPy only for image files.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of 16-bit greyscale."""
KINDS = {**dict.fromkeys(SIXTEEN_BITS, "sixteen_bit"), "I": "integer", "F": "float"}
"""Kind of value by Pillow mode, for greyscale of more than 8 bits."""
BACKGROUND = 128
"""Grey level (0 to 255) behind transparent pixels."""
ORIENTATION = 0x0112
"""EXIF tag of the camera's orientation."""
BITS = 258
"""TIFF tag: bits per value."""
PHOTOMETRIC = 262
"""TIFF tag: 0 where zero is white."""
SAMPLE_FORMAT = 339
"""TIFF tag: 1 for unsigned values."""


class UnknownLevelsError(ValueError):
    """An image whose black and white levels are not known; the message names its kind of value."""


class Samples(NamedTuple):
    """The storage of a greyscale image's values of more than 8 bits."""

    kind: str
    """``sixteen_bit`` (unsigned), ``integer`` (signed, or of 32 bits) or ``float``."""
    white: int | None
    """White level stated in the file, or None."""
    inverted: bool
    """Whether zero is white (WhiteIsZero)."""
    unsigned: bool
    """Whether integers of 32 bits are unsigned."""


def samples_of(image: Any) -> Samples | None:
    """Return the storage of an opened image's values, or None for 8 bits."""
    kind = KINDS.get(image.mode)
    if kind is None:
        return None
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    white = None
    if tags.get(BITS) == (12,):
        white = 4095
    elif (image.format, kind) in (("PPM", "integer"), ("JPEG2000", "sixteen_bit")):
        white = 65535  # Pillow has scaled the values by the level stated in the file
    return Samples(
        kind=kind,
        white=white,
        inverted=tags.get(PHOTOMETRIC) == 0,
        unsigned=kind == "integer" and tags.get(SAMPLE_FORMAT, (1,)) == (1,),
    )


def plain(image: Any, mode: str, levels: Mapping[str, Sequence[float]]) -> Any:
    """Return an image in the form for a network, in mode ``L`` or ``RGB``.

    Only the first frame of an animation is used, EXIF orientation is applied, and transparent
    pixels become mid-grey. Greyscale of more than 8 bits is scaled by the white level stated in the
    file (PGM, JPEG 2000, TIFF of 12 bits), else by ``levels``, never by its own extremes, which
    would make dark images as bright as others.

    Args:
        image: Any Pillow image.
        mode: ``L`` or ``RGB``.
        levels: Values of black and of white by kind (see ``Samples``), one pair per data set; the
        default for ``sixteen_bit`` is 0 and 65535.

    Raises:
        UnknownLevelsError: If the image needs levels that are not given.
    """
    from PIL import Image

    samples = samples_of(image)
    image = upright(image)
    if samples is not None:
        image = eight_bits(image, samples, levels)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (BACKGROUND,) * 3 + (255,))
        ground.alpha_composite(image if image.mode == "RGBA" else image.convert("RGBA"))
        image = ground
    return image if image.mode == mode else image.convert(mode)


def upright(image: Any) -> Any:
    """Return an image with its EXIF orientation applied."""
    from PIL import ImageOps

    try:
        turned = image.getexif().get(ORIENTATION, 1) != 1
    except Exception:  # broken EXIF data is ignored
        return image
    return ImageOps.exif_transpose(image) if turned else image


def eight_bits(image: Any, samples: Samples, levels: Mapping[str, Sequence[float]]) -> Any:
    """Return a greyscale image in mode ``L``, or ``LA`` where one value means transparent."""
    import numpy as np
    from PIL import Image

    if samples.white is not None:
        black, white = 0.0, float(samples.white)
    elif samples.kind in levels:
        black, white = levels[samples.kind]
    elif samples.kind == "sixteen_bit":
        black, white = 0.0, 65535.0
    else:
        raise UnknownLevelsError(f"black and white of {samples.kind} values are not known")
    values = stored_values(image, samples)
    grey = Image.fromarray(scaled(values, black, white, samples.inverted))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def stored_values(image: Any, samples: Samples) -> Any:
    """Return the values of an image as an array of numbers ``(H, W)``."""
    import numpy as np

    values = np.asarray(image)
    if samples.kind == "sixteen_bit":
        return values.astype(np.uint16, copy=False)
    return values.view(np.uint32) if samples.unsigned else values


def scaled(values: Any, black: float, white: float, inverted: bool) -> Any:
    """Return values as uint8, with ``black`` as 0 and ``white`` as 255, clipped beyond."""
    import numpy as np

    if values.dtype == np.uint16:  # a look-up table is exact, and small compared with a large image
        table = np.minimum(np.arange(65536) * 255 // int(white), 255).astype(np.uint8)
        return (255 - table if inverted else table)[values]
    grey = values.astype(np.float64)
    np.nan_to_num(grey, copy=False, nan=black, posinf=black, neginf=black)
    grey -= black
    grey *= 255 / max(white - black, 1e-12)
    eight = np.rint(grey, out=grey).clip(0, 255, out=grey).astype(np.uint8)
    return 255 - eight if inverted else eight
