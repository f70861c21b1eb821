"""Names of devices as users write them."""

from ..search_space.errors import InputError, unknown_name

DEVICES = ("auto", "cpu", "cuda")
"""Kinds of devices; ``cuda:N`` is one of several."""

_OTHERS = ("mps", "metal", "xpu", "tpu", "rocm", "hip", "npu")


def device_name(text: str) -> str:
    """Return ``auto``, ``cpu``, ``cuda`` or ``cuda:N``: ``gpu`` is ``cuda``.

    The presence of the device is not checked.

    Raises:
        InputError: If the name is none of these.
    """
    kind, separator, number = text.strip().lower().partition(":")
    kind = "cuda" if kind == "gpu" else kind
    if kind in _OTHERS:
        how = "NVIDIA's and AMD's GPUs are cuda" if kind in ("rocm", "hip") else "use cpu"
        raise InputError(
            f"device must be one of {', '.join(DEVICES)}, but got {text!r}, "
            f"on which nothing is measured yet; {how}"
        )
    if kind not in DEVICES or (separator and (kind != "cuda" or not number.isdecimal())):
        raise unknown_name("device", text, DEVICES)
    return f"{kind}{separator}{number}"


def choose_device(name: str) -> str:
    """Return ``cpu`` or ``cuda`` (or ``cuda:N``) for a user's device name.

    Raises:
        InputError: If the device is unknown or missing.
    """
    import torch

    name = device_name(name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    found = torch.cuda.device_count() if kind == "cuda" else 0
    if kind == "cuda" and int(number or 0) >= found:
        raise InputError(f"device must exist, but got {name!r} of {found} GPUs")
    return name
