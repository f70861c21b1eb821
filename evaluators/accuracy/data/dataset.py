"""Data sets by name, and the splits that a search may use, never the test split."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ....search_space.errors import InputError
from ....search_space.seeds import derive_seed
from ...targets import Target
from ..augment import Augmentation
from ..recipe import Recipe
from .arrays import ArrayFile
from .cache import DecodedCache
from .constant_score import constant_score
from .csv_file import CsvFile
from .division import cut, divide, without_copies
from .file_reader import FileReader
from .folder import ImageFolder
from .hub_folder import HubFolder
from .image_files import ImageSource
from .image_rows import Images
from .images import INTERPOLATION, LabelledImages
from .levels import Levels, Range
from .listed import ListedImages
from .names import DATA_NAMES, WITH_PATH
from .permit import ReadingPermit, check_permit
from .preparation import Preparation
from .shards import TarShards
from .sources import Digits, Source, TorchvisionSet
from .spec import DataSpec as DataSpec


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One entry of the table of data sets."""

    summary: str
    """One-line summary of the content."""
    open: Callable[[DataSpec, DecodedCache | None], Source]
    """Function that returns the source of the data, without reading anything."""
    mirrored: bool | None
    """Whether a mirrored image keeps its class; None: only for colour images."""
    recipe: Callable[[int], Recipe]
    """Function from the number of training images to the default recipe."""


def _short(count: int) -> Recipe:
    """Return a recipe for any data set: about 30,000 images seen, in 1 to 50 epochs.

    Batches shrink with the data set, down to 16, so that small data sets still have several steps.
    """
    batch = 64
    while batch > 16 and count < 16 * batch:
        batch //= 2
    return Recipe(epochs=min(50, max(1, round(30_000 / count))), batch_size=batch, lr=4e-3)


def _torchvision(
    name: str, loader: str, files: str
) -> Callable[[DataSpec, DecodedCache | None], Source]:
    return lambda spec, cache: TorchvisionSet(
        name=name, loader=loader, root=Path(spec.root), files=files
    )


def _reader(spec: DataSpec, cache: DecodedCache | None) -> FileReader:
    return FileReader(resolution=spec.resolution, megapixels=spec.max_megapixels, cache=cache)


def _listed(kind: type[ListedImages]) -> Callable[[DataSpec, DecodedCache | None], Source]:
    return lambda spec, cache: kind(
        path=Path(os.path.expanduser(spec.path)),  # noqa: PTH111 (fails on unknown users)
        reader=_reader(spec, cache),
        target=spec.target,
    )


_CIFAR = "from https://www.cs.toronto.edu/~kriz/cifar.html"

DATA_SETS: Mapping[str, DataSet] = {
    "digits": DataSet(
        summary="handwritten digits, 1,797 grey images of 8x8, 10 classes; included",
        open=lambda spec, cache: Digits(),
        mirrored=False,
        recipe=lambda count: Recipe(epochs=3, batch_size=64, lr=8e-3),
    ),
    "cifar10": DataSet(
        summary="objects and animals, 60,000 colour images of 32x32, 10 classes; 170 MB",
        open=_torchvision("cifar10", "CIFAR10", f"cifar-10-python.tar.gz {_CIFAR}"),
        mirrored=True,
        recipe=_short,
    ),
    "cifar100": DataSet(
        summary="objects and animals, 60,000 colour images of 32x32, 100 classes; 169 MB",
        open=_torchvision("cifar100", "CIFAR100", f"cifar-100-python.tar.gz {_CIFAR}"),
        mirrored=True,
        recipe=_short,
    ),
    "fashion-mnist": DataSet(
        summary="clothes, 70,000 grey images of 28x28, 10 classes; 31 MB",
        open=_torchvision(
            "fashion-mnist",
            "FashionMNIST",
            "FashionMNIST/raw/*-ubyte.gz (4 files from "
            "https://github.com/zalandoresearch/fashion-mnist)",
        ),
        mirrored=True,
        recipe=_short,
    ),
    "folder": DataSet(
        summary="your own: PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg with test and val beside it",
        open=lambda spec, cache: ImageFolder(
            root=Path(os.path.expanduser(spec.path)),  # noqa: PTH111 (fails on unknown users)
            reader=_reader(spec, cache),
        ),
        mirrored=None,
        recipe=_short,
    ),
    "csv": DataSet(
        summary="your own: a CSV file with columns image (path), label and, if you like, split",
        open=_listed(CsvFile),
        mirrored=None,
        recipe=_short,
    ),
    "shards": DataSet(
        summary="your own: tar archives in the form of WebDataset, KEY.jpg beside KEY.cls",
        open=_listed(TarShards),
        mirrored=None,
        recipe=_short,
    ),
    "hf": DataSet(
        summary="your own: a local data set of Hugging Face (extra 'hf')",
        open=_listed(HubFolder),
        mirrored=None,
        recipe=_short,
    ),
    "arrays": DataSet(
        summary="your own: a .npz file of images (N, H, W) or (N, H, W, C), uint8, and labels (N,)",
        open=lambda spec, cache: ArrayFile(
            path=Path(os.path.expanduser(spec.path)),  # noqa: PTH111 (fails on unknown users)
            target=spec.target,
        ),
        mirrored=None,
        recipe=_short,
    ),
}
"""The data sets by name; those in ``WITH_PATH`` are followed by a path: ``folder:PATH``."""

