"""The training-free scores of one architecture."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..search_space.architecture.architecture import Architecture
from .accuracy.data.cache import image_cache
from .accuracy.data.dataset import DataSpec
from .base import CandidateError, Measurement, Setup, evaluators_for
from .device_name import choose_device
from .measure import read_architecture
from .scores import ALL, read_scores


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The scores of one untrained network, with the costs beside which they are to be read."""

    measurements: Mapping[str, Measurement]
    """The exact costs and the scores by name."""
    undefined: Mapping[str, str]
    """Reasons by name for scores that the network does not have."""


def measure_scores(
    architecture: Architecture | str,
    scores: str | Collection[str] = ALL,
    *,
    data: DataSpec | str | None = None,
    device: str = "auto",
    seed: int = 0,
) -> Scored:
    """Return training-free scores of a network, with its exact costs.

    Args:
        architecture: An architecture, or the name of a published network.
        scores: Names of scores, or ``all``.
        data: The data whose training images are read; None: Gaussian noise with random labels.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        seed: Seed of the initial weights and of the choice of images, at least 0.

    Raises:
        CandidateError: If the costs of the network cannot be counted.
        InputError: If a name is unknown, or the data do not fit the network.
    """
    found = read_architecture(architecture)
    if isinstance(data, str):
        data = DataSpec(name=data, resolution=found.input.height)
    measured: list[Measurement] = []
    undefined: dict[str, str] = {}
    for entry in evaluators_for(read_scores(scores)):
        (first, *_) = entry.metrics
        if not (entry.tier == "exact" or first.score):
            continue
        setup = Setup(
            device="cpu" if entry.tier == "exact" else choose_device(device),
            seed=seed,
            settings=entry.load().defaults,
            data={} if data is None else data.to_json(),
            cache=str(image_cache()),
        )
        try:
            measured += entry.load().make(setup).measure(found)
        except CandidateError as error:
            if not first.score:
                raise
            undefined |= {each.name: str(error) for each in entry.metrics}
    return Scored(measurements={each.metric: each for each in measured}, undefined=undefined)
