"""The weights that a full training begins with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.data.preparation import Preparation
from ...evaluators.accuracy.inherit import Source
from ...evaluators.accuracy.option_table import NETWORK, OPTIONS
from ...search_space.errors import InputError
from ..candidate import Candidate
from ..export.header import read_facts, read_header
from ..export.record_checks import trained_weights
from ..export.weights import WeightsFolder, checksum, read_weights
from ..study.study import Study
from .options import TIMM, FinalOptions
from .subject import Subject


def find_source(options: FinalOptions, subject: Subject) -> Source | None:
    """Return the network to inherit from; None: the training starts from scratch.

    Raises:
        InputError: If the weights do not exist or cannot be read.
        WorkError: If the search kept no weights of the candidate.
    """
    init = options.init
    if init == "scratch":
        return None
    if init == "search":
        assert subject.candidate is not None and subject.candidate_study is not None
        return _of_candidate(subject.candidate, subject.candidate_study, "the search")
    if options.init_names_candidate:
        study = subject.candidate_study or subject.study
        study = study or Study.open(options.study, options.storage)
        found = study.find(init)
        return _of_candidate(found, study, f"candidate {found.number}")
    return named_source(init)


def named_source(init: str) -> Source:
    """Return the network of ``timm:NAME``, ``timm:NAME:FILE`` or a ``.safetensors`` file of ours.

    Raises:
        InputError: If its weights do not exist or cannot be read.
    """
    if init.startswith(TIMM):
        from .timm_weights import timm_source

        name, _, file = init.removeprefix(TIMM).partition(":")
        return timm_source(name, Path(file) if file else None)
    return file_source(Path(init))


_SUM = 8
"""Digits of the checksum in the name of the weights."""


def described(source: Source) -> str:
    """Return the text for weights in a recipe: name and checksum."""
    return f"{source.name} ({checksum(source.weights, {})[:_SUM]})"


def with_teacher(options: Mapping[str, Any]) -> tuple[dict[str, Any], Source | None]:
    """Return recipe options in which name and checksum stand for the teacher, and the teacher.

    Args:
        options: Options with the teacher as the user named it.

    Raises:
        InputError: If its weights do not exist or cannot be read.
    """
    found, teacher = dict(options), None
    for name, value in options.items():
        if OPTIONS[name].value is NETWORK:
            teacher = named_source(value)
            found[name] = described(teacher)
    return found, teacher


def _of_candidate(candidate: Candidate, study: Study, name: str) -> Source:
    weights, training = trained_weights(WeightsFolder(study.weights), candidate)
    return Source(
        name=name,
        architecture=candidate.architecture,
        weights=weights,
        classes=_classes(training),
    )


def file_source(path: Path, name: str | None = None) -> Source:
    """Return the network of a ``.safetensors`` file of ours, under another name if one is given.

    Raises:
        InputError: If the file does not exist or cannot be read.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"a file of weights must end in .safetensors, but got {str(path)!r}")
    weights, header = read_weights(path)
    return Source(
        name=name or path.name,
        architecture=read_header(header),
        weights=weights,
        classes=_classes(read_facts(header)),
    )


def _classes(facts: Any) -> tuple[str, ...] | None:
    found = Preparation.of(json.loads(json.dumps(facts)))
    return None if found is None else found.classes
