"""A data set in a folder of images: ``PATH/CLASS/*.jpg``, or with ``train``, ``val``, ``test``."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ....search_space.errors import InputError
from .file_reader import FileReader, check_counts, check_images, unreadable_note
from .image_files import ImageSource
from .images import LabelledImages
from .layout import Classes, Layout, find_classes, find_layout, loose_files, same_classes
from .scan import Scan, scan, shown
from .sources import Source


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """Images of any size and mode, in one folder for each class."""

    root: Path
    """Path of the folder."""
    reader: FileReader
    """Reader of the image files."""
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

    def name_of(self, file: ImageSource) -> str:
        """Return the path of a file relative to the folder, in quotes."""
        assert isinstance(file, Path)
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
        found = self._scan(self.layout.train)
        where = f"'{shown(self.layout.train)}'"
        notes = "".join(f"; {each}" for each in found.left_out(self.root))
        labels = [(file.label, index) for index, file in enumerate(found.files)]
        check_counts(labels, self.classes.names, where=where, notes=notes)
        train = self._read(self.layout.train, None)
        check_images(train, where=where, notes=notes)
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
                + unreadable_note(part.unreadable)
            )
        return part

    def _scan(self, folder: Path) -> Scan:
        if folder not in self._scans:
            self._scans[folder] = scan(folder, self.classes.names)
        return self._scans[folder]

    def _read(self, folder: Path, like: LabelledImages | None) -> LabelledImages:
        """Return the images with their files.

        Size, channels and levels are those of ``like``.
        """
        files, classes = self._scan(folder).files, self.classes.names

        def name(file: ImageSource) -> str:
            assert isinstance(file, Path)
            return shown(file.relative_to(folder))

        found = self.reader.read(files, classes, like, name)
        part = "" if folder == self.root else f"{shown(folder.relative_to(self.root))}/"
        return replace(
            found, unreadable=tuple((f"{part}{name}", why) for name, why in found.unreadable)
        )
