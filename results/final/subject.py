"""The subject of a full training: a network for the images of a data set."""

from dataclasses import dataclass, replace
from pathlib import Path

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from ...evaluators.targets import stated_target
from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.shapes import Shape
from ...search_space.zoo import in_zoo, unknown_network, zoo_entry
from ..candidate import Candidate
from ..export.architecture_files import read_architecture
from ..export.record_checks import study_data
from ..study.readings import data_scope, study_scope
from ..study.study import Study
from .divisions import stated_division
from .options import FinalOptions

_SIDES = (8, 16, 32, 64, 96, 128, 160, 192, 224, 256, 384)
"""Sides of images that are tried for a network that does not take the data's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is trained."""

    label: str
    """Text for the user: ``candidate 7`` or a name."""
    architecture: Architecture
    """The network, for the images and classes of the data."""
    data: SearchData
    """Training and validation split."""
    study: Study | None
    """The study whose data these are; None for other data."""
    candidate: Candidate | None
    """The candidate of ``study`` or of another study; None for other networks."""
    candidate_study: Study | None
    """The study of the candidate."""
    notes: tuple[str, ...] = ()
    """Notes for the user, one line each."""

    @property
    def data_key(self) -> str:
        """Name of the data set with an absolute path."""
        return data_key(self.data.spec)

    @property
    def scope(self) -> str:
        """What a reading of the test split counts for."""
        if self.study is None:
            return data_scope(self.data_key)
        return study_scope(self.study.study_id)


def data_key(spec: DataSpec) -> str:
    """Return the name of a data set with an absolute path, whatever its resolution and split."""
    if not spec.path:
        return spec.name
    return f"{spec.kind}:{Path(spec.path).expanduser().resolve()}"


def find_subject(options: FinalOptions) -> Subject:
    """Return the network and the data that options name.

    Raises:
        InputError: If one of them does not exist or cannot be read, or the network does not take
            the images.
    """
    study = candidate = None
    if options.is_candidate or options.study is not None:
        study = Study.open(options.study, options.storage)
    if options.is_candidate:
        assert study is not None
        candidate = study.find(options.network)
        architecture, label = candidate.architecture, f"candidate {candidate.number}"
    else:
        architecture, label = _named(options.network)
    of_study = study is not None and _same_data(options, study)
    if study is not None and of_study:
        data, remark = study_data(study.settings)
        if data is None or remark:
            raise InputError(
                f"the images of study {study.name!r} must be those of its search: {remark}"
            )
        if options.resolution not in (None, data.resolution):
            raise InputError(
                f"resolution must be {data.resolution}, that of study {study.name!r}, but got "
                f"{options.resolution}; --data trains on the same images without the study"
            )
        fitted, notes = _fitted(architecture, data), ()
        if fitted is None:
            raise InputError(_refusal(label, data.resolution))
    else:
        divided = study
        if study is None and options.init_names_candidate:
            divided = Study.open(options.study, options.storage)
        spec = replace(_spec(options, divided), resolution=options.resolution)
        data, fitted, notes = _sized(spec, architecture, label)
    return Subject(
        label=label,
        architecture=fitted,
        data=data,
        study=study if of_study else None,
        candidate=candidate,
        candidate_study=study if candidate is not None else None,
        notes=notes,
    )


def _spec(options: FinalOptions, study: Study | None) -> DataSpec:
    """Return the option's data, divided as in the study if it has the same images, or as for the
    training of a file to begin with: else these weights would know images of the test split."""
    assert options.data is not None
    if study is not None:
        of_study = DataSpec.from_json(study.settings.data)
        if data_key(DataSpec(name=options.data)) == data_key(of_study):
            return replace(of_study, target=options.target or of_study.target)
    spec = DataSpec(name=options.data, target=options.target or "")
    return replace(spec, **stated_division(options.init))


def _named(name: str) -> tuple[Architecture, str]:
    if name.endswith((".json", ".safetensors")):
        return read_architecture(Path(name)), Path(name).stem
    if not in_zoo(name):
        raise unknown_network(
            "a network must be a candidate, a name of the zoo, or a .json or .safetensors file",
            name,
        )
    entry = zoo_entry(name)
    return entry.architecture, entry.name


def _same_data(options: FinalOptions, study: Study) -> bool:
    """Whether the images are those of the study."""
    if options.data is None:
        return True
    of_study = DataSpec.from_json(study.settings.data)
    return data_key(DataSpec(name=options.data)) == data_key(of_study) and (
        options.resolution in (None, of_study.resolution)
        and options.target in (None, of_study.target, stated_target(study.settings.data))
    )


def _fitted(architecture: Architecture, data: SearchData) -> Architecture | None:
    """Return the network for the images and classes of the data; None if it does not take them."""
    side = data.resolution
    shape = Shape(data.channels, side, side)
    if architecture.input == shape and architecture.classes == len(data.classes):
        return architecture
    try:
        return replace(architecture, input=shape, classes=len(data.classes))
    except InputError:
        return None


def _sized(
    spec: DataSpec, architecture: Architecture, label: str
) -> tuple[SearchData, Architecture, tuple[str, ...]]:
    """Return the data at the given resolution, else their own or the least that fits."""
    data = load_search_data(spec, cache=image_cache())
    fitted = _fitted(architecture, data)
    if fitted is not None:
        return data, fitted, ()
    own = data.resolution
    if spec.resolution is None:
        for side in (each for each in _SIDES if each > own):
            shape = Shape(data.channels, side, side)
            try:
                fitted = replace(architecture, input=shape, classes=len(data.classes))
            except InputError:
                continue
            data = load_search_data(replace(spec, resolution=side), cache=image_cache())
            note = (
                f"Images of {own} pixels are scaled to {side}, since {label} takes no smaller ones"
            )
            return data, fitted, (note,)
    raise InputError(_refusal(label, own))


def _refusal(label: str, side: int) -> str:
    return f"a network must take the images, but {label} takes no images of {side} pixels"
