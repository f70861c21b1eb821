"""A study: the stored record of one search, with tables, plots and exports."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..candidate import Candidate
from .facts import study_facts
from .joinable import JoinableStudy
from .readings import count_of
from .run_time import RunTime
from .storage import storage_errors
from .studies import revisions_of, times_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from ..analysis.columns import Columns
    from ..export.proof import Proof


class Study(JoinableStudy):
    """The stored record of one search, for one thread at a time."""

    @property
    def _facts(self) -> list[tuple[str, str]]:
        return study_facts(self.candidates(), self.settings.objectives)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in self._facts
        )
        return f"<table><caption>study {escape(self.name)}</caption>{cells}</table>"

    def __rich__(self) -> str:
        lines = [f"study {self.name}", *(f"{name:<16} {value}" for name, value in self._facts)]
        return "\n".join(lines).replace("[", r"\[")

    def times(self) -> list[RunTime]:
        """Return the times of the study's runs, the earliest first."""
        with storage_errors(self.url), self._storage.engine.connect() as connection:
            return times_of(connection, (self._id,)).get(self._id, [])

    @property
    def study_id(self) -> int:
        """Optuna's id of the study."""
        return self._id

    def test_readings(self) -> int:
        """Return how often the test split has been read for this study."""
        with storage_errors(self.url):
            return count_of(self._storage, self._id)

    def revisions(self) -> int:
        """Return how many records of finished candidates have been replaced so far."""
        with storage_errors(self.url), self._storage.engine.connect() as connection:
            return revisions_of(connection, self._id)

    def columns(self) -> "Columns":
        """Return the columns of all candidates, without their networks."""
        from ..analysis.columns import ColumnBuilder

        builder = ColumnBuilder()
        builder.take(self.records(after=-1, networks=False))
        return builder.columns()

    def table(self) -> "pd.DataFrame":
        """Return all candidates as a table, one row each; see ``analysis.table.to_frame``."""
        from ..analysis.table import to_frame

        return to_frame(self.candidates())

    def front(self, *, intervals: bool = False) -> "pd.DataFrame":
        """Return the Pareto front over the objectives as a table, the best of the first objective
        on top.

        Args:
            intervals: Keep every candidate that may be on the front, see ``pareto_front``.
        """
        from ..analysis.table import front_frame

        return front_frame(self.candidates(), self.settings.objectives, intervals=intervals)

    def plot(self, x: str | None = None, y: str | None = None) -> "go.Figure":
        """Return a scatter plot of two metrics, with their Pareto front.

        Args:
            x: Metric on the horizontal axis; None: the second objective, or the parameters.
            y: Metric on the vertical axis; None: the first objective.

        Raises:
            InputError: If a metric is unknown; the message lists the known metrics.
        """
        from ...evaluators.metrics import metric
        from ..figures.plots import pareto

        first, second, *_ = *self.settings.objectives, "params"
        right, up = metric(x or second).name, metric(y or first).name
        return pareto(self.candidates(), right, up, title=f"Study {self.name}")

    def export(
        self,
        candidate: "Candidate | int | str",
        path: str | Path,
        *,
        untrained: bool = False,
        any_resolution: bool = False,
        batch: int | None = None,
        int8: bool = False,
        int8_keep_worst: int = 0,
        licence: str | None = None,
    ) -> "tuple[Proof, dict[str, str]]":
        """Write a candidate as a model file; return the proof, and a comparison with the record as
        text.

        The comparison covers accuracy, parameters and multiply-adds.

        Args:
            candidate: The candidate, its number, or a unique prefix of its digest.
            path: Path of the file; the ending decides the format: ``.safetensors``, ``.onnx``,
                ``.pt2``, ``.py``, or that of a runtime (``.xml``, ``.mnn``, ``.param``, ``.pte``,
                ``.tflite``).
            untrained: Whether to export new, untrained weights.
            any_resolution: Whether ``.onnx`` and ``.pt2`` take images of any size.
            batch: Images in one pass; None: any number, or 1 for a runtime's own format.
            int8: Whether the file, ``.onnx`` or ``.xml``, is quantised to int8, calibrated on the
                training split; ``Proof.int8`` states what that costs.
            int8_keep_worst: Number of parts that stay float in it: those that lose most.
            licence: Licence of the data, for the card.

        Raises:
            WorkError: If there are no trained weights, or the file does not reproduce the
                candidate.
            InputError: If the candidate does not exist, the file cannot be written, or the format
                cannot hold the network.
        """
        from ..export.from_record import export_candidate  # torch takes seconds to import
        from ..export.weights import WeightsFolder

        found = candidate if isinstance(candidate, Candidate) else self.find(str(candidate))
        return export_candidate(
            found,
            Path(path),
            study=self.name,
            settings=self.settings,
            folder=WeightsFolder(self.weights),
            untrained=untrained,
            any_resolution=any_resolution,
            batch=batch,
            int8=int8,
            int8_keep_worst=int8_keep_worst,
            licence=licence,
            test_readings=self.test_readings(),
        )
