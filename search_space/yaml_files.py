"""A reader of YAML files that reports an error in one line."""

from pathlib import Path
from typing import Any

import yaml

from .errors import InputError


class _Loader(yaml.SafeLoader):
    """A loader that rejects repeated keys, which YAML forbids and PyYAML accepts."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping."""
        node = super().compose_mapping_node(anchor)
        keys: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value!r} is given twice", problem_mark=key.start_mark
                    )
                keys.add((key.tag, key.value))
        return node


def read_yaml(path: Path, what: str) -> object:
    """Read a YAML file, which messages call ``what``.

    Raises:
        InputError: If the file cannot be read, is not YAML, or gives a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{what} must be readable, but got {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{what} must be UTF-8 text, but got {path}") from None
    try:
        return yaml.load(text, _Loader)
    except Exception as error:  # the date 2020-99-99 raises ValueError in PyYAML
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise InputError(f"{what} must be YAML, but got {path}{place}: {problem}") from None
