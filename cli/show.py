"""``nas front`` and ``nas show``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..evaluators.targets import OUTPUTS, stated_target
from .beside import print_baselines
from .efficiency import print_efficiency
from .fronts import compared, epoch_text, score_notes, sorted_front
from .origin import origin_lines, origin_text
from .parts import print_parts
from .shared import (
    Column,
    Json,
    Plugins,
    Storage,
    StudyName,
    print_json,
    print_rows,
    shown,
    storage_url,
    study_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.candidate import Candidate
    from ..results.settings import StudySettings
    from ..results.study.study import Study

CandidateName = Annotated[
    str,
    typer.Argument(
        metavar="CANDIDATE", help="Number of the candidate, or a unique prefix of its digest."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("front")(front)
    app.command("show")(show)


def open_study(study: str | None, storage: str | None) -> "Study":
    """Open the study named by the options, and load its plug-ins."""
    from ..results.study.study import Study

    found = Study.open(study, storage_url(storage))
    load_plugins_of(found.settings)
    return found


def load_plugins_of(settings: "StudySettings") -> None:
    """Load the plug-ins of a study.

    A missing plug-in is not fatal: the record describes its metrics.
    """
    from ..search_space.plugins import load_present

    for line in load_present(settings.plugins):
        print(f"nas: {line}; only the recorded values are shown", file=sys.stderr)


def print_front(
    study: "Study",
    top: int | None = None,
    sort: str | None = None,
    *,
    intervals: bool = False,
    corrected: bool = False,
) -> "list[Candidate]":
    """Print the front as a table; return all its candidates.

    Args:
        study: The record.
        top: Maximum number of printed candidates; None: all.
        sort: The metric to sort by, the best first; None: the first objective.
        intervals: Whether to keep every candidate that is not dominated beyond the intervals.
        corrected: Whether to use the long scores, measured or predicted.
    """
    from ..evaluators.metrics import metric
    from ..results.analysis.conditions import notes
    from ..results.analysis.corrected import correction_notes, marked
    from ..results.analysis.means import mean_notes
    from ..results.analysis.ties import tie_notes
    from ..search_space.architecture.outline import SEPARATOR, outlines

    members = sorted_front(study, sort, intervals=intervals, corrected=corrected)
    if not members:
        print("No candidate is complete and feasible yet, so there is no front.")
        return members
    shown_ones = members[:top]
    objectives, _ = compared(study, corrected=corrected)
    names = list(dict.fromkeys((*objectives, "params", "macs", "latency")))
    names = [name for name in names if any(each.value(name) is not None for each in members)]
    summaries = outlines([each.architecture_json for each in members])
    rows = [
        [
            str(each.number),
            *(marked(each.measurements.get(name)) for name in names),
            line,
        ]
        for each, line in zip(shown_ones, summaries, strict=False)
    ]
    # A narrow table keeps the objectives, and drops other metrics.
    metrics = [
        Column(title=name, drop=0 if name in objectives else 2 + index)
        for index, name in enumerate(names)
    ]
    print_rows(
        [Column(title="#"), *metrics, Column(title="architecture", cut=True, tail=SEPARATOR)],
        rows,
    )
    if len(shown_ones) < len(members):
        print(f"The first {len(shown_ones)} of {len(members)} candidates on the front.")
    print_baselines(study, members, objectives, names)
    corrections = correction_notes(study.candidates(), members) if corrected else []
    ties = [] if intervals else tie_notes(members, objectives)
    shown_names = names if sort is None else dict.fromkeys((*names, metric(sort).name))
    more = (*ties, *corrections, *score_notes(study, shown_names))
    for note in (*notes(shown_ones, names), *mean_notes(shown_ones, names), *more):
        print(f"Note: {note}")
    return members


def front(
    *,
    top: Annotated[
        str | None, typer.Option(metavar="N", help="Only the first N candidates.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC", help="Metric to sort by, the best first.  [the first objective]"
        ),
    ] = None,
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals",
            help="All that may be on the front: not dominated beyond the intervals in any metric.",
        ),
    ] = False,
    corrected: Annotated[
        bool,
        typer.Option(
            "--corrected", help="Use the long scores of nas refine, measured or predicted."
        ),
    ] = False,
    pick: Annotated[
        str | None,
        typer.Option(
            metavar="REQUEST",
            help="Only the best candidate, such as 'accuracy, latency<=5ms, params<=1M'.",
        ),
    ] = None,
    runtimes: Annotated[
        bool,
        typer.Option("--runtimes", help="The fronts by each recorded latency, side by side."),
    ] = False,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="What pairs of candidates and baselines are right about together, by their kept "
            "weights.",
        ),
    ] = False,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the front as CSV; -: print it.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the Pareto front: values with their 95 % intervals, in brackets.

    A candidate is left out if another is nowhere worse, and better beyond the intervals in one
    objective; ties stay.
    """
    from ..evaluators.units import read_whole
    from ..search_space.errors import InputError

    count = None if top is None else read_whole("top", top, low=1)
    if pick is not None and ((top, sort, csv) != (None, None, None) or intervals or corrected):
        raise InputError(
            "--pick gives one candidate: leave out --top, --sort, --csv, --intervals, --corrected"
        )
    printed_csv = str(csv) == "-"
    if printed_csv and as_json:
        raise InputError("--csv - and --json both print to the terminal: leave out one")
    record = open_study(study, storage)
    if study is None and not as_json and not printed_csv:
        print(f"Study {record.name} (the latest)", file=sys.stderr)
    if runtimes or pairs:
        which = "--runtimes" if runtimes else "--pairs"
        others = pick is not None or (top, sort, csv) != (None, None, None) or (runtimes and pairs)
        if others or intervals or corrected:
            raise InputError(f"{which} must come without other options of the front")
        if pairs:
            from .pairs import print_pairs

            return print_pairs(record, as_json=as_json)
        from .fragility import print_fragility

        return print_fragility(record, as_json=as_json)
    if pick is not None:
        return _print_pick(record, pick, as_json)
    if csv is not None or as_json:
        members = sorted_front(record, sort, intervals=intervals, corrected=corrected)[:count]
        if csv is not None:
            from ..results.analysis.table import to_frame, write_csv

            if printed_csv:
                print(to_frame(members).to_csv(index=False), end="")
                return 0
            write_csv(to_frame(members), csv)
        if as_json:
            objectives, _ = compared(record, corrected=corrected)
            print_json(_front_json(members, objectives))
    if not as_json:
        print_front(record, count, sort, intervals=intervals, corrected=corrected)
        if csv is not None:
            print(f"Wrote {csv}")
    return 0


