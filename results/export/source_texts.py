"""Texts common to all exported source files."""

import textwrap
from collections.abc import Mapping

from ...evaluators.accuracy.data.preparation import Preparation
from ...evaluators.targets import Target
from ...search_space.architecture.architecture import Architecture

_WIDTH = 100

RULES = ("decoding", "scaling", "crop", "values")
"""Keys of a preparation that are stated as text."""

HEAD = '''\
"""{summary}

{what}, written by nas-explorer
(architecture {digest}). It needs only torch. ``load()`` returns the network with
the weights in the file beside this one, ``Net()`` with new ones.
{images}

Its parts and their sources:

{papers}
"""
'''

_WHAT: Mapping[Target, str] = {
    "classes": "An image classifier for {input} images and {outputs} classes",
    "regression": "A network that predicts {outputs} numbers, in their units, for {input} images",
    "labels": "A network that scores {outputs} labels, before a sigmoid, of {input} images",
}
_NAMES: Mapping[Target, str] = {"classes": "CLASSES", "regression": "NUMBERS", "labels": "LABELS"}
"""Name of the constant that holds the names of the outputs."""

NOT_STATED = "The preparation of its images is not stated."

PREPARE = '''\
def prepare(images: Any) -> torch.Tensor:
    """Return the network's input: ({shape}), float32.

    Args:
        images: A path or a Pillow image; a NumPy array (H, W, C) or (B, H, W, C), uint8; a
            tensor (C, H, W) or (B, C, H, W), uint8 or from 0 to 1; or a list of these. A file has
            at most {megapixels} megapixels.
    """
    return {function}(
        images,
        side={side},
        interpolation="{interpolation}",
        mean=MEAN,
        std=STD,
        levels=LEVELS,
        megapixels={megapixels},
    )
'''

TAIL = '''\
def load(weights: str | Path | None = None) -> "Net":
    """Return the network in eval mode, with the weights of a safetensors file.

    Args:
        weights: The file; None: this file's name and ``.safetensors``, after a checksum test.
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


def network_text(architecture: Architecture, preparation: Preparation | None) -> str:
    """Return what the network does, for the file's docstring."""
    target = "classes" if preparation is None else preparation.target
    size = "x".join(map(str, architecture.input))
    return _WHAT[target].format(input=size, outputs=architecture.classes)


def preparation_constants(preparation: Preparation) -> list[str]:
    """Return the statements of mean, deviation and names of the outputs for ``prepare``."""
    name = _NAMES[preparation.target]
    classes = [f"{name} = {preparation.classes!r}"]
    if len(classes[0]) > _WIDTH:
        classes = [f"{name} = (", *(f"    {name!r}," for name in preparation.classes), ")"]
    return [
        f"MEAN = {preparation.mean}",
        f"STD = {preparation.std}",
        f"LEVELS = {dict(preparation.levels)}",
        *classes,
    ]


def prepared_text(preparation: Preparation) -> str:
    """Return the preparation as text, for the file's docstring."""
    described = preparation.described()
    rules = ". ".join(f"{name.capitalize()}: {described[name]}" for name in RULES)
    text = (
        f"``prepare`` makes the network's input from images; image files need Pillow too. {rules}."
    )
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)


def prepare_text(preparation: Preparation, function: str) -> str:
    """Return the function ``prepare``, which calls ``function``."""
    return PREPARE.format(
        shape=f"B, {len(preparation.mean)}, {preparation.side}, {preparation.side}",
        function=function,
        side=preparation.side,
        interpolation=preparation.interpolation,
        megapixels=preparation.megapixels,
    )
