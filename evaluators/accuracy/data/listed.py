"""Data sets that list their image files, each with its class and its split."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ....search_space.errors import InputError
from ...targets import Target
from .file_reader import FileReader, check_counts, check_images, unreadable_note
from .image_files import ImageFile, ImageSource, StoredImage
from .images import LabelledImages
from .layout import PARTS
from .scan import few, shown
from .sources import Source
from .target_checks import check_targets


@dataclass(frozen=True, kw_only=True)
class ListedImage:
    """One image of a list."""

    source: ImageSource
    """Place of the image file."""
    label: str = ""
    """Name of the class; empty for another kind of target."""
    values: tuple[float, ...] = ()
    """Numbers, or labels as 0 and 1; empty for classes."""
    size: int
    """Size in bytes; see ``ImageFile``."""
    changed: tuple[int, int]
    """Times of the last change; see ``ImageFile``."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of each split."""

    images: Mapping[str, Sequence[ListedImage]]
    """Images by split: ``train``, ``validation`` and ``test``; a split may be missing."""
    left_out: tuple[str, ...] = ()
    """What is not read, with reasons, one sentence each."""
    classes: tuple[str, ...] = ()
    """Names of the classes in their order; empty: the sorted labels of the training images. Names
    of the numbers or labels in their order."""
    target: Target = "classes"
    """Kind of target."""


@dataclass(frozen=True, kw_only=True)
class ListedImages(Source):
    """Images of any size and mode from a list.

    The classes are those of the list, else the sorted labels of the training images, as numbers if
    all are whole numbers.
    """

    path: Path
    """Path of the list, or of the folder that holds it."""
    reader: FileReader
    """Reader of the image files."""
    target: str = ""
    """Kind of target, with the names of columns (see ``read_target``); empty: as the list is."""

    @abstractmethod
    def make_listing(self) -> Listing:
        """Return the list, without reading an image."""

    @cached_property
    def listing(self) -> Listing:
        """The list, which is made once."""
        return self.make_listing()

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return bool(self._images("test"))

    @property
    def test_count(self) -> int | None:
        """Number of listed images of the test split; None without one."""
        return len(self._images("test")) or None

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not read, with reasons, one sentence each."""
        return self.listing.left_out

    def name_of(self, file: ImageSource) -> str:
        """Return the name of an image file, in quotes."""
        return repr(self._name(file))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        if self.listing.classes:
            return self.listing.classes
        labels = {each.label for each in self._images("train")}
        whole = all(each.removeprefix("-").isdecimal() for each in labels)
        if whole:  # 1 and 001 are two labels, whose order must not depend on the process
            return tuple(sorted(labels, key=lambda each: (int(each), each)))
        return tuple(sorted(labels))

    def train(self) -> LabelledImages:
        """Return the training images, in colour unless all are greyscale.

        Raises:
            InputError: If the list cannot be read, the labels of the splits differ, a class has
                fewer than 2 different readable images, or other targets do not vary.
        """
        where = f"the training split of '{shown(self.path)}'"
        if self.listing.target != "classes":
            return self._train_outputs(where)
        if len(self.classes) < 2:
            raise InputError(
                f"{where} must hold at least 2 classes, but holds {few(self.classes) or 'none'}"
            )
        for part in PARTS:
            if extra := sorted({each.label for each in self._images(part)} - {*self.classes}):
                raise InputError(
                    f"the labels of the {part} split must be among those of training, but "
                    f"'{shown(self.path)}' has {few(extra)} only in the {part} split"
                )
        labels = [(file.label, index) for index, file in enumerate(self._files("train"))]
        check_counts(labels, self.classes, where=where)
        train = self._read("train", None)
        assert train is not None, "the counts are checked"
        check_images(train, where=where)
        return train

    def _train_outputs(self, where: str) -> LabelledImages:
        """Return the training images with numbers or labels."""
        files = self._files("train")
        train = self.reader.read(files, self.classes, None, self._name, self.listing.target)
        notes = unreadable_note(train.unreadable)
        check_targets(
            train.target, train.labels, train.classes, train.hashes, where=where, notes=notes
        )
        return train

    def validation(self, train: LabelledImages) -> LabelledImages | None:
        """Return the images of the validation split, if there is one."""
        return self._read("validation", train)

    def test(self, train: LabelledImages) -> LabelledImages | None:
        """Return the images of the test split, if there is one."""
        return self._read("test", train)

    def _images(self, part: str) -> Sequence[ListedImage]:
        return self.listing.images.get(part, ())

    def _files(self, part: str) -> list[ImageFile]:
        places = {name: place for place, name in enumerate(self.classes)}
        return [
            ImageFile(
                path=each.source,
                label=each.values or places[each.label],
                size=each.size,
                changed=each.changed,
            )
            for each in self._images(part)
        ]

    def _read(self, part: str, like: LabelledImages | None) -> LabelledImages | None:
        files = self._files(part)
        if not files:
            return None
        found = self.reader.read(files, self.classes, like, self._name, self.listing.target)
        if like is not None and not len(found):
            name, why = found.unreadable[0]
            raise InputError(
                f"the {part} split of '{shown(self.path)}' must hold a readable image, but got "
                f"none; the first '{name}': {why}"
            )
        return found

    def _name(self, file: ImageSource) -> str:
        if isinstance(file, StoredImage):
            return shown(file.name)
        folder = self.path if self.path.is_dir() else self.path.parent
        return shown(file.relative_to(folder) if file.is_relative_to(folder) else file)
