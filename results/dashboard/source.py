"""The source of the dashboard: the studies of one storage, followed as they grow."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ...search_space.errors import InputError
from ..analysis.columns import ColumnBuilder
from ..candidate import Candidate
from ..figures.snapshot import Snapshot
from ..study.storage import open_storage
from ..study.studies import studies_of
from ..study.study import Study
from .references import Reference, read_timm, zoo_references


class _Followed:
    """A study that is followed."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.builder = ColumnBuilder()
        self.snapshot: Snapshot | None = None

    def read(self) -> Snapshot:
        """Read new records; return the same snapshot where there are none."""
        running = sorted(self.builder.running)
        after = self.builder.last
        found = self.study.records(running, after=after, networks=False)
        records = list(found) if self.snapshot else None
        if records is None:  # all of them: not kept in memory at once
            self.builder.take(found)
        elif changed := [
            each for each in records if each["number"] > after or each["status"] != "running"
        ]:
            self.builder.take(changed)
        else:
            assert self.snapshot is not None
            return self.snapshot
        self.snapshot = Snapshot(
            name=self.study.name,
            settings=self.study.settings,
            columns=self.builder.columns(),
            version=1 + (self.snapshot.version if self.snapshot else 0),
        )
        return self.snapshot


class Source:
    """The studies of one storage. For any number of threads."""

    def __init__(
        self,
        url: str,
        *,
        study: str | None = None,
        timm_results: Sequence[Path] = (),
        weights: Callable[[str, Candidate], Path] | None = None,
    ) -> None:
        """Open a storage.

        Args:
            url: URL of the storage.
            study: The one that is shown where an address names none; None: that searched last.
            timm_results: Tables of published results.
            weights: Returns the file in which a study's search kept the weights of a candidate,
                where it did; None: nobody knows.

        Raises:
            StorageError: If there is no such storage.
            InputError: If it holds no study, or a table of published results cannot be read.
        """
        self._url = url
        self._first = study
        self._lock = threading.Lock()
        self._followed: dict[str, _Followed] = {}
        self._published = read_timm(timm_results)
        self._weights = weights
        self._storage = open_storage(url, create=False)  # to open it takes longer than to look
        self._studies = list(studies_of(self._storage, url))
        if not self._studies:
            raise InputError("storage must hold a study, but got one with none")

    @property
    def studies(self) -> Sequence[str]:
        """Names of the studies: the one that was asked for, then those searched last."""
        return sorted(self._studies, key=lambda name: name != self._first)

    @property
    def has_published(self) -> bool:
        """Whether tables of published results were given."""
        return bool(self._published)

    def look_again(self) -> None:
        """Look for studies that were not there before."""
        with self._lock:
            found = list(studies_of(self._storage, self._url))
            self._studies = found or self._studies
            for gone in self._followed.keys() - set(found):
                del self._followed[gone]  # one of its name may be another study

    def snapshot(self, name: str, *, fresh: bool = False) -> Snapshot:
        """Return a study as it was when last read.

        Args:
            name: One of ``studies``.
            fresh: Read what is new first.
        """
        with self._lock:
            followed = self._follow(name)
            return followed.snapshot if followed.snapshot and not fresh else followed.read()

    def versions(self) -> dict[str, int]:
        """Return how often each study that has been read had changed."""
        with self._lock:
            found = {name: each.snapshot for name, each in self._followed.items()}
            return {name: each.version for name, each in found.items() if each}

    def _follow(self, name: str) -> _Followed:
        if name not in self._followed:
            self._followed[name] = _Followed(Study.open(name, self._url))
        return self._followed[name]

    def candidates(self, name: str, numbers: Sequence[int]) -> dict[int, Candidate]:
        """Return the candidates of these numbers, of those that there are."""
        with self._lock:
            found = map(Candidate.from_json, self._follow(name).study.records(numbers))
            return {each.number: each for each in found}

    def lacks_weights(self, name: str, candidate: Candidate) -> bool:
        """Whether it is known that no weights of a candidate were kept."""
        return self._weights is not None and not self._weights(name, candidate).is_file()

    def references(self, extras: Sequence[str]) -> list[Reference]:
        """Return the published networks asked for: ``zoo``, ``timm`` or both."""
        zoo = zoo_references() if "zoo" in extras else []
        return [*zoo, *(self._published if "timm" in extras else [])]
