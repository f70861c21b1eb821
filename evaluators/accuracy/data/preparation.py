"""The preparation of images for a network: one rule for training, proof and export."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from ...targets import Target, stated_target
from .opening import MEGAPIXELS
from .pixels import BACKGROUND, KINDS

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[float, float]
"""Values of black and of white."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The conversion of images to a network's input, stored with the network's weights."""

    side: int
    """Height and width in pixels: the shorter side is scaled to it, then the centre is cropped."""
    interpolation: str
    """Interpolation of the antialiased scaling: ``bilinear`` or ``bicubic``."""
    mean: tuple[float, ...]
    """Mean subtracted from each channel, 0 to 255; one for grey, three for colour."""
    std: tuple[float, ...]
    """Deviation that each channel is then divided by, in the same unit."""
    levels: Mapping[str, Pair] = field(default_factory=dict[str, Pair])
    """Levels of black and white by kind, for files of more than 8 bits that state none."""
    megapixels: int = MEGAPIXELS
    """Largest image file in millions of pixels, whatever Pillow's own limit."""
    classes: tuple[str, ...]
    """Names of the network's outputs: classes, numbers or labels."""
    target: Target = "classes"
    """Kind of target."""

    def __call__(self, images: Any) -> "Tensor":
        """Return a network's input, (B, C, side, side), float32.

        Args:
            images: Paths, Pillow images, arrays or tensors: see ``prepare_images``.

        Raises:
            ValueError: If ``images`` is none of these, or a file has too many pixels.
        """
        from .prepare import prepare_images  # torch takes seconds to import

        rules = {
            name: each for name, each in vars(self).items() if name not in ("classes", "target")
        }
        return prepare_images(images, **rules)

    def to_json(self) -> dict[str, Any]:
        """Return the preparation as JSON values, which ``of`` reads back."""
        levels = {kind: list(each) for kind, each in self.levels.items()}
        usual = self.megapixels == MEGAPIXELS
        return {
            "size": [self.side, self.side],
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
            **({"levels": levels} if levels else {}),
            **({} if usual else {"megapixels": self.megapixels}),
            "classes": list(self.classes),
            **({} if self.target == "classes" else {"target": self.target}),
        }

    def described(self) -> dict[str, Any]:
        """Return ``to_json`` with the rules as text."""
        size = f"{self.side}x{self.side}"
        return {
            "decoding": self._decoding,
            "scaling": f"shorter side to {self.side}, the longer in proportion and rounded down, "
            "antialiased, as torchvision's Resize of an image of Pillow",
            "crop": f"centre, {size}, as torchvision's CenterCrop",
            "values": "0 to 255, minus the mean, divided by the deviation",
            **self.to_json(),
        }

    @property
    def _decoding(self) -> str:
        """The rules of ``plain`` as text."""
        levels = {"sixteen_bit": (0.0, 65535.0), **self.levels}
        known = [f"{black:g} to {white:g} of {kind}" for kind, (black, white) in levels.items()]
        return (
            f"files of at most {self.megapixels} megapixels; first frame of an animation; turned "
            f"as EXIF says; transparent places over grey {BACKGROUND}; more than 8 bits of grey "
            f"from black to white as the file states them, else "
            f"{', '.join(known).replace('_', ' ')} values; of 16 bits of colour the upper 8; then "
            f"Pillow's mode {self.mode}"
        )

    @property
    def mode(self) -> str:
        """``L`` for grey, ``RGB`` for colour."""
        return "L" if len(self.mean) == 1 else "RGB"

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Preparation | None":
        """Return the preparation under the key ``preparation``, or None if it is incomplete."""
        stated: Any = facts.get("preparation")
        try:
            found = cls(
                side=int(stated["size"][0]),
                interpolation={"bilinear": "bilinear", "bicubic": "bicubic"}[
                    stated["interpolation"]
                ],
                mean=tuple(map(float, stated["mean"])),
                std=tuple(map(float, stated["std"])),
                levels={
                    kind: (float(black), float(white))
                    for kind, (black, white) in dict(stated.get("levels", {})).items()
                },
                megapixels=int(stated.get("megapixels", MEGAPIXELS)),
                classes=tuple(map(str, stated["classes"])),
                target=stated_target(stated),
            )
        except (TypeError, ValueError, LookupError):
            return None
        return found if found._usable else None

    @property
    def _usable(self) -> bool:
        finite = all(map(isfinite, self.mean)) and all(0 < each < inf for each in self.std)
        channels = len(self.mean) == len(self.std) and len(self.mean) in (1, 3)
        levels = all(
            kind in KINDS.values() and -inf < black < white < inf
            for kind, (black, white) in self.levels.items()
        )
        return finite and channels and levels and self.side > 0 and self.megapixels > 0
