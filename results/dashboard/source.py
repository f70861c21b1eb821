"""The dashboard's source of studies: those of one storage, followed as they grow."""

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
        self.revisions = 0

    def read(self) -> Snapshot:
        """Read new records, or all if some were replaced; return the same snapshot if none is."""
        revisions = self.study.revisions()
        version = 1 + (self.snapshot.version if self.snapshot else 0)
        if revisions != self.revisions:
            self.builder, self.snapshot, self.revisions = ColumnBuilder(), None, revisions
        running = sorted(self.builder.running)
        after = self.builder.last
        found = self.study.records(running, after=after, networks=False)
        records = list(found) if self.snapshot else None
        if records is None:  # all records: read in pieces, to save memory
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
            version=version,
        )
        return self.snapshot


class Source:
    """The studies of one storage; safe for several threads."""

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
            study: The study shown if an address names none; None: the one searched last.
            timm_results: Tables of published results.
            weights: Function from a study's name and a candidate to the file of its kept weights,
                or None; None: not known.

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
        self._storage = open_storage(url, create=False)  # opening takes longer than checking
        self._studies = list(studies_of(self._storage, url))
        if not self._studies:
            raise InputError("storage must hold a study, but got one with none")

    @property
    def studies(self) -> Sequence[str]:
        """Names of the studies: the requested one, then the others, the last searched first."""
        return sorted(self._studies, key=lambda name: name != self._first)

    @property
    def has_published(self) -> bool:
        """Whether tables of published results were given."""
        return bool(self._published)

    def look_again(self) -> None:
        """Look for new studies."""
        with self._lock:
            found = list(studies_of(self._storage, self._url))
            self._studies = found or self._studies
            for gone in self._followed.keys() - set(found):
                del self._followed[gone]  # a study of the same name may be another one

    def snapshot(self, name: str, *, fresh: bool = False) -> Snapshot:
        """Return the latest snapshot of a study.

        Args:
            name: One of ``studies``.
            fresh: Whether to read new records first.
        """
        with self._lock:
            followed = self._follow(name)
            return followed.snapshot if followed.snapshot and not fresh else followed.read()

    def _follow(self, name: str) -> _Followed:
        if name not in self._followed:
            self._followed[name] = _Followed(Study.open(name, self._url))
        return self._followed[name]

    def candidates(self, name: str, numbers: Sequence[int]) -> dict[int, Candidate]:
        """Return the existing candidates among these numbers."""
        with self._lock:
            found = map(Candidate.from_json, self._follow(name).study.records(numbers))
            return {each.number: each for each in found}

    def lacks_weights(self, name: str, candidate: Candidate) -> bool:
        """Whether the weights of a candidate are known to be missing."""
        return self._weights is not None and not self._weights(name, candidate).is_file()

    def references(self, extras: Sequence[str]) -> list[Reference]:
        """Return the requested published networks: ``zoo``, ``timm`` or both."""
        zoo = zoo_references() if "zoo" in extras else []
        return [*zoo, *(self._published if "timm" in extras else [])]
