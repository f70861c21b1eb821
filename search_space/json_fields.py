"""Settings that travel as JSON: flat values, each with a default."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from .errors import unknown_name


@dataclass(frozen=True, kw_only=True)
class JsonFields:
    """A value of flat fields, each with a default, that is written to JSON and read back."""

    key: ClassVar[str]
    """What one of its names is called in errors, such as ``recipe key``."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only; ``from_json`` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; what is left out takes its default.

        Raises:
            InputError: If a key is unknown or a value out of its range.
        """
        known = [each.name for each in fields(cls)]
        for name in data:
            if name not in known:
                raise unknown_name(cls.key, name, known)
        return cls(**data)
