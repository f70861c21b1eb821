"""The options of a full training, read and checked before heavy imports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...evaluators.accuracy.data.names import data_name
from ...evaluators.accuracy.option_table import check_teacher_files, checked_options
from ...evaluators.device_name import device_name
from ...evaluators.targets import read_target
from ...search_space.errors import InputError
from ..study.storage_url import DEFAULT_STORAGE, read_storage

_STARTS = ("scratch", "search")
"""Starts that name no source."""
TIMM = "timm:"
_NO_MODEL = {
    "rotation": "which tells rotations and no classes; linear_probe beside it adds a classifier",
    "random_features": "which trains nothing",
    "random_labels": "whose labels mean nothing",
}
"""Recipe options that end with no classifier to take home."""


@dataclass(frozen=True, kw_only=True)
class FinalOptions:
    """The options of ``nas finalize``.

    Raises:
        InputError: If a value is out of range, or a name unknown; files and studies are not read.
    """

    network: str
    """A candidate, the name of a published network, or a ``.json`` or ``.safetensors`` file."""
    data: str | None = None
    """The data set, as of a search; None: that of the study."""
    target: str | None = None
    """What images have as target, see ``read_target``; None: as the data are, or the study's."""
    epochs: int | None = None
    """Passes over the training images; None: sized by the data."""
    init: str = "scratch"
    """The weights at the start: ``scratch``; ``search``, those that the search kept; another
    candidate; a ``.safetensors`` file; ``timm:NAME`` or ``timm:NAME:FILE``."""
    seeds: int = 1
    """Number of trainings, each with its own seed."""
    seed: int = 0
    """Seed from which those of the trainings are derived."""
    resolution: int | None = None
    """Side of the images in pixels; None: the data's own, or the least that the network takes."""
    augmentation: str | None = None
    """How training images are changed at random: ``auto``, ``none`` (also without RandAugment),
    ``shift`` or ``shift+flip``; None: as in the study, else ``auto``, what suits the data."""
    class_weights: bool = False
    """Whether every class counts the same in the training loss."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Recipe options by name, checked."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    test: bool = True
    """Whether to read the test split at the end."""
    read_test_again: bool = False
    """Whether to read the test split although it has been read."""
    output: str | None = None
    """Folder of the results; None: one under ``runs/final`` named by the network and the run."""
    study: str | None = None
    """Name of the study; None: the latest, where the network is a candidate."""
    storage: str = DEFAULT_STORAGE
    """Storage of the studies and of the readings: a URL, or an SQLite file."""

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("seeds", 1), ("resolution", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, but got {value}")
        self._set(device=device_name(self.device), storage=read_storage(self.storage))
        if self.data is not None:
            self._set(data=data_name(self.data))
        if self.target is not None:
            self._set(target=read_target(self.target))
            if self.data is None:
                raise InputError(
                    f"target must come with --data, whose targets it tells, but got "
                    f"{self.target!r} alone: a study states its own"
                )
        self._set(recipe=checked_options(self.recipe))
        check_teacher_files(self.recipe)
        for name in self.recipe:
            if name in _NO_MODEL and not (name == "rotation" and "linear_probe" in self.recipe):
                raise InputError(
                    f"a full training must be of a classifier, but got {name}, {_NO_MODEL[name]}"
                )
        if self.read_test_again and not self.test:
            raise InputError("read_test_again must be without no_test, but got both")
        if self.init == TIMM or (self.init_names_candidate and not _is_candidate(self.init)):
            from ...search_space.zoo import in_zoo

            hint = f"; did you mean {TIMM}{self.init}?" if in_zoo(self.init) else ""
            raise InputError(
                f"init must be scratch, search, timm:NAME, a candidate or a .safetensors file, but "
                f"got {self.init!r}{hint}"
            )
        if not self.is_candidate and self.data is None and self.study is None:
            raise InputError(
                f"the network {self.network!r} must come with --data or --study, whose images it "
                "is trained on, but got neither"
            )
        if self.init == "search" and not self.is_candidate:
            raise InputError(
                f"init search must come with a candidate, whose weights the search kept, but got "
                f"{self.network!r}"
            )

    @property
    def is_file(self) -> bool:
        """Whether the network is a file."""
        return self.network.endswith((".json", ".safetensors"))

    @property
    def is_candidate(self) -> bool:
        """Whether the network is a candidate's number or the prefix of a digest."""
        return _is_candidate(self.network)

    @property
    def init_names_candidate(self) -> bool:
        """Whether the weights at the start are those of a candidate that ``init`` names."""
        return (
            self.init not in _STARTS
            and not self.init.startswith(TIMM)
            and not (self.init.endswith((".json", ".safetensors")))
        )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the way to set a field of a frozen value


def _is_candidate(name: str) -> bool:
    """Whether a name has the form of a candidate's number or of the prefix of a digest."""
    text = name.lower()  # no published network has such a name
    return text.isdecimal() or (bool(text) and all(e in "0123456789abcdef" for e in text))
