"""A data set in a folder of images: ``PATH/CLASS/*.jpg``, or with ``train``, ``val``, ``test``."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch

from ....search_space.errors import InputError
from .cache import DecodedCache
from .copies import as_keys
from .decode import Header, decode, default_resolution, measure_levels, probe
from .images import LabelledImages
from .layout import Classes, Layout, find_classes, find_layout, loose_files, same_classes
from .levels import Levels
from .scan import ImageFile, Scan, few, scan, shown
from .sources import Source

_LEAST = 2
"""Fewest images of a class: one for training, one for validation."""


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """Images of any size and mode, in one folder for each class."""

    root: Path
    """Path of the folder."""
    resolution: int | None
    """Side of the scaled images in pixels; None: see ``default_resolution``."""
    megapixels: int
    """Largest image file in millions of pixels; larger files are left out."""
    cache: DecodedCache | None
    """Cache of decoded images."""
    _scans: dict[Path, Scan] = field(
        default_factory=dict[Path, Scan], init=False, repr=False, compare=False
    )

    @cached_property
    def layout(self) -> Layout:
        """The folders of the splits."""
        return find_layout(self.root)

    @property
    def has_test(self) -> bool:
        """Whether there is a test folder."""
        return self.layout.test is not None

    @cached_property
    def classes(self) -> Classes:
        """The classes of the train folder, which the other splits must hold too."""
        return find_classes(self.layout.train)

    @property
    def test_count(self) -> int | None:
        """Image files in the test folder; None is opened."""
        return None if self.layout.test is None else len(self._scan(self.layout.test).files)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files that are not read, with reasons, one sentence each."""
        parts = (self.layout.train, self.layout.validation, self.layout.test)
        found = (*self.layout.left_out, *self.classes.left_out)
        for part in parts:
            if part is not None:
                found += (*loose_files(part, self.root), *self._scan(part).left_out(self.root))
        return found

    def name_of(self, file: Path) -> str:
        """Return the path of a file relative to the folder, in quotes."""
        return repr(shown(file.relative_to(self.root)))

    def train(self) -> LabelledImages:
        """Return the images of the train folder, in colour unless all are greyscale.

        Raises:
            InputError: If a folder cannot be read, the splits hold different classes, or a class
                has fewer than 2 different readable images.
        """
        for other in (self.layout.validation, self.layout.test):
            if other is not None:
                same_classes(other, self.classes.names)
        files = self._scan(self.layout.train).files
        self._check_counts([(file.label, index) for index, file in enumerate(files)], ())
        train = self._read(self.layout.train, None)
        pictures = as_keys(train.hashes)
        self._check_counts(zip(train.labels.tolist(), pictures, strict=True), train.unreadable)
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
        part = self._read(folder, train)
        if not len(part):
            raise InputError(
                f"'{shown(folder)}' must hold a readable image, but got none"
                + _unreadable(part.unreadable)
            )
        return part

    def _scan(self, folder: Path) -> Scan:
        if folder not in self._scans:
            self._scans[folder] = scan(folder, self.classes.names)
        return self._scans[folder]

    def _read(self, folder: Path, like: LabelledImages | None) -> LabelledImages:
        """Return the images with their files, from the cache if possible.

        Size, channels and levels are those of ``like``.
        """
        files = self._scan(folder).files
        found = self._cached(folder, files, like)
        unread = {name for name, _ in found.unreadable}
        part = "" if folder == self.root else f"{shown(folder.relative_to(self.root))}/"
        return replace(
            found,
            files=tuple(f.path for f in files if shown(f.path.relative_to(folder)) not in unread),
            unreadable=tuple((f"{part}{name}", why) for name, why in found.unreadable),
        )

    def _cached(
        self, folder: Path, files: Sequence[ImageFile], like: LabelledImages | None
    ) -> LabelledImages:
        if self.cache is None:
            return self._decode(folder, files, like)
        options = (
            (self.resolution,) if like is None else (like.resolution, like.channels, like.levels)
        )
        path = self.cache.path(files, self.classes.names, self.megapixels, options)
        found = self.cache.read(path)
        if found is None:
            found = self._decode(folder, files, like)
            self.cache.write(path, found)
        return found

    def _decode(
        self, folder: Path, files: Sequence[ImageFile], like: LabelledImages | None
    ) -> LabelledImages:
        paths = [file.path for file in files]
        if like is None:
            resolution, channels, levels = self._form(paths)
        else:
            resolution, channels, levels = like.resolution, like.channels, like.levels
        decoded = decode(
            paths,
            resolution=resolution,
            channels=channels,
            levels=levels,
            megapixels=self.megapixels,
        )
        outcomes = list(zip(files, decoded.reasons, strict=True))
        return LabelledImages(
            images=torch.from_numpy(decoded.images),
            labels=torch.tensor([f.label for f, why in outcomes if why is None], dtype=torch.int64),
            classes=tuple(shown(name) for name in self.classes.names),
            unreadable=tuple(
                (shown(f.path.relative_to(folder)), why) for f, why in outcomes if why is not None
            ),
            levels=levels,
            shortened=decoded.shortened,
        )

    def _form(self, paths: Sequence[Path]) -> tuple[int, int, Levels]:
        """Return resolution, channels and levels for the training images."""
        known = [
            (p, h)
            for p, h in zip(paths, probe(paths, megapixels=self.megapixels), strict=True)
            if isinstance(h, Header)
        ]
        headers = [header for _, header in known]
        resolution = self.resolution or (default_resolution(headers) if headers else 8)
        channels = 1 if all(header.grey for header in headers) else 3
        deep = [p for p, h in known if h.samples is not None and h.samples.white is None]
        return resolution, channels, measure_levels(deep, megapixels=self.megapixels)

    def _check_counts(
        self, found: Iterable[tuple[int, object]], unreadable: Sequence[tuple[str, str]]
    ) -> None:
        """Check that every class has enough images, given the label and identity of each."""
        counts = Counter(label for label, _ in {*found})
        names = [name for label, name in enumerate(self.classes.names) if counts[label] < _LEAST]
        if names:
            others = self._scan(self.layout.train).left_out(self.root)
            raise InputError(
                f"every class must have at least {_LEAST} different readable images, but "
                f"'{shown(self.layout.train)}' has fewer of {few(names)}"
                + _unreadable(unreadable)
                + "".join(f"; {each}" for each in others)
            )


def _unreadable(files: Sequence[tuple[str, str]]) -> str:
    if not files:
        return ""
    path, why = files[0]
    return f"; {len(files)} could not be read, the first '{path}': {why}"