def _front_json(members: "Sequence[Candidate]", objectives: "Sequence[str]") -> list[Any]:
    """Return the candidates of a front, each with the numbers of those that it ties with."""
    from ..results.analysis.ties import tied_with

    tied = tied_with(members, objectives)
    return [{**_candidate_json(each), "tied_with": tied.get(each.number, [])} for each in members]


def _print_pick(record: "Study", request: str, as_json: bool) -> int:
    """Print the candidate that a request selects, with the reasons; return 1 if there is none."""
    from ..results.analysis.conditions import notes
    from ..results.analysis.means import mean_notes
    from ..results.analysis.pick import Request, pick

    asked = Request.parse(request)
    found = pick(record.candidates(), asked)
    chosen = found.candidate
    names = (*asked.metrics, *(b.metric for b in asked.bounds))
    if as_json:
        print_json(
            {
                "candidate": None if chosen is None else _candidate_json(chosen),
                "reasons": list(found.reasons),
                "score_notes": score_notes(record, names),
            }
        )
        return int(chosen is None)
    print("\n".join(found.reasons))
    chosen_ones = [] if chosen is None else [chosen]
    scores = score_notes(record, names)
    for note in (*notes(record.candidates(), names), *mean_notes(chosen_ones, names), *scores):
        print(f"Note: {note}")
    if chosen is None:
        return 1
    print(f"Pick: candidate {chosen.number}, {chosen.outline()}")
    print(
        f"Next: nas show {chosen.number} | nas export {chosen.number} -o model.safetensors"
        f" (each with {study_option(record.name)})"
    )
    return 0


