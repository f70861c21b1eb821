"""The stem that cuts an image into small and large patches, and the head of both class tokens.

Shape suffixes: B batch, C channels of the small branch, D channels of the large one, H rows, W
columns, N tokens, T rows of both branches in one column, F features, K classes.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import YES_NO, Choice, IntRange, Positive
from ..shapes import Shape, scaled
from .base import GRID, Head, Norm, Stem
from .classifier import Classifier
from .initial import small_start
from .norms import LayerNorm

PATCH = Choice((1, 2, 4, 8, 12, 16, 32))
"""Sides of patches in pixels."""

WIDEN = IntRange(1, 4)
"""Channels of the large branch for one of the small branch."""

_STACKS = {12: ((4, 7, 3), (3, 3, 0), (1, 3, 1)), 16: ((4, 7, 3), (2, 3, 1), (2, 3, 1))}
"""Step, kernel and padding of the convolutions that replace a linear map of patches."""


def branches(large: int, widen: int) -> str:
    """Return the layout of two branches in one column.

    Args:
        large: Tokens of the large branch.
        widen: Rows of one of them.
    """
    return f"two branches in one column, the large one of {large} tokens of {widen} rows"


class BranchPatches(nn.Module):
    """Small patches of an image and large ones of the image resized, in one column.

    Class tokens come first in each branch, and each place has a learned vector.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset(
        {"small_position_NC", "small_token_1C", "large_position_ND", "large_token_1D"}
    )

    def __init__(
        self,
        tokens: tuple[int, int],
        widths: tuple[int, int],
        *,
        small: nn.Module,
        large: nn.Module,
        sides: tuple[int, int] | None,
    ) -> None:
        """Build the module.

        Args:
            tokens: Tokens of each branch, class tokens included.
            widths: Channels of the branches.
            small: Map from the image to small patches.
            large: Map from the resized image to large patches.
            sides: Sides of the resized image; None if it is not resized.
        """
        super().__init__()
        self.small_position_NC = nn.Parameter(torch.empty(tokens[0], widths[0]))
        self.small_token_1C = nn.Parameter(torch.empty(1, widths[0]))
        self.large_position_ND = nn.Parameter(torch.empty(tokens[1], widths[1]))
        self.large_token_1D = nn.Parameter(torch.empty(1, widths[1]))
        for each in self.parameters():
            nn.init.trunc_normal_(each, std=0.02)
        self.sides = sides
        self.small, self.large = small, large

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map an image (B, C, H, W) to a column (B, C, T, 1)."""
        small_BNC = self.small(x_BCHW).flatten(2).transpose(1, 2)
        if self.sides is not None:
            x_BCHW = F.interpolate(x_BCHW, self.sides, mode="bicubic")
        large_BND = self.large(x_BCHW).flatten(2).transpose(1, 2)
        small_BNC = self._placed(small_BNC, self.small_token_1C, self.small_position_NC)
        large_BND = self._placed(large_BND, self.large_token_1D, self.large_position_ND)
        rows_BrC = large_BND.unflatten(2, (-1, small_BNC.shape[2])).flatten(1, 2)
        return torch.cat((small_BNC, rows_BrC), 1).transpose(1, 2)[..., None].contiguous()

    @staticmethod
    def _placed(patches_BNC: Tensor, token_1C: Tensor, position_NC: Tensor) -> Tensor:
        """Return patches behind a class token, with positions."""
        token_B1C = token_1C.to(patches_BNC.dtype).expand(patches_BNC.shape[0], -1, -1)
        return torch.cat((token_B1C, patches_BNC), 1) + position_NC


def _patches(channels: int, width: int, side: int, stack: bool) -> nn.Module:
    """Return the map from an image to patches: linear, or three convolutions with ReLU."""
    if not stack:
        return nn.Conv2d(channels, width, side, side)
    layers: list[nn.Module] = []
    for (step, kernel, padding), out in zip(
        _STACKS[side], (width // 4, width // 2, width), strict=True
    ):
        layers += [nn.Conv2d(channels, out, kernel, step, padding), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True, kw_only=True)
class BranchStem(Stem):
    """Small patches of the image, and large ones of the image resized, for CrossViT's two branches.

    Chen et al., CrossViT, 2021, arXiv:2103.14899, section 3. All tokens are in one column, each
    branch behind its class token; a token of the large branch is ``widen`` rows. The blocks are
    ``cross_branches``, the head ``cross_tokens``.
    """

    name = "cross_patches"
    one_size = True
    by_name = True

    small_patch: Annotated[int, PATCH] = 2
    """Side of a small patch in pixels."""
    large_patch: Annotated[int, PATCH] = 4
    """Side of a large patch in pixels."""
    scale: Annotated[float, Positive()] = 1.0
    """Side of the image for the large patches, for one pixel of the image; resized bicubically."""
    widen: Annotated[int, WIDEN] = 2
    """Channels of the large branch for one of the small branch, 1 to 4."""
    stack: Annotated[bool, YES_NO] = False
    """Whether three convolutions make the patches, as in the networks named dagger; only for
    patches of 12 and 16 pixels."""

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the sides of the image for the large patches."""
        return scaled(height, self.scale), scaled(width, self.scale)

    def tokens(self, height: int, width: int) -> tuple[int, int]:
        """Return the numbers of tokens of both branches; 0 if an image is smaller than a patch."""
        pairs = ((height, width), self.small_patch), (self.sides(height, width), self.large_patch)
        patches = [(sides[0] // side) * (sides[1] // side) for sides, side in pairs]
        return (patches[0] and patches[0] + 1), (patches[1] and patches[1] + 1)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Both images must hold a patch; a stack of convolutions needs whole patches."""
        image, other = shape[1:], self.sides(*shape[1:])
        for patch, sides in ((self.small_patch, image), (self.large_patch, other)):
            if self.stack and patch not in _STACKS:
                return f"patches must be of 12 or 16 pixels with stack true, but got {patch}"
            if self.stack and any(side % patch for side in sides):
                return (
                    f"patches must fill the image with stack true, but got patches of {patch} "
                    f"pixels for {sides[0]}x{sides[1]}"
                )
        if self.stack and width is not None and width < 4:
            return f"the width must be at least 4 with stack true, but got {width}"
        if max(other) > 10 * max(image):
            return f"scale must be at most 10, but got {self.scale:g}"
        return super().why_invalid(shape, width)

    def arranged(self, given: str, shape: Shape) -> str | None:
        """Return that of two branches."""
        large = self.tokens(shape.height, shape.width)[1]
        return branches(large, self.widen) if given == GRID else None

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the number of rows, and one column."""
        small, large = self.tokens(height, width)
        return (small + self.widen * large if small and large else 0), 1

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        widths = width, self.widen * width
        sides = self.sides(*shape[1:])
        small, large = (
            _patches(shape.channels, out, side, self.stack)
            for out, side in zip(widths, (self.small_patch, self.large_patch), strict=True)
        )
        module = BranchPatches(
            self.tokens(*shape[1:]),
            widths,
            small=small,
            large=large,
            sides=sides if sides != shape[1:] else None,
        )
        return small_start(module)


class MeanOfBranchScores(nn.Module):
    """The mean of the scores of two branches, each with a linear map of its own."""

    def __init__(self, widths: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.widths = widths
        self.maps = nn.ModuleList(nn.Linear(width, classes) for width in widths)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Map the channels of both class tokens (B, F) to (B, K)."""
        small_BC, large_BD = x_BF.split(self.widths, 1)
        return (self.maps[0](small_BC) + self.maps[1](large_BD)) / 2


class BranchClassifier(Classifier):
    """The class tokens of both branches, a norm of each, then the classifier."""

    def __init__(self, norms: list[nn.Module], classifier: nn.Module, *, large: int, widen: int):
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.classifier = classifier
        self.last, self.widen = large * widen, widen

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the channels of both class tokens (B, F)."""
        x_BCT = x_BCHW.flatten(2)
        first = x_BCT.shape[2] - self.last
        large_BD = x_BCT[:, :, first : first + self.widen].transpose(1, 2).flatten(1)
        normed = [
            norm(each[..., None, None]).flatten(1)
            for norm, each in zip(self.norms, (x_BCT[:, :, 0], large_BD), strict=True)
        ]
        return torch.cat(normed, 1)


@dataclass(frozen=True, kw_only=True)
class BranchHead(Head):
    """A norm and a linear map of the class token of each of two branches; the mean of the scores.

    Chen et al., CrossViT, 2021, arXiv:2103.14899, section 3. The branches are in one column, where
    the stem ``cross_patches`` puts them.
    """

    name = "cross_tokens"
    by_name = True

    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the linear maps."""
    large: Annotated[int, Positive(whole=True)] = 2
    """Tokens of the large branch, the last ones, with its class token."""
    widen: Annotated[int, WIDEN] = 2
    """Channels of the large branch for one of the small branch, 1 to 4."""

    def arranged(self, given: str, shape: Shape) -> str | None:
        """There must be two branches of as many tokens and rows."""
        return given if given == branches(self.large, self.widen) else None

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """There must be a token of the small branch too."""
        if shape.tokens > self.large * self.widen:
            return None
        return (
            f"the map must have more than {self.large * self.widen} positions, those of the large "
            f"branch, but has {shape.tokens}"
        )

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        widths = shape.channels, self.widen * shape.channels
        norms = [self.norm.build(Shape(width, 1, 1)) for width in widths]
        classifier = MeanOfBranchScores(widths, classes)
        return small_start(BranchClassifier(norms, classifier, large=self.large, widen=self.widen))
