"""The targets of a data set in the form of Hugging Face's library ``datasets``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....search_space.errors import InputError, shown, unknown_name
from ...targets import Target, split_target
from .cells import Cell, all_binary, binary, labels_in, names_in, number
from .output_form import numbered
from .scan import few

LABEL = ("label", "labels")
"""Names of the column of targets where no feature is of type ``ClassLabel``; the first one that
is there counts, also beside lists of ``ClassLabel``."""


@dataclass(frozen=True, kw_only=True)
class HubTarget:
    """The target of one image."""

    label: str = ""
    """Name of the class; empty for another kind of target."""
    values: tuple[float, ...] = ()
    """Numbers, or labels as 0 and 1; empty for classes."""


class HubTargets:
    """Reads the targets of the splits, the training split first, which decides the names.

    A column of classes is a ``ClassLabel``, a whole number or a text. Numbers are columns of
    numbers, or one column of lists of them. Labels are columns of 0 and 1, or one column of lists
    of ``ClassLabel``, of texts, or of 0 and 1, or of texts divided by ``|``, ``;`` or ``,``.
    """

    def __init__(self, *, asked: str, where: str) -> None:
        """Set the target that is asked for (empty: as the column is), and the data set's name."""
        self._asked, self._columns = split_target(asked)
        self._where = where
        self.kind: Target = self._asked or "classes"
        """Kind of target."""
        self.names: tuple[str, ...] = ()
        """Names of the classes that training images have, if the data set states an order; names of
        the numbers or labels."""
        self.without_image: tuple[str, ...] = ()
        """Stated names that no training image has."""
        self._begun = False
        self._named = False

    def read(self, table: Any, image: str, split: str) -> list[HubTarget | None]:
        """Return the target of each image of a split; None where there is none.

        Raises:
            InputError: If a column is missing, or a target has another form.
        """
        columns = self._find(table, image)
        if self.kind == "classes":
            found = _class_names(table, columns[0])
            self._begin(_stated(table.features[columns[0]]), {each for each in found if each})
            return [HubTarget(label=each) if each else None for each in found]
        rows = _rows(table, columns)
        if not self._begun:
            one = self.kind == "labels" and len(columns) == 1
            feature = table.features[columns[0]]
            lists = _inner(feature) is not None and bool(_stated(feature))
            self._named = one and (lists or not _binary_rows(rows))
        where = [f"row {place} of split {split!r} of {self._where}" for place in range(len(rows))]
        if self._named:
            return self._read_names(table.features[columns[0]], rows, where)
        if not self._begun:
            self.names, self._begun = _output_names(table, columns, rows), True
        return [
            None if row is None else HubTarget(values=self._values(row, place))
            for row, place in zip(rows, where, strict=True)
        ]

    def _begin(self, stated: Sequence[str], known: set[str]) -> None:
        """Keep the names that training images have."""
        if not self._begun:
            self.names = tuple(name for name in stated if name in known)
            self.without_image = tuple(name for name in stated if name not in known)
            self._begun = True

    def _read_names(
        self, feature: Any, rows: Sequence[list[Any] | None], where: Sequence[str]
    ) -> list[HubTarget | None]:
        """Return targets of the names of labels."""
        stated = _stated(feature)
        found = [
            None if row is None else _label_names(row, feature, place)
            for row, place in zip(rows, where, strict=True)
        ]
        known = {name for each in found for name in each or ()}
        self._begin(stated or sorted(known), known)
        return [
            None if each is None else HubTarget(values=labels_in(each, self.names, place))
            for each, place in zip(found, where, strict=True)
        ]

    def _values(self, row: Sequence[Any], place: str) -> tuple[float, ...]:
        """Return the numbers of an image."""
        if len(row) != len(self.names):
            raise InputError(
                f"every image must have {len(self.names)} numbers, {few(self.names)}, but {place} "
                f"has {shown(row)}"
            )
        read = number if self.kind == "regression" else binary
        named = zip(row, self.names, strict=True)
        return tuple(read(Cell(text=str(each), column=name, where=place)) for each, name in named)

    def _find(self, table: Any, image: str) -> tuple[str, ...]:
        """Return the columns of the target, and set its kind."""
        free = [name for name in table.features if name != image]
        for name in self._columns:
            if name not in free:
                raise unknown_name(f"target column of {self._where}", name, free)
        if self._columns:
            return self._columns
        if self._asked in ("regression", "labels"):
            if not free:
                raise InputError(
                    f"a data set must have a column of targets, but {self._where} has none"
                )
            return tuple(free)
        found = _targets({name: table.features[name] for name in free})
        if len(found) != 1:
            raise InputError(
                f"a data set must have one feature of type ClassLabel, but {self._where} has "
                f"{few(found) or 'none'} among {few(list(table.features))}; --target "
                "classes:COLUMN, regression:COLUMN or labels:COLUMN names the column"
            )
        if self._asked is None and not self._begun:
            self.kind = _kind(table.features[found[0]])
        return (found[0],)


