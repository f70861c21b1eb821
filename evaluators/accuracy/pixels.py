"""From an opened image file to plain pixels: upright, 8 bits a channel, without transparency.

Source files of exports hold these functions, so each imports what it needs itself: a network
needs torch alone, and Pillow and NumPy only where it is given image files.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of 16-bit greyscale."""
BACKGROUND = 128
"""Level, of 255, of the grey that shows through transparent places."""
ORIENTATION = 0x0112
"""EXIF tag that says how the camera was turned."""


def plain(image: "Image.Image", mode: str) -> "Image.Image":
    """Return an image as a network is shown it, in mode ``L`` or ``RGB``.

    Of an animation the first frame is taken; EXIF orientation is applied; transparent places
    become mid-grey; 16-bit greyscale is divided by 257, and 32-bit and float greyscale, which have
    no white of their own, are stretched between their extremes.
    """
    import numpy as np
    from PIL import Image

    image = upright(image)
    if image.mode in SIXTEEN_BITS:
        levels = np.asarray(image).astype(np.uint16)
        image = Image.fromarray((levels // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(stretched(np.asarray(image, dtype=np.float64)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (BACKGROUND,) * 3 + (255,))
        image = Image.alpha_composite(ground, image)
    return image if image.mode == mode else image.convert(mode)


def upright(image: "Image.Image") -> "Image.Image":
    """Return an image turned as its EXIF data say."""
    from PIL import ImageOps

    try:
        turned = image.getexif().get(ORIENTATION, 1) != 1
    except Exception:  # broken EXIF data says nothing about the pixels
        return image
    return ImageOps.exif_transpose(image) if turned else image


def stretched(values: Any) -> Any:
    """Return an array of numbers as uint8, its extremes 0 and 255."""
    import numpy as np

    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = finite.min(), finite.max()
    return ((finite - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)