def _candidate_json(candidate: "Candidate") -> dict[str, Any]:
    return {
        "number": candidate.number,
        "digest": candidate.digest,
        "status": candidate.status,
        "measurements": {name: each.to_json() for name, each in candidate.measurements.items()},
        "decisions": dict(candidate.decisions),
        "architecture": candidate.architecture_json,
        "singles": {
            name: [each.to_json() for each in found] for name, found in candidate.singles.items()
        },
        "undefined": dict(candidate.undefined),
        "origin": dict(candidate.origin),
        "reason": candidate.reason,
        "traceback": candidate.traceback,
        "seconds": dict(candidate.seconds),
    }


def show(
    candidate: CandidateName,
    *,
    graph: Annotated[
        Path | None,
        typer.Option("--graph", metavar="FILE.html", help="Write a picture of the network."),
    ] = None,
    efficiency: Annotated[
        bool,
        typer.Option("--efficiency", help="Print time and efficiency of each part, measured here."),
    ] = False,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show one candidate: architecture, measurements with provenance, failures."""
    from ..evaluators.latency.efficiency import network_efficiency
    from ..results.analysis.means import repeats
    from ..results.analysis.provenance import described
    from ..results.numbers import format_measurement
    from ..results.study.run_time import time_text

    record = open_study(study, storage)
    found = record.find(candidate)
    if graph is not None:
        _write_graph(found, record.name, graph)
    if as_json:
        noted = {"score_notes": score_notes(record, found.measurements)}
        print_json({**_candidate_json(found), **noted})
        return
    print(f"Candidate {found.number} of study {record.name}: {found.status}")
    print(f"{'digest':<12} {found.digest}")
    if origin := origin_text(found):
        print(f"{'made from':<12} {origin}")
        for line in origin_lines(found):
            print(f"{'':<12} {line}")
    if found.reason:
        print(f"{'reason':<12} {found.reason}")
    for each in found.measurements.values():
        print(f"{each.metric:<12} {format_measurement(each)}")
        if singles := found.singles.get(each.metric):
            values = ", ".join(shown(each.metric, single.value) for single in singles)
            print(f"{'':<12} the mean of {len(singles)} {repeats(each.metric)}: {values}")
    for name, reason in found.undefined.items():
        print(f"{name:<12} {reason}")
    for note in score_notes(record, found.measurements):
        print(f"Note: {note}")
    if rate := network_efficiency(found.measurements):
        print(f"{'efficiency':<12} {rate.text}")
    if text := front_text(found, record):
        print(f"{'front':<12} {text}")
    if text := time_text(found.seconds):
        print(f"{'time':<12} {text}")
    print()
    if found.is_buildable:
        print_parts(found.architecture, OUTPUTS[stated_target(record.settings.data)])
    else:
        print(f"{found.outline()}, with a component that is not installed")
    if efficiency:
        print_efficiency(found)
    print("\nDecisions")
    for path, value in found.decisions.items():
        print(f"  {path}: {value}")
    print("\nProvenance")
    for each in found.measurements.values():
        way = described(each)
        if way:
            print(f"  {each.metric}")
        for name, text in way.items():
            print(f"    {name:<20} {text}")
        for epoch, point in enumerate(each.provenance.get("learning_curve") or (), 1):
            print(f"    {epoch_text(epoch, point)}")
    if found.traceback:
        print(f"\n{found.traceback.rstrip()}")
    if graph is not None:
        print(f"\nWrote {graph}")


def front_text(candidate: "Candidate", study: "Study") -> str:
    """Return a text: whether a candidate is on the front, or what dominates it; empty if
    incomparable.
    """
    from ..results.analysis.front import comparable, dominators

    objectives = study.settings.objectives
    if not comparable([candidate], objectives):
        return ""
    better = [str(each.number) for each in dominators(candidate, study.candidates(), objectives)]
    if not better:
        return f"on it: no candidate dominates this one in {', '.join(objectives)}"
    more = f" and {len(better) - 5} more" if len(better) > 5 else ""
    return f"not on it: dominated in {', '.join(objectives)} by {', '.join(better[:5])}{more}"


def _write_graph(candidate: "Candidate", study: str, file: Path) -> None:
    from ..evaluators.cost.cost import additive_costs
    from ..results.analysis.table import write_atomically
    from ..results.figures.graph_plot import graph_page

    graph = candidate.architecture.graph(additive_costs)
    write_atomically(file, graph_page(graph, f"Candidate {candidate.number} of study {study}"))