_WITH_TARGETS = ("csv", "arrays", "shards", "hf")
"""Kinds of data that may have targets other than classes."""

assert set(DATA_SETS) == {*DATA_NAMES, *WITH_PATH}


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchData:
    """The data of a search: a training and a validation split."""

    spec: DataSpec
    """Specification of the data."""
    train_images: Images
    """``(N, C, R, R)``, uint8."""
    train_labels: Tensor
    """Classes ``(N,)``, int64; numbers, or labels as 0 and 1, ``(N, K)``, float64."""
    validation_images: Images
    """``(M, C, R, R)``, uint8."""
    validation_labels: Tensor
    """Those of the validation split, in the same form."""
    classes: tuple[str, ...]
    """Names of the classes, by label; of the numbers or labels, by column: a network has one output
    for each."""
    mean: tuple[float, ...]
    """Mean of each channel over the training split, 0 to 255."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training split, at least 1, in the same unit."""
    fingerprint: str
    """Hash of both splits: pixels, labels, class names."""
    unreadable: tuple[tuple[str, str], ...]
    """Files left out because they could not be read: path and reason."""
    levels: Levels = field(default_factory=dict[str, Range])
    """Values scaled to black and to white in files of more than 8 bits."""
    shortened: int = 0
    """Number of colour files with more than 8 bits per channel, of which 8 are read."""
    own_validation: bool = False
    """Whether the validation split is the data set's own, not taken from the training images."""
    own_test: bool = False
    """Whether the test split is the data set's own, not taken from the training images."""
    test_count: int | None = None
    """Number of images of the test split, none of which is opened; None: not known."""
    left_out: tuple[str, ...] = ()
    """Unused files and images with reasons, one sentence each."""
    copies: tuple[str, ...] = ()
    """Notes on images with the same pixels, one sentence each."""
    target: Target = "classes"
    """Kind of target."""
    validation_files: tuple[ImageSource, ...] = ()
    """File of each validation image; empty if images have no files of their own."""

    @property
    def channels(self) -> int:
        """1 for greyscale images, 3 for colour."""
        return self.train_images.shape[1]

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.train_images.shape[2]

    @property
    def preparation(self) -> Preparation:
        """Preparation of the images, which new images need too."""
        return Preparation(
            side=self.resolution,
            interpolation=INTERPOLATION,
            mean=self.mean,
            std=self.std,
            levels=self.levels,
            megapixels=self.spec.max_megapixels,
            classes=self.classes,
            target=self.target,
        )

    @property
    def baseline(self) -> float:
        """Main score of predicting the same for every image; see ``constant_score``."""
        return constant_score(self.target, self.train_labels, self.validation_labels)

    @property
    def augmentation(self) -> Augmentation:
        """Augmentation for the data: flips only where a mirrored image keeps its class, and none
        for numbers, which a moved or mirrored image may not keep."""
        if self.target == "regression":
            return "none"
        mirrored = DATA_SETS[self.spec.kind].mirrored
        return "shift+flip" if (self.channels == 3 if mirrored is None else mirrored) else "shift"

    @property
    def recipe(self) -> Recipe:
        """The default recipe for this data."""
        found = DATA_SETS[self.spec.kind].recipe(len(self.train_labels))
        return replace(found, label_smoothing=0.0) if self.target == "regression" else found

    def to(self, device: torch.device) -> "SearchData":
        """Return the data with its tensors on ``device``."""
        return replace(
            self,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            validation_images=self.validation_images.to(device),
            validation_labels=self.validation_labels.to(device),
        )


