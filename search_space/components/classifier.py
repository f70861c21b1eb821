"""The base of the modules of heads.

Shape suffixes: B batch, C channels, H rows, W columns, F features, K classes.
"""

from abc import abstractmethod

from torch import Tensor, nn


class Classifier(nn.Module):
    """A module from a map to features of the whole image, and from these to scores."""

    classifier: nn.Module
    """The module that maps features (B, F) to scores (B, K)."""

    @abstractmethod
    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to features (B, F)."""

    def unpooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the features of every position (B, F, H, W)."""
        for name, each in self.named_children():
            if name != "classifier":
                x_BCHW = each(x_BCHW)
        return x_BCHW

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, K)."""
        return self.classifier(self.pooled(x_BCHW))
