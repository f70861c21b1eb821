"""Reading of JSON and YAML data: checks of types and keys, and a base for flat settings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, TypeGuard

from .errors import InputError, shown, unknown_name


def is_list(data: object) -> TypeGuard[Sequence[Any]]:
    """Whether data are a list (JSON, YAML) or a tuple (Python)."""
    return isinstance(data, list | tuple)


def is_mapping(data: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether JSON or YAML data are a mapping."""
    return isinstance(data, Mapping)


def fields_of(
    data: object, path: str, *, required: Collection[str] = (), optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """Return ``data`` as a mapping that has the required keys and no unknown one.

    Args:
        data: The data.
        path: Path of the data in the file, for messages.
        required: Keys that must be present.
        optional: Other keys that may be present.

    Raises:
        InputError: If the data are no mapping, a key is unknown, or a required key is missing.
    """
    if not is_mapping(data):
        raise InputError(f"{path} must be a mapping, but got {shown(data)}")
    known = (*required, *(key for key in optional if key not in required))
    for key in data:
        if key not in known:
            raise unknown_name(f"key of {path}", key, known)
    for key in required:
        if key not in data:
            raise InputError(f"{path} must have {', '.join(required)}, but got no {key!r}")
    return data


def flattened(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, each with the keys that lead to it, joined by dots."""
    for key, value in data.items():
        if is_mapping(value):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@dataclass(frozen=True, kw_only=True)
class JsonFields:
    """A base for values with flat fields, each with a default, stored as JSON."""

    key: ClassVar[str]
    """The word for a field in errors, such as ``recipe key``."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, which ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; a missing field takes its default.

        Raises:
            InputError: If a key is unknown or a value out of its range.
        """
        known = [each.name for each in fields(cls)]
        for name in data:
            if name not in known:
                raise unknown_name(cls.key, name, known)
        return cls(**data)
