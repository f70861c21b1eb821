"""Costs of the shipped search spaces and of the zoo that come with the package.

Shipped costs make a first question about a space fast, without traces or torch, and one about the
zoo without traces. ``docs/write_costs.py`` writes them. Each file has a seal: a digest of the text
of the space, of the costs, and of the code that they depend on, including its components (see
``version``). The seal of a space that offers any component also covers the lists of components.
Costs with a wrong seal, or counted with an older torch, are ignored. Comments and docstrings of the
code do not count.
"""

import hashlib
import json
import lzma
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...search_space.plugins import COMPONENTS, has_outside
from ...search_space.presets import preset_text
from .costed import CostedSpace, decoded, encoded
from .version import LISTS, code_digest, counted_by, digest, tabled_by

_FOLDER = Path(__file__).with_name("shipped")
_SEALS = _FOLDER / "seals.json"

_ZOO = "zoo"
"""Name of the zoo's file, which no space has."""


def shipped_space(name: str) -> CostedSpace | None:
    """Return a shipped space with the package's costs, for the space's own images.

    The result is None if there are no costs, or if they may be wrong for this code and torch.
    """
    data = _sealed(name, preset_text(name))
    return None if data is None else decoded(lzma.decompress(data))


def shipped_zoo() -> Mapping[str, tuple[int, int]]:
    """Return the package's parameters and MACs of the networks of the zoo by digest.

    The result is empty if ``shipped_space`` would return None.
    """
    data = _sealed(_ZOO, "")
    return {} if data is None else json.loads(lzma.decompress(data))


def ship(
    spaces: Mapping[str, tuple[CostedSpace, Iterable[str]]],
    zoo: tuple[Mapping[str, tuple[int, int]], Iterable[str]],
) -> None:
    """Write the costs of all shipped spaces and of the zoo, counted with this code and this torch.

    Files with unchanged costs are not rewritten.

    Args:
        spaces: Spaces by name, each for its own images, with the modules of its components.
        zoo: Parameters and MACs by digest, with the modules of the components.
    """
    _FOLDER.mkdir(exist_ok=True)
    data = {name: encoded(space) for name, (space, _) in spaces.items()}
    data[_ZOO] = json.dumps(zoo[0], sort_keys=True).encode()
    for name, each in data.items():
        path = _data(name)
        if not path.exists() or lzma.decompress(path.read_bytes()) != each:
            path.write_bytes(lzma.compress(each, preset=9))
    modules = {name: each for name, (_, each) in spaces.items()} | {_ZOO: zoo[1]}
    seals: dict[str, Any] = {"torch": version("torch")}
    for name in sorted(data):
        text = "" if name == _ZOO else preset_text(name)
        needed = sorted(counted_by(modules[name]) if name == _ZOO else tabled_by(modules[name]))
        seals[name] = {
            "seal": _seal(digest(needed), text, _data(name).read_bytes()),
            "code": _seal(code_digest(needed), text, _data(name).read_bytes()),
            "lists": digest(LISTS) if re.search(r"\bany\b", text) else None,
            "modules": needed,
        }
    _SEALS.write_text(json.dumps(seals, indent=2) + "\n", "utf-8")


def lacks_components(name: str) -> bool:
    """Whether a shipped space offers components that were added since its costs were written.

    Components from outside the package count as added.
    """
    lists = json.loads(_SEALS.read_text("utf-8"))[name]["lists"]
    return lists is not None and (lists != digest(LISTS) or has_outside(COMPONENTS))


def _sealed(name: str, text: str, *, complete: bool = True) -> bytes | None:
    """Return the content of a shipped file if its seal matches this code and torch.

    Args:
        name: Name of the space, or of the zoo.
        text: Text of the space.
        complete: Whether components added since make the file invalid.
    """
    try:
        seals = json.loads(_SEALS.read_text("utf-8"))
        newest, found = seals["torch"], seals[name]
        needed, seal, code = found["modules"], found["seal"], found["code"]
        data = _data(name).read_bytes()
        if complete and lacks_components(name):
            return None
    except (OSError, ValueError, KeyError, TypeError):  # missing, or inconsistent
        return None
    if _release(version("torch")) > _release(newest):
        return None
    known = _seal(digest(needed), text, data)
    if known is None:  # the behaviour of the code is unknown too
        return None
    return data if seal == known or code == _seal(code_digest(needed), text, data) else None


def _data(name: str) -> Path:
    return _FOLDER / (f"{name}.json.xz" if name == _ZOO else f"{name}.npz.xz")


def _seal(code: str | None, text: str, data: bytes) -> str | None:
    if code is None:
        return None
    return hashlib.sha256(json.dumps([code, text]).encode() + data).hexdigest()[:32]


def _release(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2])
