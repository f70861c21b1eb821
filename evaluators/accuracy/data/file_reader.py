"""Reading of labelled image files into one array, with a cache."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from ....search_space.errors import InputError
from ...targets import Target
from .cache import DecodedCache
from .copies import as_keys
from .decode import Header, decode, default_resolution, measure_levels, probe
from .image_files import ImageFile, ImageSource
from .image_rows import RESIDENT_BYTES, ImageRows
from .images import LabelledImages
from .levels import Levels
from .scan import few, shown

_LEAST = 2
"""Fewest images of a class: one for training, one for validation."""


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """Decodes image files to squares of one size."""

    resolution: int | None
    """Side of the scaled images in pixels; None: see ``default_resolution``."""
    megapixels: int
    """Largest image file in millions of pixels; larger files are left out."""
    cache: DecodedCache | None
    """Cache of decoded images."""

    def read(
        self,
        files: Sequence[ImageFile],
        classes: Sequence[str],
        like: LabelledImages | None,
        name: Callable[[ImageSource], str],
        target: Target = "classes",
    ) -> LabelledImages:
        """Return the images of all readable files, from the cache if possible.

        Args:
            files: The files.
            classes: Names of the classes, by label.
            like: Images whose size, channels and levels are taken; None: those that fit the files.
            name: Function from a file to its name among the unreadable ones.
            target: Kind of target.
        """
        found = replace(self._cached(files, classes, like, name), target=target)
        unread = {each for each, _ in found.unreadable}
        kept = tuple(each.path for each in files if name(each.path) not in unread)
        return replace(found, files=kept)

    def _cached(
        self,
        files: Sequence[ImageFile],
        classes: Sequence[str],
        like: LabelledImages | None,
        name: Callable[[ImageSource], str],
    ) -> LabelledImages:
        if self.cache is None:
            return self._decode(files, classes, like, name)
        options = (
            (self.resolution,) if like is None else (like.resolution, like.channels, like.levels)
        )
        path = self.cache.path(files, classes, self.megapixels, options)
        found = self.cache.read(path)
        if found is None:
            found = self._decode(files, classes, like, name)
            if self.cache.write(path, found) and isinstance(found.images, ImageRows):
                found = self.cache.read(path) or found
        return found

    def _decode(
        self,
        files: Sequence[ImageFile],
        classes: Sequence[str],
        like: LabelledImages | None,
        name: Callable[[ImageSource], str],
    ) -> LabelledImages:
        paths = [file.path for file in files]
        if like is None:
            resolution, channels, levels = self._form(paths)
        else:
            resolution, channels, levels = like.resolution, like.channels, like.levels
        shape = (len(files), channels, resolution, resolution)
        out = None
        if self.cache is not None and math.prod(shape) > RESIDENT_BYTES:
            out = self.cache.scratch(shape)
        decoded = decode(
            paths,
            resolution=resolution,
            channels=channels,
            levels=levels,
            megapixels=self.megapixels,
            out=out,
        )
        images, good = torch.from_numpy(decoded.images), torch.tensor(decoded.good)
        outcomes = list(zip(files, decoded.reasons, strict=True))
        return LabelledImages(
            images=images[good.long()] if out is None else ImageRows(images, good.long()),
            labels=_labels([f.label for f, why in outcomes if why is None]),
            classes=tuple(map(shown, classes)),
            unreadable=tuple((name(f.path), why) for f, why in outcomes if why is not None),
            levels=levels,
            shortened=decoded.shortened,
        )

    def _form(self, paths: Sequence[ImageSource]) -> tuple[int, int, Levels]:
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


def _labels(found: Sequence[int | tuple[float, ...]]) -> torch.Tensor:
    """Return classes, (N,), int64, or numbers, (N, K), float64."""
    if found and isinstance(found[0], tuple):
        return torch.tensor(found, dtype=torch.float64)
    return torch.tensor(found, dtype=torch.int64)


def check_counts(
    found: Iterable[tuple[object, object]], classes: Sequence[str], *, where: str, notes: str = ""
) -> None:
    """Check that every class has enough images.

    Args:
        found: Label and identity of each image.
        classes: Names of the classes, by label.
        where: Name of the place of the images in the error.
        notes: End of the error.

    Raises:
        InputError: If a class has too few different images; the message names the classes.
    """
    counts = Counter(label for label, _ in {*found})
    names = [name for label, name in enumerate(classes) if counts[label] < _LEAST]
    if names:
        raise InputError(
            f"every class must have at least {_LEAST} different readable images, but {where} has "
            f"fewer of {few(names)}{notes}"
        )


def check_images(images: LabelledImages, *, where: str, notes: str = "") -> None:
    """Check that every class has enough different readable images; see ``check_counts``.

    Raises:
        InputError: If a class has too few.
    """
    pictures = zip(images.labels.tolist(), as_keys(images.hashes), strict=True)
    unread = unreadable_note(images.unreadable)
    check_counts(pictures, images.classes, where=where, notes=unread + notes)


def unreadable_note(files: Sequence[tuple[str, str]]) -> str:
    """Return the end of an error that names the first of some unreadable files; empty for none."""
    if not files:
        return ""
    path, why = files[0]
    return f"; {len(files)} could not be read, the first '{path}': {why}"
