"""The first candidates of a search: given networks, proposed before the searcher is asked."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...evaluators.base import metric
from ...evaluators.units import plural, write_bounds
from ...results.analysis.front import comparable, pareto_front
from ...results.candidate import Candidate
from ...results.export.architecture_files import read_architectures
from ...results.settings import StudySettings
from ...results.study.study import Study
from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.files import space_from_data
from ...search_space.space import SearchSpace
from ...search_space.zoo import ZOO, ZooEntry
from ..base import Proposal
from .options import SearchOptions

_NAMED = 5
"""Maximum number of networks that a line names."""
_REASONS = 10
"""Maximum number of reasons for which networks are named."""


@dataclass(frozen=True, kw_only=True)
class FirstCandidates:
    """The first candidates of a search, and what was left out."""

    stored: tuple[Mapping[str, Any], ...] = ()
    """The candidates in their order, as ``StudySettings.first`` holds them."""
    notes: tuple[str, ...] = ()
    """Lines for the user: which candidates come first, which networks were left out, and why."""


@dataclass(frozen=True, kw_only=True)
class _Given:
    """A given network, which may not be a candidate of the search."""

    name: str
    """Where the network comes from."""
    make: Callable[[], Architecture]
    """Function that makes the network, for images of any size and any number of classes."""
    published: bool = False
    """Whether it is a published network, most of which are outside of a space."""


def first_proposals(settings: StudySettings, space: SearchSpace) -> list[Proposal]:
    """Return the first candidates of a study from its record."""
    walks = (space.replay(each["decisions"]) for each in settings.first)
    return [Proposal(architecture=each.architecture, decisions=each.decisions) for each in walks]


def first_candidates(
    options: SearchOptions, space: SearchSpace, steered: SearchSpace
) -> FirstCandidates:
    """Return the networks that the options name, as far as they can be candidates.

    Those of files come first, then the front of another study, then published networks.

    Args:
        options: Options of the search.
        space: The space, bound to the data.
        steered: The same space with the constraints on exact metrics.

    Raises:
        InputError: If a file or study cannot be read, or no network can be a candidate.
    """
    if not options.names_first:
        return FirstCandidates()
    given = [*_of_files(options.architectures)]
    notes: list[str] = []
    if options.from_study is not None:
        front, note = _of_study(options, options.from_study, space)
        given += front
        notes.append(note)
    if options.seed_zoo:
        given += [_Given(name=e.name, make=partial(_made, e), published=True) for e in ZOO.values()]
    found = _Collection(space, steered)
    for each in given:
        found.add(each)
    return found.result(options.budget, notes)


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


class _LeftOutError(Exception):
    """A network cannot be a candidate."""

    def __init__(self, reason: str, detail: str, *, outside: bool = False) -> None:
        self.reason = reason
        self.detail = detail
        self.outside = outside
        """Whether it is outside of the space, constraints apart."""


class _Collection:
    """Collects the networks that can be candidates, and why others cannot."""

    def __init__(self, space: SearchSpace, steered: SearchSpace) -> None:
        self._space = space
        self._steered = steered
        self._stored: dict[str, Mapping[str, Any]] = {}
        self._left: defaultdict[str, list[str]] = defaultdict(list)
        self._outside = 0

    def add(self, given: _Given) -> None:
        """Add a network, or the reason why it cannot be a candidate."""
        try:
            decisions = self._decisions(given.make())
            digest = self._digest(decisions)
        except _LeftOutError as left:
            if given.published and left.outside:
                self._outside += 1
                return
            detail = f" ({left.detail})" if left.detail else ""
            self._left[left.reason].append(f"{given.name}{detail}")
            return
        except InputError as error:  # a component is unknown
            self._left[str(error)].append(given.name)
            return
        if digest in self._stored:
            self._left[f"the same network as {self._stored[digest]['name']}"].append(given.name)
            return
        self._stored[digest] = {"name": given.name, "digest": digest, "decisions": decisions}

    def _decisions(self, network: Architecture) -> dict[str, Any]:
        """Return the decisions that lead to a network for the images of the search."""
        space = self._space
        try:
            bound = replace(network, input=space.input, classes=space.classes)
        except InputError as error:
            reason = f"not possible on images of {space.input}"
            raise _LeftOutError(reason, str(error), outside=True) from None
        walk = space.find(bound)
        if walk is None:
            part = space.membership.first_unmatched(bound)
            raise _LeftOutError(f"not in space {space.name!r}", f"from {part} on", outside=True)
        return dict(walk.decisions)

    def _digest(self, decisions: Mapping[str, Any]) -> str:
        """Return the digest of a network of the space, if it keeps the constraints."""
        try:
            return self._steered.replay(decisions).architecture.digest
        except InputError as error:
            rule, _, value = str(error).partition(", but got ")
            raise _LeftOutError(write_bounds(rule), value) from None

    def result(self, budget: int | None, notes: Sequence[str]) -> FirstCandidates:
        """Return what was collected.

        Args:
            budget: Budget of the search.
            notes: Lines on the sources of the networks.

        Raises:
            InputError: If no network can be a candidate.
        """
        count = len(self._stored)
        lines = [f"{_some(names)}: {reason}" for reason, names in self._left.items()]
        if len(lines) > _REASONS:
            others = list(self._left.values())[_REASONS:]
            networks = plural(sum(map(len, others)), "network")
            lines[_REASONS:] = [f"{networks}: {len(others)} more reasons"]
        if self._outside:
            lines.append(
                f"{self._outside} of {len(ZOO)} published networks: not in space "
                f"{self._space.name!r}"
            )
        if not count:
            raise InputError(
                f"at least one first candidate must be left, but got none; {'; '.join(lines)}"
            )
        names = [each["name"] for each in self._stored.values()]
        shown = [*notes, f"First candidates: {count} ({_some(names)})"]
        shown += [f"Left out of the first candidates: {line}" for line in lines]
        if budget is not None and budget < count:
            shown.append(f"The budget of {budget} ends before all {count} first candidates")
        return FirstCandidates(stored=tuple(self._stored.values()), notes=tuple(shown))


def _made(entry: ZooEntry) -> Architecture:
    return entry.architecture


def _of_files(sources: Sequence[str | Architecture]) -> Iterator[_Given]:
    """Yield the networks of files, and those given as values."""
    for place, source in enumerate(sources):
        if isinstance(source, Architecture):
            yield _Given(name=f"architectures[{place}]", make=partial(_itself, source))
            continue
        found = read_architectures(Path(source))
        for number, each in enumerate(found, 1):
            name = source if len(found) == 1 else f"{source} number {number}"
            yield _Given(name=name, make=partial(_itself, each))


def _itself(architecture: Architecture) -> Architecture:
    return architecture


def _of_study(options: SearchOptions, name: str, space: SearchSpace) -> tuple[list[_Given], str]:
    """Return the front of a study, the best of the first objective first, and a line on it.

    Raises:
        InputError: If the study does not exist or has no front.
    """
    study = Study.open(name, options.storage)
    candidates, settings = study.candidates(), study.settings
    study.close()
    known = comparable(candidates, options.objectives)
    objectives = options.objectives if known else settings.objectives
    front = pareto_front(candidates, objectives)
    if not front:
        raise InputError(
            f"a study must have a complete candidate to start from, but {name!r} has none"
        )
    first = metric(objectives[0])
    front.sort(key=lambda each: first.sign * (each.value(first.name) or 0.0))
    own = _rebound(settings, space)
    note = f"Front of study {name} in {', '.join(objectives)}: {plural(len(front), 'candidate')}"
    return [
        _Given(name=f"{name} #{each.number}", make=partial(_of_candidate, each, own))
        for each in front
    ], note


def _rebound(settings: StudySettings, space: SearchSpace) -> SearchSpace | None:
    """Return the space of a study for the images of another, or None if it cannot take them."""
    try:
        return space_from_data(settings.space).bind(
            channels=space.input.channels,
            resolution=space.input.height,
            classes=space.classes,
        )
    except InputError:
        return None


def _of_candidate(candidate: Candidate, space: SearchSpace | None) -> Architecture:
    """Return the network of a candidate for other images.

    Its record holds the canonical form, where a kernel is no larger than the map. On larger images
    its decisions stand for the larger kernel.

    Args:
        candidate: The candidate.
        space: Its space for the other images; None: unknown.

    Raises:
        InputError: If a component of the network is unknown.
    """
    recorded = candidate.architecture
    if space is None or recorded.input == space.input:
        return recorded
    try:
        return space.replay(candidate.decisions).architecture
    except InputError:
        return recorded
