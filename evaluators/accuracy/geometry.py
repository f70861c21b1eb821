"""From an image of any size to a square: the shorter side is scaled, the centre cut out.

Sizes, places and rounding are those of torchvision's ``Resize(side)`` and ``CenterCrop(side)``
(and so of timm's transforms), so that images prepared by either have the same pixels.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def scaled_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the height and width at which the shorter of them is ``side``."""
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side


def crop_start(length: int, side: int) -> int:
    """Return the first of ``side`` pixels in the middle of ``length``; a half goes to the even."""
    return round((length - side) / 2)


def square_image(image: "Image.Image", side: int, interpolation: str) -> "Image.Image":
    """Return an image scaled, antialiased, and cut to ``side`` x ``side``.

    Args:
        image: In mode ``L`` or ``RGB``.
        side: In pixels.
        interpolation: ``bilinear`` or ``bicubic``.
    """
    from PIL import Image

    height, width = scaled_size(image.height, image.width, side)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    left, top = crop_start(width, side), crop_start(height, side)
    return image.crop((left, top, left + side, top + side))
