"""The description of a data set: its name, the size of its images, their split, their target."""

from dataclasses import dataclass
from typing import Any

from ....search_space.errors import InputError, unknown_name
from ....search_space.json_fields import JsonFields
from ...targets import read_target
from .names import DATA_NAMES, WITH_PATH, known_data
from .opening import MEGAPIXELS

_RESOLUTIONS = (4, 512)


@dataclass(frozen=True, kw_only=True)
class DataSpec(JsonFields):
    """A data set by name, with the size of its images and their split."""

    key = "data key"

    name: str
    """Name as on the command line: one of ``DATA_NAMES``, or a kind of ``WITH_PATH`` with its path:
    ``folder:PATH``."""
    resolution: int | None = None
    """Side of the images in pixels, 4 to 512. None: the data set's own size; for a folder the
    median of the shorter sides, clipped to 8..64 and rounded down to a multiple of 4."""
    validation: float = 0.2
    """Share of the training images for the validation split, if the data set has none of its
    own; above 0 and below 1."""
    seed: int = 0
    """Seed of the splits."""
    root: str = "data"
    """Folder of downloaded data sets."""
    max_megapixels: int = MEGAPIXELS
    """Largest image file in millions of pixels; larger files are left out."""
    target: str = ""
    """Kind of target, with columns if the data have them (see ``read_target``); empty: as the data
    are, classes where nothing else is stated."""

    def __post_init__(self) -> None:
        if self.kind not in (*DATA_NAMES, *WITH_PATH):
            raise unknown_name("data", self.name, known_data())
        if (self.kind in WITH_PATH) != bool(self.path):
            raise InputError(
                f"data must be one of {', '.join(known_data())}, but got {self.name!r}"
            )
        low, high = _RESOLUTIONS
        side = self.resolution
        if side is not None and (type(side) is not int or not low <= side <= high):
            raise InputError(
                f"resolution must be a whole number from {low} to {high}, but got {side!r}"
            )
        if not isinstance(self.validation, float) or not 0 < self.validation < 1:
            raise InputError(
                f"validation must be a number above 0 and below 1, but got {self.validation!r}"
            )
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"seed must be a whole number of at least 0, but got {self.seed!r}")
        if type(self.max_megapixels) is not int or self.max_megapixels < 1:
            raise InputError(
                f"max_megapixels must be a whole number of at least 1, but got "
                f"{self.max_megapixels!r}"
            )

        if self.target:
            object.__setattr__(self, "target", read_target(self.target))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, without an empty ``target``, as in earlier records."""
        found = super().to_json()
        if not self.target:
            del found["target"]
        return found

    @property
    def kind(self) -> str:
        """The kind of data: the name, or its part before the colon."""
        return self.name.partition(":")[0]

    @property
    def path(self) -> str:
        """The path after the colon, as in ``folder:PATH``; empty for other data."""
        return self.name.partition(":")[2]
