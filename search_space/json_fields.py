"""A base for settings that are stored as JSON: flat values, each with a default."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from .errors import unknown_name


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
