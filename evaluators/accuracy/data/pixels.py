"""From an opened image file to plain pixels: upright, 8 bits a channel, without transparency.

Source files of exports hold these functions, so each imports what it needs itself: a network
needs torch alone, and Pillow and NumPy only where it is given image files.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of 16-bit greyscale."""
KINDS = {**dict.fromkeys(SIXTEEN_BITS, "sixteen_bit"), "I": "integer", "F": "float"}
"""Kind of the values by Pillow's mode, for greyscale of more than 8 bits."""
BACKGROUND = 128
"""Level, of 255, of the grey that shows through transparent places."""
ORIENTATION = 0x0112
"""EXIF tag that says how the camera was turned."""
BITS = 258
"""Tag of TIFF: bits of a value."""
PHOTOMETRIC = 262
"""Tag of TIFF: 0 where zero is white."""
SAMPLE_FORMAT = 339
"""Tag of TIFF: 1 where values have no sign."""


class UnknownLevelsError(ValueError):
    """An image whose values could be of any brightness; the message says of which kind."""


class Samples(NamedTuple):
    """How a greyscale image of more than 8 bits stores its values."""

    kind: str
    """``sixteen_bit`` (no sign), ``integer`` (with a sign, or of 32 bits) or ``float``."""
    white: int | None
    """White as the file states it; none: it does not."""
    inverted: bool
    """Whether low values are bright (WhiteIsZero)."""
    unsigned: bool
    """Whether integers of 32 bits have no sign."""


def samples_of(image: Any) -> Samples | None:
    """Return how an opened image stores its values, or none for one of 8 bits."""
    kind = KINDS.get(image.mode)
    if kind is None:
        return None
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    white = None
    if tags.get(BITS) == (12,):
        white = 4095
    elif (image.format, kind) in (("PPM", "integer"), ("JPEG2000", "sixteen_bit")):
        white = 65535  # Pillow has spread the values by what the file states
    return Samples(
        kind=kind,
        white=white,
        inverted=tags.get(PHOTOMETRIC) == 0,
        unsigned=kind == "integer" and tags.get(SAMPLE_FORMAT, (1,)) == (1,),
    )


def plain(image: Any, mode: str, levels: Mapping[str, Sequence[float]]) -> Any:
    """Return an image as a network is shown it, in mode ``L`` or ``RGB``.

    Of an animation the first frame is taken; EXIF orientation is applied; transparent places
    become mid-grey. Greyscale of more than 8 bits is scaled by the white that the file states
    (PGM, JPEG 2000, TIFF of 12 bits), else by ``levels``: never by its own extremes, which would
    make dark images as bright as others.

    Args:
        image: Of Pillow, as opened or any other.
        mode: ``L`` or ``RGB``.
        levels: Value of black and value of white by kind (see ``Samples``), one pair for a whole
            data set. Of ``sixteen_bit`` they are 0 and 65535 where it has no pair.

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
    """Return an image turned as its EXIF data say."""
    from PIL import ImageOps

    try:
        turned = image.getexif().get(ORIENTATION, 1) != 1
    except Exception:  # broken EXIF data says nothing about the pixels
        return image
    return ImageOps.exif_transpose(image) if turned else image


def eight_bits(image: Any, samples: Samples, levels: Mapping[str, Sequence[float]]) -> Any:
    """Return greyscale in mode ``L``, or ``LA`` where one of its values means transparent."""
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
    """Return an array of numbers as uint8: ``black`` 0, ``white`` 255, cut off beyond them."""
    import numpy as np

    if values.dtype == np.uint16:  # a table is exact, and small beside a large picture
        table = np.minimum(np.arange(65536) * 255 // int(white), 255).astype(np.uint8)
        return (255 - table if inverted else table)[values]
    grey = values.astype(np.float64)
    np.nan_to_num(grey, copy=False, nan=black, posinf=black, neginf=black)
    grey -= black
    grey *= 255 / max(white - black, 1e-12)
    eight = np.rint(grey, out=grey).clip(0, 255, out=grey).astype(np.uint8)
    return 255 - eight if inverted else eight
