"""The settings of a study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import zip_longest
from typing import Any

from ..evaluators.base import Direction, Metric, describe_recorded, metric
from ..evaluators.latency.settings import BRIEF, with_layout
from ..evaluators.metrics import MAIN_METRICS
from ..evaluators.runtime_table import is_latency, runtime_of
from ..evaluators.targets import stated_target
from ..search_space.constraints.constraint import Constraint
from ..search_space.errors import InputError
from ..search_space.json_fields import flattened

_LATER = ("metrics", "plugins", "scores")
"""Fields that older records lack and that may differ, since they only describe the record."""
_ADDED = ("scheduler", "first")
"""Fields that older records lack, where they have their default."""

_OPTIONS = {
    "recipe.epochs": "epochs",
    "seed": "seed",
    "data.seed": "seed",
    "evaluation.latency.runtime": "runtime",
}
"""Options of a search whose values are settings of the study as they are."""

_PLACE = ("name", "root", "max_megapixels")
"""Keys of the data that may differ: location and limits of reading; the fingerprint identifies the
images."""

FORMAT = 1
"""Version of the stored form of settings and candidates."""


def check_study_name(name: str) -> None:
    """Check the name of a study.

    Raises:
        InputError: If the name is empty, longer than 200 characters, or not printable.
    """
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise InputError(f"a study's name must be 1 to 200 printable characters, but got {name!r}")


def check_objectives(names: Sequence[str]) -> None:
    """Check the names of the objectives.

    Raises:
        InputError: If there is no objective, a repeated one, or one that is no metric.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(f"objectives must be one or more different metrics, but got {names!r}")
    for name in names:
        metric(name)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """The settings of a study, which stay the same so that its candidates are comparable.

    Raises:
        InputError: If there is no objective, a repeated one, or one that is no metric.
    """

    space_name: str
    """Name of the search space."""
    space_digest: str
    """Digest that identifies the search space."""
    space: Mapping[str, Any]
    """The space's definition; JSON values."""
    data: Mapping[str, Any]
    """The data and its split, as JSON values."""
    data_fingerprint: str
    """Fingerprint of the images and labels."""
    objectives: tuple[str, ...]
    """Names of the metrics to optimise, at least one."""
    constraints: tuple[str, ...] = ()
    """Hard constraints, such as ``params<=2e6``."""
    searcher: str
    """Name of the searcher."""
    seed: int
    """Seed from which all others are derived."""
    scheduler: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Name and options of the scheduler that stops trainings early; empty: none does."""
    first: tuple[Mapping[str, Any], ...] = ()
    """Candidates proposed before the searcher is asked, each with its ``name`` (where it came
    from), ``digest`` and ``decisions``."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The training recipe, as JSON values."""
    evaluation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings of measurements (device, latency), as JSON values."""
    metrics: tuple[Mapping[str, Any], ...] = ()
    """Descriptions of the study's metrics (``Metric.to_json``), used if a plug-in is missing."""
    plugins: tuple[str, ...] = ()
    """Modules that register the study's plug-ins."""
    scores: tuple[str, ...] = ()
    """Training-free scores that are recorded for each candidate."""
    format: int = FORMAT
    """Version of the stored form."""

    def __post_init__(self) -> None:
        check_objectives(self.objectives)

    @property
    def main_metric(self) -> str:
        """Name of the main metric of the study's kind of target, such as ``accuracy``."""
        return MAIN_METRICS[stated_target(self.data)].name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """``minimize`` or ``maximize`` for each objective."""
        return tuple(metric(name).direction for name in self.objectives)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, which ``from_json`` reads."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudySettings":
        """Read the JSON values of ``to_json``.

        Raises:
            InputError: If a newer version wrote the values, or one is missing.
        """
        if data.get("format") != FORMAT:
            raise InputError(f"a study's format must be {FORMAT}, but got {data.get('format')!r}")
        if missing := [e.name for e in fields(cls) if e.name not in (*data, *_LATER, *_ADDED)]:
            raise InputError(
                f"the stored settings of a study must be complete, but {missing[0]!r} is missing"
            )
        known = {each.name: data[each.name] for each in fields(cls) if each.name in data}
        lists = ("objectives", "constraints", "first", *_LATER)
        known |= {name: tuple(known[name]) for name in lists if name in known}
        for each in known.get("metrics", ()):
            describe_recorded(Metric.from_json(each))
        return cls(**known)

    def difference(self, other: "StudySettings") -> tuple[str, object, object] | None:
        """Return the first differing setting, its value here and in ``other``, or None.

        A key inside a mapping is named as in ``recipe.epochs``. Spaces are equal if their digests
        are.
        """
        mine, theirs = self.to_json(), other.to_json()
        if self.space_digest != other.space_digest:
            return "space", self._space_label, other._space_label
        for name in ("space", "space_name", "first", *_LATER):
            del mine[name], theirs[name]
        for each in (mine, theirs):  # the fingerprint identifies the images, wherever they are
            each["data"] = {k: v for k, v in each["data"].items() if k not in _PLACE}
            each["evaluation"] = self._compared(each["evaluation"])
        left, right = dict(flattened(mine)), dict(flattened(theirs))
        for key in {**left, **right}:
            if left.get(key) != right.get(key):
                return key, left.get(key), right.get(key)
        return self._other_first(other) or self._other_metric(other)

    def _compared(self, evaluation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of measurements that stay the same.

        Where latency does not count, studies of earlier versions state the full contract. The
        record of each latency states its own. A latency in a named runtime that does not count is
        only recorded, as a score is.
        """
        counting, found = self._counting(), dict(evaluation)
        for name in filter(is_latency, evaluation):
            counts = name in counting
            timing = with_layout(found.pop(name))
            if counts or runtime_of(name) is None:
                found[name] = {k: v for k, v in timing.items() if counts or k not in BRIEF}
        return found

    def _counting(self) -> tuple[str, ...]:
        """Return the metrics that are objectives or have bounds."""
        return (*self.objectives, *(Constraint.parse(each).metric for each in self.constraints))

    @staticmethod
    def remedy(setting: str, value: object) -> str:
        """Return what to do about a setting that differs from the study's ``value``."""
        option = _OPTIONS.get(setting)
        repeat = f"give --{option} {value} to continue it, or " if option else ""
        return f"{repeat}use another --study name"

    def _other_first(self, other: "StudySettings") -> tuple[str, object, object] | None:
        """Return the first of the first candidates that is another network in ``other``."""
        for place, (mine, theirs) in enumerate(zip_longest(self.first, other.first), 1):
            if mine is None or theirs is None or mine["digest"] != theirs["digest"]:
                has, asked = (first_text(each) if each else "none" for each in (mine, theirs))
                return f"first candidate {place}:", has, asked
        return None

    def _other_metric(self, other: "StudySettings") -> tuple[str, object, object] | None:
        """Return the first metric that counts and has another unit or direction in ``other``."""
        mine, theirs = ({m["name"]: m for m in each.metrics} for each in (self, other))
        for name in self._counting():
            if name in mine and name in theirs:  # older studies do not describe their metrics
                for key in ("unit", "direction"):
                    if mine[name][key] != theirs[name][key]:
                        return f"{key} of {name}", mine[name][key], theirs[name][key]
        return None

    @property
    def _space_label(self) -> str:
        return f"{self.space_name} (digest {self.space_digest[:8]})"


def first_text(first: Mapping[str, Any]) -> str:
    """Return the text for one of the first candidates of a study: where it came from, digest."""
    return f"{first['name']} ({first['digest'][:8]})"
