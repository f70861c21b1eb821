"""Sources of data sets, which read one split of a data set at a time."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....search_space.errors import InputError
from .image_files import ImageSource, StoredImage
from .images import LabelledImages


class Source(ABC):
    """The source of a data set."""

    @property
    @abstractmethod
    def has_test(self) -> bool:
        """Whether the data set has its own test split."""

    @property
    def test_count(self) -> int | None:
        """Number of images of its own test split; None if it is not known without reading."""
        return None

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files that are not read, with reasons, one sentence each."""
        return ()

    def name_of(self, file: ImageSource) -> str:
        """Return the name of a file of the data set for a message, in quotes."""
        return repr(file.name if isinstance(file, StoredImage) else str(file))

    @abstractmethod
    def train(self) -> LabelledImages:
        """Read the training images; without its own test split, these are all images."""

    def validation(self, train: LabelledImages) -> LabelledImages | None:
        """Read its own validation split, in the form of ``train``; return None without one."""
        return None

    @abstractmethod
    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Read its own test split, in the form of ``train``; return None without one."""


class Digits(Source):
    """1,797 greyscale images of handwritten digits, 8x8, that come with scikit-learn.

    Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI repository, 1998.
    """

    @property
    def has_test(self) -> bool:
        """Whether there is a test split: no."""
        return False

    def train(self) -> LabelledImages:
        """Return all images, with their 17 levels scaled to 0..255."""
        table = _digits_table()
        levels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
        return LabelledImages(
            images=torch.from_numpy(levels),
            labels=torch.from_numpy(table[:, -1].astype(np.int64)),
            classes=tuple("0123456789"),
        )

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Return None: there is no test split."""
        return None


def _digits_table() -> NDArray[np.float64]:
    """Return one row per image: 64 levels from 0 to 16, and the digit."""
    # Importing scikit-learn takes seconds; reading its file takes a few milliseconds.
    found = find_spec("sklearn")
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    file = folder / "datasets" / "data" / "digits.csv.gz"
    if file.exists():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    bundled: Any = load_digits()
    return np.column_stack([bundled.data, bundled.target])


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet(Source):
    """A data set that torchvision downloads and reads."""

    name: str
    """Name on the command line."""
    loader: str
    """Name of the class in ``torchvision.datasets``."""
    root: Path
    """Folder of the files."""
    files: str
    """The files that must be in ``root`` where they cannot be downloaded."""

    @property
    def has_test(self) -> bool:
        """Whether there is a test split: yes."""
        return True

    def train(self) -> LabelledImages:
        """Return the training images; download the data set if it is missing.

        Raises:
            InputError: If the data set is missing and cannot be downloaded.
        """
        return self._read(train=True)

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Return the test images."""
        return self._read(train=False)

    def _read(self, *, train: bool) -> LabelledImages:
        from torchvision import datasets

        try:
            found = getattr(datasets, self.loader)(self.root, train=train, download=True)
        except Exception as error:  # readers of a damaged file may raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{self.name} must be in '{self.root}' or be downloadable, but got: {reason}; "
                f"put {self.files} there by hand"
            ) from error
        images = torch.as_tensor(found.data)
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return LabelledImages(
            images=images.contiguous(),
            labels=torch.as_tensor(found.targets, dtype=torch.int64),
            classes=tuple(found.classes),
        )
