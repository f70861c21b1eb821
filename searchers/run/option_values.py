"""Readers of the values of options: rungs, sides of images."""

from ...evaluators.units import read_whole
from ...search_space.errors import InputError
from ...search_space.json_fields import is_list


def read_rungs(value: object) -> tuple[int, ...]:
    """Read epochs such as ``1,3``.

    Raises:
        InputError: If one of them is not a whole number.
    """
    listed = list(value) if is_list(value) else str(value).split(",")
    return tuple(read_whole("rungs", each, hint="epochs, as in 1,3") for each in listed)


def read_side(name: str, value: object) -> int:
    """Read the side of square images in pixels: ``224``, ``224px`` or ``224x224``.

    Raises:
        InputError: If it has another form, or the images are not square.
    """
    rule = "pixels on a side, as in 224"
    if not isinstance(value, str):
        return read_whole(name, value, hint=rule)
    sides = {each.strip() for each in value.lower().replace("×", "x").removesuffix("px").split("x")}
    if len(sides) != 1:
        raise InputError(f"{name} must be that of square images ({rule}), but got {value!r}")
    return read_whole(name, sides.pop(), unit="px", hint=rule)
