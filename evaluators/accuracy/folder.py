"""A data set in a folder of images: ``PATH/CLASS/*.jpg``, or with ``train``, ``val``, ``test``."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ...search_space.errors import InputError
from .cache import DecodedCache
from .decode import Header, decode, default_resolution, measure_levels, probe
from .images import LabelledImages
from .layout import (
    ImageFile,
    Layout,
    few,
    find_classes,
    find_images,
    find_layout,
    same_classes,
    shown,
)
from .levels import Levels
from .sources import Source

_LEAST = 2
"""Images of a class: one to train on, one to validate with."""


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """Images of any size and mode, in one folder for each class."""

    root: Path
    """The folder."""
    resolution: int | None
    """Side to which images are scaled; none: see ``default_resolution``."""
    cache: DecodedCache | None
    """Where decoded images are kept."""

    @cached_property
    def layout(self) -> Layout:
        """Where the parts lie."""
        return find_layout(self.root)

    @property
    def has_test(self) -> bool:
        """Whether there is a test folder."""
        return self.layout.test is not None

    def train(self) -> LabelledImages:
        """Return the images of the train folder: colour, unless all of them are greyscale.

        Raises:
            InputError: If a folder cannot be read, the parts hold different classes, or a class
                has fewer than 2 readable images.
        """
        folder = self.layout.train
        classes = find_classes(folder)
        for other in (self.layout.validation, self.layout.test):
            if other is not None:
                same_classes(other, classes)
        files = find_images(folder, classes)
        _check_counts(folder, classes, [file.label for file in files], ())
        train = self._read(folder, classes, files, None)
        _check_counts(folder, classes, train.labels.tolist(), train.unreadable)
        return train

    def validation(self, train: LabelledImages) -> LabelledImages | None:
        """Return the images of the validation folder, if there is one."""
        return self._part(self.layout.validation, train)

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Return the images of the test folder, if there is one."""
        return self._part(self.layout.test, train)

    def _part(self, folder: Path | None, train: LabelledImages) -> LabelledImages | None:
        if folder is None:
            return None
        part = self._read(folder, train.classes, find_images(folder, train.classes), train)
        if not len(part):
            raise InputError(
                f"'{shown(folder)}' must hold a readable image, but got none"
                + _unreadable(part.unreadable)
            )
        return part

    def _read(
        self,
        folder: Path,
        classes: tuple[str, ...],
        files: Sequence[ImageFile],
        like: LabelledImages | None,
    ) -> LabelledImages:
        """Return the images, from the cache if it has them; size and channels as in ``like``."""
        if self.cache is None:
            return self._decode(folder, classes, files, like)
        options = (
            (self.resolution,) if like is None else (like.resolution, like.channels, like.levels)
        )
        path = self.cache.path(files, classes, options)
        found = self.cache.read(path)
        if found is None:
            found = self._decode(folder, classes, files, like)
            self.cache.write(path, found)
        return found

    def _decode(
        self,
        folder: Path,
        classes: tuple[str, ...],
        files: Sequence[ImageFile],
        like: LabelledImages | None,
    ) -> LabelledImages:
        paths = [file.path for file in files]
        if like is None:
            resolution, channels, levels = self._form(paths)
        else:
            resolution, channels, levels = like.resolution, like.channels, like.levels
        decoded = decode(paths, resolution=resolution, channels=channels, levels=levels)
        outcomes = list(zip(files, decoded.reasons, strict=True))
        return LabelledImages(
            images=torch.from_numpy(decoded.images),
            labels=torch.tensor([f.label for f, why in outcomes if why is None], dtype=torch.int64),
            classes=tuple(shown(name) for name in classes),
            unreadable=tuple(
                (shown(f.path.relative_to(folder)), why) for f, why in outcomes if why is not None
            ),
            levels=levels,
        )

    def _form(self, paths: Sequence[Path]) -> tuple[int, int, Levels]:
        """Return resolution, channels and levels that suit the training images."""
        known = [(p, h) for p, h in zip(paths, probe(paths), strict=True) if isinstance(h, Header)]
        headers = [header for _, header in known]
        resolution = self.resolution or (default_resolution(headers) if headers else 8)
        channels = 1 if all(header.grey for header in headers) else 3
        deep = [p for p, h in known if h.samples is not None and h.samples.white is None]
        return resolution, channels, measure_levels(deep)


def _check_counts(
    folder: Path,
    classes: Sequence[str],
    labels: Sequence[int],
    unreadable: Sequence[tuple[str, str]],
) -> None:
    """Check that every class has enough images."""
    counts = [0] * len(classes)
    for label in labels:
        counts[label] += 1
    lacking = [name for name, count in zip(classes, counts, strict=True) if count < _LEAST]
    if lacking:
        raise InputError(
            f"every class must have at least {_LEAST} readable images, but '{shown(folder)}' has "
            f"fewer of {few(lacking)}{_unreadable(unreadable)}"
        )


def _unreadable(files: Sequence[tuple[str, str]]) -> str:
    if not files:
        return ""
    path, why = files[0]
    return f"; {len(files)} could not be read, the first '{path}': {why}"
