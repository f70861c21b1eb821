"""Costs of the shipped search spaces that come with the package.

So a first question about one of them needs neither torch nor a trace of every part.
``docs/write_costs.py`` writes them. Each has a seal: a digest of all code that costs depend on, of
the text of the space, and of the costs themselves. Where it does not match, or torch is newer than
the one that they were counted with, they are as if they were not there.
"""

import hashlib
import json
import lzma
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from ...search_space.presets import preset_text
from .costed import CostedSpace, decoded, encoded
from .version import code_version

_FOLDER = Path(__file__).with_name("shipped")
_SEALS = _FOLDER / "seals.json"


def shipped_space(name: str) -> CostedSpace | None:
    """Return a shipped space at its own images, as it came with the package.

    None where it did not come, or is not known to be right for this code and this torch.
    """
    try:
        found = json.loads(_SEALS.read_text("utf-8"))
        newest, seal = found["torch"], found["spaces"][name]
        data = _data(name).read_bytes()
    except (OSError, ValueError, KeyError):  # not there, or two versions of the list in one
        return None
    if _release(version("torch")) > _release(newest) or seal != _seal(name, data):
        return None
    return decoded(lzma.decompress(data))


def ship(spaces: Mapping[str, CostedSpace]) -> None:
    """Write the costs of all shipped spaces, as counted with this code and this torch.

    Files whose costs are the same stay as they are.

    Args:
        spaces: By name, each at its own images.
    """
    _FOLDER.mkdir(exist_ok=True)
    for name, space in spaces.items():
        path, data = _data(name), encoded(space)
        if not path.exists() or lzma.decompress(path.read_bytes()) != data:
            path.write_bytes(lzma.compress(data, preset=9))
    seals = {name: _seal(name, _data(name).read_bytes()) for name in sorted(spaces)}
    found = {"torch": version("torch"), "spaces": seals}
    _SEALS.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def _data(name: str) -> Path:
    return _FOLDER / f"{name}.npz.xz"


def _seal(name: str, data: bytes) -> str:
    about = json.dumps([code_version(), preset_text(name)])
    return hashlib.sha256(about.encode() + data).hexdigest()[:32]


def _release(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2])