def _inner(feature: Any) -> Any:
    """Return the feature of the items of a list; None if it is no list."""
    return getattr(feature, "feature", None)


def _targets(features: Mapping[str, Any]) -> list[str]:
    """Return the columns that may hold the target: the first kind of which there are any."""
    single, label, listed, labels = (
        [name for name in features if type(features[name]).__name__ == "ClassLabel"],
        [name for name in features if name == LABEL[0]],
        [name for name in features if type(_inner(features[name])).__name__ == "ClassLabel"],
        [name for name in features if name == LABEL[1]],
    )
    return single or label or listed or labels


def _stated(feature: Any) -> tuple[str, ...]:
    """Return the names of a ``ClassLabel``, or of a list of them."""
    inner = _inner(feature)
    return tuple(getattr(feature if inner is None else inner, "names", None) or ())


def _kind(feature: Any) -> Target:
    """Return the kind of target of a column: numbers with a decimal point are of regression."""
    inner = _inner(feature)
    if "float" in str(getattr(feature if inner is None else inner, "dtype", "")):
        return "regression"
    return "classes" if inner is None else "labels"


def _class_names(table: Any, column: str) -> list[str]:
    """Return the name of the class of each image; empty for none: None, and -1 of a ``ClassLabel``.

    Raises:
        InputError: If it is neither a whole number nor a text.
    """
    names, found = _stated(table.features[column]), []
    for label in table[column]:
        if label is not None and not isinstance(label, int | str):
            raise InputError(f"a label must be a whole number or a text, but got {label!r}")
        if label is None:
            found.append("")
        elif not names or isinstance(label, str):
            found.append(str(label).strip())
        else:
            found.append(names[label] if 0 <= label < len(names) else "")
    return found


def _rows(table: Any, columns: Sequence[str]) -> list[list[Any] | None]:
    """Return the cells of each image, those of one list taken apart; None where one is missing."""
    if len(columns) == 1 and _inner(table.features[columns[0]]) is not None:
        rows = [None if each is None else list(each) for each in table[columns[0]]]
    else:
        rows = [list(each) for each in zip(*(table[name] for name in columns), strict=True)]
    return [None if row is None or None in row else row for row in rows]


def _binary_rows(rows: Sequence[list[Any] | None]) -> bool:
    """Whether all images have equally many cells, and each is 0 or 1."""
    there = [row for row in rows if row is not None]
    same = len({len(row) for row in there}) == 1
    return same and all_binary(str(each) for row in there for each in row)


def _output_names(
    table: Any, columns: Sequence[str], rows: Sequence[list[Any] | None]
) -> tuple[str, ...]:
    """Return the names of the numbers or labels."""
    if len(columns) == 1 and _inner(table.features[columns[0]]) is not None:
        count = next((len(row) for row in rows if row is not None), 0)
        return (columns[0],) if count == 1 else numbered(count)
    return tuple(columns)


def _label_names(row: Sequence[Any], feature: Any, place: str) -> list[str]:
    """Return the names of the labels of an image.

    Raises:
        InputError: If a label is neither a text nor one of a ``ClassLabel``.
    """
    stated = _stated(feature)
    if not all(isinstance(each, str) for each in row):
        good = all(isinstance(each, int) and 0 <= each < len(stated) for each in row)
        if not good:
            raise InputError(
                "labels must be columns of 0 and 1, or a column of lists of 0 and 1 of equal "
                f"length, of ClassLabel or of texts, but {place} has {shown(row)}"
            )
        return [stated[each] for each in row]
    return names_in(row[0]) if _inner(feature) is None else [each.strip() for each in row]
