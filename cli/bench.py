"""``nas bench searchers``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Json, Plugins, WorkError, print_json, print_rows

if TYPE_CHECKING:
    from ..searchers.bench.bench import Bench, Curves

_FORMATS = (".html", ".png", ".svg", ".pdf")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Compare searchers.", no_args_is_help=True)
    group.callback()(_group)  # keeps the name of the only command
    group.command("searchers")(bench_searchers)
    app.add_typer(group, name="bench")


def _group() -> None:
    """Compare searchers."""


def bench_searchers(
    *,
    table: Annotated[
        str,
        typer.Option(metavar="FILE.csv", help="Finished trainings: decisions x.NAME, metrics."),
    ],
    objectives: Annotated[
        str, typer.Option(metavar="A,B,...", help="Columns to optimise.")
    ] = "accuracy,macs",
    searchers: Annotated[
        str,
        typer.Option(metavar="A,B,...", help="Searchers; optuna:TPESampler is Optuna's own."),
    ] = "random,tpe,nsga2",
    budget: Annotated[str, typer.Option(metavar="N", help="Trials of each run.")] = "100",
    seeds: Annotated[str, typer.Option(metavar="N", help="Runs of each searcher.")] = "5",
    seed: Annotated[str, typer.Option(metavar="N", help="Seed of the first run.")] = "0",
    known: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Columns known in advance, or none.  [the exact metrics of the package]",
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="NAME_std", help="Column of deviations from which noise is sampled."),
    ] = None,
    tight: Annotated[
        str | None,
        typer.Option(
            metavar="'accuracy>=90'", help="Bound of the tight ratio, in the column's unit."
        ),
    ] = None,
    with_bound: Annotated[
        bool, typer.Option("--with-bound", help="Give searchers the tight bound as a constraint.")
    ] = False,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Count rows with equal metrics as one network.")
    ] = False,
    workers: Annotated[
        str, typer.Option(metavar="N", help="Networks evaluated at once, as in a search.")
    ] = "1",
    ordered: Annotated[
        str, typer.Option(metavar="A,B,...", help="Decisions (without x.) that are ordered.")
    ] = "",
    categorical: Annotated[
        str, typer.Option(metavar="A,B,...", help="Decisions (without x.) that are not.")
    ] = "",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Figure: .html, .png, .svg or .pdf.")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Run searchers on a table of finished trainings and compare their hypervolumes.

    The wide ratio has the worst values of the table as its reference point. The tight ratio counts
    only networks within the bound, up to the cost of the best network by the bounded metric.
    """
    from ..evaluators.cost.value import EXACT_METRICS
    from ..evaluators.units import read_whole
    from ..searchers.bench.bench import Bench, BenchSettings
    from ..searchers.bench.result_table import read_table

    target = None if plot is None else _target(plot)
    read = read_table(Path(table), ordered=_list(ordered), categorical=_list(categorical))
    exact = [name for name in read.values if name in EXACT_METRICS]
    settings = BenchSettings(
        objectives=tuple(_list(objectives)),
        known=tuple(exact if known is None else [n for n in _list(known) if n != "none"]),
        budget=read_whole("budget", budget, low=1, hint="trials"),
        seeds=read_whole("seeds", seeds, low=1, hint="runs of each searcher"),
        first_seed=read_whole("seed", seed, hint="of the first run"),
        noise=noise,
        tight=None if tight is None else read.bound(tight),
        with_bound=with_bound,
        distinct=distinct,
        workers=read_whole("workers", workers, low=1, hint="at once"),
    )
    bench = Bench(read, settings)
    names = _names(_list(searchers))
    found: list[Curves] = []
    for name in names:

        def report(done: int, name: str = name) -> None:
            if sys.stderr.isatty():
                print(f"\r{name}: {done} of {settings.seeds} runs ", end="", file=sys.stderr)

        found.append(bench.run(name, report))
        if sys.stderr.isatty():
            print(file=sys.stderr)
    if target is not None:
        _write(found, target)
    if as_json:
        print_json(_as_json(table, bench, found))
    else:
        _print(bench, found)


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _names(given: Sequence[str]) -> list[str]:
    """Return the exact names of searchers and of Optuna's samplers."""
    from ..search_space.errors import InputError
    from ..searchers.bench.optuna_sampler import PREFIX, sampler_class
    from ..searchers.names import searcher_name

    if not given:
        raise InputError("--searchers must name a searcher, but got none")
    names: list[str] = []
    for each in given:
        if each.startswith(PREFIX):
            sampler_class(each.removeprefix(PREFIX))
            names.append(each)
        else:
            names.append(searcher_name(each))
    return list(dict.fromkeys(names))


def _target(text: str) -> Path:
    from ..search_space.errors import InputError

    path = Path(text)
    if path.suffix not in _FORMATS:
        raise InputError(f"a figure must end in {', '.join(_FORMATS)}, but got {text!r}")
    if not path.parent.is_dir():
        raise InputError(f"the folder of a figure must exist, but got {text!r}")
    return path


def _write(found: "Sequence[Curves]", path: Path) -> None:
    from ..searchers.bench.figure import bench_figure

    figure = bench_figure(found)
    if path.suffix == ".html":
        figure.write_html(path, include_plotlyjs=True)
        return
    try:
        figure.write_image(path, width=900, height=560)
    except (ValueError, RuntimeError) as error:
        raise WorkError(f"the figure could not be written: {error}") from None


def _as_json(table: str, bench: "Bench", found: "Sequence[Curves]") -> dict[str, Any]:
    from ..searchers.bench.bench import to_json

    settings = bench.settings
    return {
        "table": table,
        "rows": bench.table.rows,
        "distinct_rows": len(set(bench.table.twins().tolist())),
        "objectives": {each.metric: each.direction for each in bench.objectives},
        "known": list(settings.known),
        "budget": settings.budget,
        "seeds": list(range(settings.first_seed, settings.first_seed + settings.seeds)),
        "noise": settings.noise,
        "with_bound": settings.with_bound,
        "distinct": settings.distinct,
        "workers": settings.workers,
        "searchers": {each.searcher: to_json(each) for each in found},
    }


def _print(bench: "Bench", found: "Sequence[Curves]") -> None:
    from ..searchers.bench.bench import quartiles, reported

    aims = ", ".join(f"{each.direction} {each.metric}" for each in bench.objectives)
    print(f"{bench.table.rows} rows; {aims}; medians [quartiles] of {bench.settings.seeds} runs")
    points = reported(bench.settings.budget)
    for kind in ("tight", "wide") if bench.settings.tight else ("wide",):
        rows: list[list[str]] = []
        for each in found:
            curves = each.tight_SN if kind == "tight" else each.wide_SN
            assert curves is not None
            cells = [quartiles(curves, number) for number in points]
            texts = [f"{c['median']:.3f} [{c['q1']:.3f}, {c['q3']:.3f}]" for c in cells]
            cost = [f"{1e3 * each.cpu_seconds:.1f} ms", f"{each.repeats:.1f}"]
            rows.append([each.searcher, *texts, *cost])
        print_rows([f"{kind} ratio after", *map(str, points), "CPU a proposal", "repeats"], rows)
