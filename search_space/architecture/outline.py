"""One-line outlines of architectures, made from their JSON form without importing torch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SEPARATOR = ": "
"""Separator of an outline from the values that distinguish it from equal outlines."""

_OMITTED = ("stages", "blocks", "mixer", "name")
"""Keys that are left out of the paths of differing values."""


def outline(data: Mapping[str, Any]) -> str:
    """Return one short line: width x depth and the names of the mixers of each stage."""
    return " | ".join(
        f"{stage['width']}x{stage['depth']} {'+'.join(dict.fromkeys(_mixers(stage)))}"
        for stage in _stages(data)
    )


def outlines(architectures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return an outline for each architecture; equal ones are followed by their differing values.

    Two lines are equal only for equal architectures. Differing values are named as in ``nas show``,
    without ``stages``, ``blocks`` and ``mixer``: ``0.kernel_size=5`` belongs to the token mixer of
    the first stage.

    Args:
        architectures: Canonical architectures in the JSON form of ``Architecture``.
    """
    lines = [outline(each) for each in architectures]
    groups: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        groups.setdefault(line, []).append(index)
    for members in groups.values():
        leaves = [dict(_leaves(architectures[index])) for index in members]
        paths = dict.fromkeys(path for each in leaves for path in each)
        varied = [path for path in paths if len({each.get(path) for each in leaves}) > 1]
        for index, each in zip(members, leaves, strict=True):
            differs = ", ".join(f"{path}={each[path]}" for path in varied if path in each)
            if differs:
                lines[index] += SEPARATOR + differs
    return lines


def _stages(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*data["stages"], *(data.get("overview") or {"stages": ()})["stages"]]


def _mixers(stage: Mapping[str, Any]) -> Iterator[str]:
    for block in stage["blocks"]:
        yield block.get("mixer", block)["name"]


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each value in JSON data.

    The name of a component has the path of the component.
    """
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key == "blocks" and len(value) == 1:  # one block, repeated
                yield from _leaves(value[0], path)
            else:
                yield from _leaves(value, path if key in _OMITTED else _joined(path, key))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _leaves(value, _joined(path, str(index)))
    else:
        yield path, str(data).removesuffix(".0")


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