def load_search_data(spec: DataSpec, *, cache: Path | None = None) -> SearchData:
    """Read a data set's training and validation split.

    Files of a test split are not opened, unless one file holds the whole data set. If the data set
    has no test split, one is split off first and dropped.

    Args:
        spec: The data.
        cache: Folder of the cache of decoded images of a ``folder:``.

    Raises:
        InputError: If the data cannot be read or used.
    """
    return load_parts(spec, cache=cache, sized=_sized)


def load_parts(
    spec: DataSpec,
    *,
    cache: Path | None,
    sized: Callable[[LabelledImages, DataSpec], LabelledImages],
) -> SearchData:
    """Return the data of ``load_search_data``, with images resized by ``sized``."""
    source = _open(spec, cache)
    parts = divide(source, name=spec.name, seed=spec.seed)
    train, validation, own = parts.train, parts.validation, parts.validation is not None
    if validation is None:
        seed = derive_seed("validation split", spec.seed)
        train, validation = cut(train, share=spec.validation, keep=1, seed=seed)
    if not (len(train.labels) and len(validation.labels)):
        raise InputError(
            f"{spec.name} must leave images for training and for validation, but leaves "
            f"{len(train.labels)} and {len(validation.labels)}"
        )
    train, validation = sized(train, spec), sized(validation, spec)
    mean, std = train.statistics()
    given = "" if spec.target == "classes" else spec.target
    stated = given or ("" if train.target == "classes" else train.target)
    return SearchData(
        spec=replace(spec, target=stated),
        train_images=train.images,
        train_labels=train.labels,
        validation_images=validation.images,
        validation_labels=validation.labels,
        classes=train.classes,
        mean=mean,
        std=std,
        fingerprint=f"{train.digest()}{validation.digest()}",
        unreadable=tuple(dict.fromkeys((*train.unreadable, *validation.unreadable))),
        levels=train.levels,
        shortened=train.shortened + (validation.shortened if own else 0),
        own_validation=own,
        own_test=source.has_test,
        test_count=source.test_count if parts.test is None else len(parts.test),
        left_out=(*source.left_out, *parts.left_out),
        copies=parts.copies,
        target=train.target,
        validation_files=validation.files,
    )


def load_test_split(
    spec: DataSpec, *, permit: ReadingPermit, cache: Path | None = None
) -> LabelledImages:
    """Read a data set's test split, once after a search, never during it.

    Copies of images of the training or validation split are left out; ``left_out`` says how many.

    Args:
        spec: The data, as given to ``load_search_data``.
        permit: The permit of a counted reading.
        cache: As given to ``load_search_data``.

    Raises:
        PermissionError: If there is no permit.
        InputError: If the data cannot be read or used, or no test images remain that are not
        copies of others.
    """
    check_permit(permit)
    source = _open(spec, cache)
    parts = divide(source, name=spec.name, seed=spec.seed)
    test = parts.test
    if test is None and (whole := source.test(parts.train)) is not None:
        test = without_copies(whole, parts, name=spec.name)
    if test is None or not len(test):
        raise InputError(
            f"a test split is cut only from classes of at least 3 images, but {spec.name!r} "
            "has none"
        )
    return _sized(test, spec)


def _open(spec: DataSpec, cache: Path | None) -> Source:
    if spec.target not in ("", "classes") and spec.kind not in _WITH_TARGETS:
        raise InputError(
            f"a target other than classes must come with data of {', '.join(_WITH_TARGETS)}, but "
            f"got {spec.target!r} with {spec.name!r}"
        )
    kept = None if cache is None else DecodedCache(folder=cache)
    return DATA_SETS[spec.kind].open(spec, kept)


def _sized(data: LabelledImages, spec: DataSpec) -> LabelledImages:
    return data if spec.resolution is None else data.resized(spec.resolution)
