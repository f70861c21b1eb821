"""What is done to an image before a network sees it, as a file tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the images of a training were prepared."""

    side: int
    """Height and width in pixels: the shorter side is scaled to it, the centre cut out."""
    interpolation: str
    """How images are scaled, antialiased: ``bilinear`` or ``bicubic``."""
    mean: tuple[float, ...]
    """Subtracted from each channel, 0 to 255."""
    std: tuple[float, ...]
    """Each channel is then divided by it, in the same unit."""
    classes: tuple[str, ...]
    """Names of the classes, by label."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only, with the rule in words; ``of`` reads them back."""
        return {
            "size": [self.side, self.side],
            "crop": "shorter side scaled, centre cut out",
            "interpolation": self.interpolation,
            "values": "0 to 255, less the mean, over the deviation",
            "mean": list(self.mean),
            "std": list(self.std),
            "classes": list(self.classes),
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Preparation | None":
        """Return the preparation that a file tells of, or none where it does not or not wholly."""
        told: Any = facts.get("preparation")
        try:
            found = cls(
                side=int(told["size"][0]),
                interpolation={"bilinear": "bilinear", "bicubic": "bicubic"}[told["interpolation"]],
                mean=tuple(map(float, told["mean"])),
                std=tuple(map(float, told["std"])),
                classes=tuple(map(str, told["classes"])),
            )
            usable = all(map(isfinite, found.mean)) and all(0 < each < inf for each in found.std)
            return found if usable else None
        except (TypeError, ValueError, LookupError):
            return None
