"""Costs of the shipped search spaces and of the zoo that come with the package.

So a first question about one of them needs no trace of every part, about a space no torch either.
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

_ZOO = "zoo"
"""Stands among the spaces, of which none has this name."""


def shipped_space(name: str) -> CostedSpace | None:
    """Return a shipped space at its own images, as it came with the package.

    None where it did not come, or is not known to be right for this code and this torch.
    """
    data = _sealed(name, preset_text(name))
    return None if data is None else decoded(lzma.decompress(data))


def shipped_zoo() -> Mapping[str, tuple[int, int]]:
    """Return parameters and MACs of the networks of the zoo by digest, as they came along.

    Empty where ``shipped_space`` gives none.
    """
    data = _sealed(_ZOO, "")
    return {} if data is None else json.loads(lzma.decompress(data))


def ship(spaces: Mapping[str, CostedSpace], zoo: Mapping[str, tuple[int, int]]) -> None:
    """Write the costs of all shipped spaces and of the zoo, counted with this code and this torch.

    Files whose costs are the same stay as they are.

    Args:
        spaces: By name, each at its own images.
        zoo: Digest to parameters and MACs.
    """
    _FOLDER.mkdir(exist_ok=True)
    data = {name: encoded(space) for name, space in spaces.items()}
    data[_ZOO] = json.dumps(zoo, sort_keys=True).encode()
    for name, each in data.items():
        path = _data(name)
        if not path.exists() or lzma.decompress(path.read_bytes()) != each:
            path.write_bytes(lzma.compress(each, preset=9))
    texts = {name: preset_text(name) for name in spaces} | {_ZOO: ""}
    seals = {name: _seal(texts[name], _data(name).read_bytes()) for name in sorted(data)}
    found = {"torch": version("torch"), "spaces": seals}
    _SEALS.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def _sealed(name: str, text: str) -> bytes | None:
    """Return what came along, if it is right for this code and this torch."""
    try:
        found = json.loads(_SEALS.read_text("utf-8"))
        newest, seal = found["torch"], found["spaces"][name]
        data = _data(name).read_bytes()
    except (OSError, ValueError, KeyError):  # not there, or two versions of the list in one
        return None
    right = _release(version("torch")) <= _release(newest) and seal == _seal(text, data)
    return data if right else None


def _data(name: str) -> Path:
    return _FOLDER / (f"{name}.json.xz" if name == _ZOO else f"{name}.npz.xz")


def _seal(text: str, data: bytes) -> str:
    about = json.dumps([code_version(), text])
    return hashlib.sha256(about.encode() + data).hexdigest()[:32]


def _release(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2])
