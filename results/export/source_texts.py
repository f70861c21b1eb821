"""What is the same in every source file."""

from .preparation import Preparation

_WIDTH = 100

HEAD = '''\
"""{summary}

An image classifier for {input} images and {classes} classes, written by nas-explorer
(architecture {digest}). It needs torch alone: ``load()`` returns it with the
weights of the file beside this one, ``Net()`` with fresh ones.
{images}

Its parts, and where they come from:

{papers}
"""
'''

PREPARED = "``prepare`` makes its input of an image."
NOT_STATED = "How its images are prepared is not stated."

PREPARE = '''\
def prepare(images: torch.Tensor) -> torch.Tensor:
    """Map images (B, C, H, W) of any size, values 0 to 255, to what the network takes.

    The centre is cut out and scaled to {side}x{side}; then each channel is normalised.
    """
    rows, columns = images.shape[2:]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    x = images[:, :, top : top + side, left : left + side].float()
    if side != {side}:
        x = F.interpolate(x, ({side}, {side}), mode="{interpolation}", antialias=True)
        x = x.round().clamp(0, 255)
    mean, std = (torch.tensor(each, device=x.device).view(1, -1, 1, 1) for each in (MEAN, STD))
    return (x - mean) / std
'''

TAIL = '''\
def load(weights: str | Path | None = None) -> "Net":
    """Return the network in eval mode, with the weights of a safetensors file.

    Args:
        weights: The file; none: this file's name and ``.safetensors``, with its checksum.
    """
    path = Path(f"{__file__}.safetensors") if weights is None else Path(weights)
    data = bytearray(path.read_bytes())
    if weights is None and hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"the weights must be those written with this file, but {path} has others")
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64, "BOOL": torch.bool}
    state = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            first, last = (start + offset for offset in tensor["data_offsets"])
            flat = torch.frombuffer(data[first:last], dtype=types[tensor["dtype"]])
            state[name] = flat.reshape(tensor["shape"])
    shared = json.loads(header.get("__metadata__", {}).get("shared", "{}"))
    state.update({name: state[first] for name, first in shared.items()})
    net = Net()
    net.load_state_dict(state)
    return net.eval()
'''


def preparation_constants(preparation: Preparation) -> list[str]:
    """Return what ``prepare`` subtracts and divides by, and the names of the classes."""
    classes = [f"CLASSES = {preparation.classes!r}"]
    if len(classes[0]) > _WIDTH:
        classes = ["CLASSES = (", *(f"    {name!r}," for name in preparation.classes), ")"]
    return [f"MEAN = {preparation.mean}", f"STD = {preparation.std}", *classes]
