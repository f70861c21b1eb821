"""``nas bench searchers``."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Json, Plugins, WorkError, print_json, print_rows

if TYPE_CHECKING:
    from ..searchers.bench.bench import Bench, Curves
    from ..searchers.bench.result_table import ResultTable
    from ..searchers.bench.rungs import TableHalving

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
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="asha: also run the searchers with early stopping; a trial is then the epochs of "
            "one whole training.",
        ),
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="N", help="asha: epochs of the whole training.")
    ] = None,
    eta: Annotated[
        str | None, typer.Option(metavar="N", help="asha: 1/N continue at a rung.  [3]")
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="asha: epochs of the rungs, from columns like accuracy@3epochs.  [all]",
        ),
    ] = None,
    ordered: Annotated[
        str, typer.Option(metavar="A,B,...", help="Ordered decisions, without the prefix x.")
    ] = "",
    categorical: Annotated[
        str, typer.Option(metavar="A,B,...", help="Unordered decisions, without the prefix x.")
    ] = "",
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Figure: .html, .png, .svg or .pdf.")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Run searchers on a table of finished trainings and compare their hypervolumes.

    A ratio is the hypervolume of the networks found, divided by that of the whole table. The wide
    ratio has the worst values of the table as its reference point. The tight ratio counts only
    networks that satisfy --tight and cost less than the best network in the bounded metric.
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
        halving=_halving(read, _list(objectives), scheduler, epochs, eta, rungs),
    )
    bench = Bench(read, settings)
    names = _names(_list(searchers), stopping=settings.halving is not None)
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


def _halving(
    table: "ResultTable",
    objectives: Sequence[str],
    scheduler: str | None,
    epochs: str | None,
    eta: str | None,
    rungs: str | None,
) -> "TableHalving | None":
    """Return the rungs that the options describe; None without early stopping."""
    from ..evaluators.units import read_whole
    from ..search_space.errors import InputError, known_name
    from ..searchers.bench.rungs import TableHalving
    from ..searchers.names import SCHEDULERS
    from ..searchers.run.options import read_rungs

    name = None if scheduler is None else known_name("scheduler", scheduler, SCHEDULERS)
    if name != "asha":
        if (epochs, eta, rungs) != (None, None, None):
            raise InputError("--epochs, --eta and --rungs must come with --scheduler asha")
        return None
    if epochs is None:
        raise InputError("--scheduler asha must come with --epochs, those of the whole training")
    return TableHalving.of(
        table,
        objectives,
        epochs=read_whole("epochs", epochs, low=2),
        eta=None if eta is None else read_whole("eta", eta, low=2),
        rungs=None if rungs is None else read_rungs(rungs),
    )


def _names(given: Sequence[str], *, stopping: bool) -> list[str]:
    """Return the exact names of searchers and of Optuna's samplers.

    With ``stopping``, this package's searchers appear again, with early stopping.
    """
    from ..search_space.errors import InputError
    from ..searchers.bench.optuna_sampler import PREFIX, sampler_class
    from ..searchers.bench.rungs import SUFFIX
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
            names += [names[-1] + SUFFIX] if stopping else []
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
        "scheduler": _scheduler_json(settings.halving),
        "share_of_epochs": {
            name: {n: None if math.isinf(v) else v for n, v in each.items()}
            for name, each in _shares(found).items()
        },
        "searchers": {each.searcher: to_json(each) for each in found},
    }


def _scheduler_json(halving: "TableHalving | None") -> dict[str, Any] | None:
    if halving is None:
        return None
    rule = halving.halving
    return {"name": "asha", "epochs": halving.epochs, "eta": rule.eta, "rungs": list(rule.rungs)}


def _shares(found: "Sequence[Curves]") -> dict[str, dict[str, float]]:
    """Return quartiles of ``share_of_epochs`` for each searcher with early stopping.

    The tight ratio is used if there is one, else the wide ratio.
    """
    import numpy as np

    from ..searchers.bench.rungs import SUFFIX, share_of_epochs

    curves = {each.searcher: each for each in found}
    shares: dict[str, dict[str, float]] = {}
    for name, each in curves.items():
        if not name.endswith(SUFFIX):
            continue
        whole = curves[name.removesuffix(SUFFIX)]
        if each.tight_SN is not None and whole.tight_SN is not None:
            values = share_of_epochs(each.tight_SN, whole.tight_SN)
        else:
            values = share_of_epochs(each.wide_SN, whole.wide_SN)
        low, middle, high = np.percentile(values, (25, 50, 75), method="nearest")
        shares[name] = {"q1": float(low), "median": float(middle), "q3": float(high)}
    return shares


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
    for name, share in _shares(found).items():
        each = next(each for each in found if each.searcher == name)
        print(
            f"{name}: {each.stopped:.0f} of {each.evaluated:.0f} networks stopped early; the final "
            f"hypervolume of whole trainings is reached after {share['median']:.2f} "
            f"[{share['q1']:.2f}, {share['q3']:.2f}] of their epochs"
        )
