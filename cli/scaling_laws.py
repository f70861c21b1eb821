"""The laws and the picture of ``nas scale``: the score of trained networks against their cost."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .shared import print_rows, shown, sigterm_interrupts, study_option
from .tables import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..results.analysis.scaling import Family
    from ..results.analysis.scaling_laws import LawFit, Point
    from ..results.candidate import Candidate
    from ..results.study.study import Study
    from ..search_space.architecture.architecture import Architecture

_IMAGES = "images"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of the trained networks of a study."""

    fit: bool
    """Whether laws are fitted."""
    by: str
    """Name of the cost."""
    shares: "tuple[float, ...] | None"
    """Shares of the training images on which the candidate is trained; None: none."""
    plot: Path | None
    """The HTML file of the picture."""

    @property
    def anything(self) -> bool:
        """Whether anything is asked."""
        return self.fit or self.plot is not None or self.shares is not None


@dataclass(frozen=True, kw_only=True)
class Laws:
    """The fitted laws of the families of one network."""

    study: str
    """Name of the study."""
    score: str
    """The score."""
    by: str
    """The cost."""
    fits: "Mapping[str, LawFit]"
    """Laws by the name of their family."""
    reasons: "Mapping[str, str]"
    """Why families have none."""
    of_images: "Sequence[Point]"
    """The errors by the number of training images."""
    image_fits: "Mapping[str, LawFit]"
    """Their laws, by the name of the law."""
    plot: Path | None
    """The file of the picture."""

    def print(self) -> None:
        """Print the laws, and whether they predict what was left out."""
        from ..results.analysis.scaling import score_of

        for name, reason in self.reasons.items():
            print(f"Note: {name}: {reason}")
        for name, fit in self.fits.items():
            self._print_fit(f"Rule {name}", self.by, fit)
        if self.of_images:
            rows = [
                [f"{each.size:,.0f}", shown(self.score, score_of(self.score, each.error))]
                for each in self.of_images
            ]
            print_rows([Column(title="training images"), Column(title=self.score)], rows)
        for fit in self.image_fits.values():
            self._print_fit("Training images", _IMAGES, fit)
        if self.plot is not None:
            print(f"Wrote {self.plot}")

    def _print_fit(self, title: str, size: str, fit: "LawFit") -> None:
        from ..evaluators.units import plural
        from ..results.analysis.scaling import score_of

        print(f"{title}, {plural(len(fit.points), 'size')}: {fit.text(size)}")
        middle = score_of(self.score, fit.predicted.value)
        ends = sorted(
            score_of(self.score, each) for each in (fit.predicted.low, fit.predicted.high)
        )
        predicted, low, high = (shown(self.score, each) for each in (middle, *ends))
        measured = shown(self.score, score_of(self.score, fit.held_out.error))
        largest = f"{size} {fit.held_out.size:.3g}"
        if size != _IMAGES:
            largest = f"candidate {fit.held_out.number}, {size} {shown(size, fit.held_out.size)}"
        print(
            f"  left out: {largest}: predicted {self.score} {predicted} [{low}, {high}], "
            f"measured {measured}: {'inside' if fit.inside else 'outside'}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the laws as JSON values."""
        return {
            "score": self.score,
            "cost": self.by,
            "rules": {name: each.to_json() for name, each in self.fits.items()},
            "reasons": dict(self.reasons),
            "images": [{"images": each.size, "error": each.error} for each in self.of_images],
            "images_laws": {name: each.to_json() for name, each in self.image_fits.items()},
        }


def read_cost(name: str) -> str:
    """Return the name of an exact cost or a latency.

    Raises:
        InputError: If it is another metric.
    """
    from ..evaluators.base import metric
    from ..evaluators.runtime_table import is_latency
    from ..evaluators.units import read_metric
    from ..search_space.errors import InputError

    found = read_metric(name)
    if metric(found).tier != "exact" and not is_latency(found):
        raise InputError(f"--by must be an exact cost or a latency, but got {name!r}")
    return found


def find_laws(
    record: "Study", network: "Architecture", asked: Asked, workers: int | None
) -> Laws | None:
    """Return the laws of a network's families, and write their picture; None: nothing is asked.

    Raises:
        InputError: If no family has enough sizes, or the file cannot be written.
    """
    if not asked.anything:
        return None
    from ..results.analysis.main_metric import main_metric
    from ..results.analysis.scaling import families
    from ..results.analysis.scaling_laws import fit_law
    from ..search_space.errors import InputError

    score, seed = main_metric(record.candidates()).short, record.settings.seed
    of_images = _of_images(record, network, asked.shares, workers) if asked.shares else []
    found = [
        each
        for each in families(record.candidates(), asked.by, score)
        if each.parent == network.digest
    ]
    fits: dict[str, LawFit] = {}
    reasons: dict[str, str] = {}
    image_fits: dict[str, LawFit] = {}
    if asked.fit:
        for each in found:
            try:
                fits[each.name] = fit_law(each.points(asked.by, score), seed=seed)
            except InputError as error:
                reasons[each.name] = str(error)
        if of_images:
            try:
                for law in ("log", "power"):
                    image_fits[law] = fit_law(of_images, law=law, seed=seed)
            except InputError as error:
                reasons[_IMAGES] = str(error)
        if not fits and not image_fits:
            raise InputError(_too_few(record, reasons))
    if asked.plot is not None:
        _draw(found, fits, asked.by, score, asked.plot)
    return Laws(
        study=record.name,
        score=score,
        by=asked.by,
        fits=fits,
        reasons=reasons,
        of_images=of_images,
        image_fits=image_fits,
        plot=asked.plot,
    )


def _too_few(record: "Study", reasons: "Mapping[str, str]") -> str:
    each = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    how = f"nas scale --to macs=... --train {study_option(record.name)} adds sizes"
    return f"{each or 'no trained network was made from this one'} ({how})"


def _of_images(
    record: "Study", network: "Architecture", shares: "Sequence[float]", workers: int | None
) -> "list[Point]":
    """Train a candidate on parts of the images; return its errors."""
    from ..results.analysis.scaling import error_of, spread_of
    from ..results.analysis.scaling_laws import Point
    from ..search_space.errors import InputError
    from ..searchers.run.image_shares import train_on_shares
    from ..searchers.run.ledger import Ledger
    from .refine import say_seed

    number = next((e.number for e in record.candidates() if e.digest == network.digest), None)
    if number is None:
        raise InputError("--images must come with a candidate of the study")

    def say(candidate: "Candidate", reason: str | None) -> None:
        if reason is not None:
            say_seed(candidate, reason)
        else:
            print(f"#{candidate.number} trained", file=sys.stderr, flush=True)

    with sigterm_interrupts():
        found = train_on_shares(record, number, shares, Ledger(), say, workers=workers)
    return [
        Point(
            number=number,
            size=each.images,
            error=error_of(each.measured),
            spread=spread_of(each.measured),
        )
        for each in found
        if error_of(each.measured) > 0
    ]


def _draw(
    found: "Sequence[Family]", fits: "Mapping[str, LawFit]", by: str, score: str, file: Path
) -> None:
    """Write the picture of the families as an HTML page."""
    from ..results.analysis.table import write_atomically
    from ..results.figures.scaling import scaling_figure
    from ..search_space.errors import InputError

    if file.suffix != ".html":
        raise InputError(f"--plot must end in .html, but got {str(file)!r}")
    if not found:
        raise InputError("--plot must have networks that nas scale made and trained, but got none")
    write_atomically(file, scaling_figure(found, fits, by, score).to_html(include_plotlyjs=True))
