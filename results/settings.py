"""The settings of a study."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from ..evaluators.base import Direction, Metric, describe_recorded, metric
from ..evaluators.latency.settings import with_layout
from ..search_space.errors import InputError

_LATER = ("metrics", "plugins")
"""Fields that older records lack, and which may differ: they say how to read the record."""

_PLACE = ("name", "root", "max_megapixels")
"""Of the data: where they lie and what is read of it; their fingerprint says what was read."""

FORMAT = 1
"""Version of the stored form of settings and candidates."""


def check_study_name(name: str) -> None:
    """Check that a study may have this name.

    Raises:
        InputError: If it is empty, longer than 200 characters, or not printable.
    """
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise InputError(f"a study's name must be 1 to 200 printable characters, but got {name!r}")


def check_objectives(names: Sequence[str]) -> None:
    """Check what is optimised.

    Raises:
        InputError: If there is no objective, one twice, or one that is no metric.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(f"objectives must be one or more different metrics, but got {names!r}")
    for name in names:
        metric(name)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Everything that must stay the same for candidates of one study to be comparable.

    Raises:
        InputError: If there is no objective, one twice, or one that is no metric.
    """

    space_name: str
    """Name of the search space."""
    space_digest: str
    """Identity of the search space: another digest is another space."""
    space: Mapping[str, Any]
    """The space's definition; JSON values."""
    data: Mapping[str, Any]
    """The data and how it is split; JSON values, each of which must stay the same."""
    data_fingerprint: str
    """Identity of the images and labels."""
    objectives: tuple[str, ...]
    """Names of the metrics to optimise, at least one."""
    constraints: tuple[str, ...] = ()
    """Hard constraints, such as ``params<=2e6``."""
    searcher: str
    """Name of the searcher."""
    seed: int
    """Seed from which all others are derived."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How candidates are trained; JSON values."""
    evaluation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How candidates are measured (device, latency settings); JSON values."""
    metrics: tuple[Mapping[str, Any], ...] = ()
    """What the metrics of the study mean (``Metric.to_json``): it is shown without plug-ins."""
    plugins: tuple[str, ...] = ()
    """Modules that register what the study needs."""
    format: int = FORMAT
    """Version of the stored form."""

    def __post_init__(self) -> None:
        check_objectives(self.objectives)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """``minimize`` or ``maximize`` for each objective."""
        return tuple(metric(name).direction for name in self.objectives)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only; ``from_json`` reads them back to an equal value."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudySettings":
        """Read what ``to_json`` wrote.

        Raises:
            InputError: If a newer version wrote it, or something is missing.
        """
        if data.get("format") != FORMAT:
            raise InputError(f"a study's format must be {FORMAT}, but got {data.get('format')!r}")
        if missing := [e.name for e in fields(cls) if e.name not in (*data, *_LATER)]:
            raise InputError(
                f"the stored settings of a study must be whole, but those of this one have no "
                f"{missing[0]!r}"
            )
        known = {each.name: data[each.name] for each in fields(cls) if each.name in data}
        lists = ("objectives", "constraints", *_LATER)
        known |= {name: tuple(known[name]) for name in lists if name in known}
        for each in known.get("metrics", ()):
            describe_recorded(Metric.from_json(each))
        return cls(**known)

    def difference(self, other: "StudySettings") -> tuple[str, object, object] | None:
        """Return the first setting that differs, its value here and in ``other``, or None.

        Inside a mapping the key is named, as in ``recipe.epochs``. The space counts only as far
        as its digest does.
        """
        mine, theirs = self.to_json(), other.to_json()
        if self.space_digest != other.space_digest:
            return "space", self._space_label, other._space_label
        for name in ("space", "space_name", *_LATER):
            del mine[name], theirs[name]
        for each in (mine, theirs):  # the fingerprint says what the images are, wherever they lie
            each["data"] = {k: v for k, v in each["data"].items() if k not in _PLACE}
            if "latency" in each["evaluation"]:
                each["evaluation"]["latency"] = with_layout(each["evaluation"]["latency"])
        left, right = dict(_flatten(mine)), dict(_flatten(theirs))
        for key in {**left, **right}:
            if left.get(key) != right.get(key):
                return key, left.get(key), right.get(key)
        return None

    @property
    def _space_label(self) -> str:
        return f"{self.space_name} (digest {self.space_digest[:8]})"


def _flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flatten(cast(dict[str, Any], value), f"{prefix}{key}.")
        else:
            yield prefix + key, value
