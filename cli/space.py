"""``nas space list``, ``nas space show`` and ``nas space check``; ``nas space from`` is in
``space_from.py``."""

import sys
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import (
    AnyResolution,
    Column,
    Constraints,
    ExportableOnly,
    ExportableTo,
    Json,
    Plugins,
    Resolution,
    print_json,
    print_rows,
    shown,
)
from .space_from import space_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..search_space.component_filter import ComponentFilter
    from ..search_space.components.describe import Description
    from ..search_space.counting.size import Size
    from ..search_space.space import SearchSpace

SpaceName = Annotated[
    str, typer.Argument(metavar="NAME|FILE.yaml", help="A shipped space or a YAML file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Look at search spaces.", no_args_is_help=True)
    group.command("list")(list_spaces)
    group.command("show")(show)
    group.command("check")(check)
    group.command("from")(space_from)
    app.add_typer(group, name="space")


def list_spaces(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="Only this kind, as in 'token mixer', norm or space; or one component's name.",
        ),
    ] = None,
    *,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """List the shipped search spaces, and the components that a space can be made of."""
    from ..search_space.components.describe import descriptions
    from ..search_space.files import load_space
    from ..search_space.presets import presets

    described = descriptions()
    chosen = kind if kind is None else _kind(kind, described)
    spaces = [load_space(name) for name in presets()] if chosen in (None, "space") else []
    described = [each for each in described if chosen in (None, each.kind, each.name)]
    sizes = {each.name: _size(each.name, each) for each in spaces}
    if as_json:
        listed = [
            {"name": each.name, "summary": each.summary, **_counted(sizes[each.name])}
            for each in spaces
        ]
        print_json({"spaces": listed, "components": [asdict(each) for each in described]})
        return
    if spaces:
        rows = [[each.name, sizes[each.name].short, each.summary] for each in spaces]
        print_rows(["name", "architectures", "what for"], rows)
    if chosen in {each.name for each in described}:
        _print_components(described)
        return
    for kind_of, components in groupby(described, key=lambda each: each.kind):
        rows = [
            [each.name, each.summary, ", ".join((*map(str, each.knobs), *each.slots))]
            for each in components
        ]
        if chosen is None:
            print()
        what = Column(title="what", cut=True)
        knobs = Column(title="knobs (values; default)", drop=1, cut=True)
        print_rows([Column(title=kind_of), what, knobs], rows)


def _kind(text: str, described: "Sequence[Description]") -> str:
    """Return the kind of component, or the component, that a text names.

    Raises:
        InputError: If the text names neither; the message lists the kinds, and the nearest name.
    """
    from ..search_space.errors import InputError, known_name, unknown_name

    kinds = list(dict.fromkeys(("space", *(each.kind for each in described))))
    for each in (text, text.removesuffix("s")):
        try:
            return known_name("kind", each, kinds)
        except InputError:
            continue
    ends = [each for each in kinds if each.split()[-1] == text.removesuffix("s").lower()]
    if len(ends) == 1:
        return ends[0]
    names = [each.name for each in described]
    if text in names:
        return text
    near = str(unknown_name("component", text, names)).partition("; ")[2]
    more = f"; {near}" if near else ""
    raise InputError(
        f"a listing must be of one of {', '.join(kinds)}, or a component, but got {text!r}{more}"
    )


def _print_components(described: "Sequence[Description]") -> None:
    """Print components with a line for each knob."""
    for each in described:
        print(f"{each.name}, {each.kind}: {each.summary}")
        print(f"in {each.file}")
        for knob in each.knobs:
            print(f"  {knob}")
        for slot in each.slots:
            print(f"  {slot} (a component)")


def _size(name_or_file: str, space: "SearchSpace") -> "Size":
    """Return the size of a space; for a shipped space, that stored in the package, if valid."""
    from ..evaluators.cost.shipped import shipped_space
    from ..search_space.presets import presets

    shipped = shipped_space(name_or_file) if name_or_file in presets() else None
    return shipped.size if shipped else space.size()


def _counted(size: "Size") -> dict[str, Any]:
    """Return the number of architectures as JSON values."""
    return {
        "architectures": size.architectures,
        "architectures_exact": size.exact,
        "architectures_interval": size.interval,
        "walks": size.walks,
    }


def show(
    space: SpaceName,
    *,
    exportable_only: ExportableOnly = False,
    exportable_to: ExportableTo = None,
    any_resolution: AnyResolution = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Print the decisions of a search space and their domains."""
    from ..search_space.space_files import space_name  # before the slow import of components

    kept = _exportable(exportable_to, only=exportable_only)
    space = space_name(space)
    from ..search_space.files import load_space

    found = load_space(space)
    if kept:
        found = found.only(kept)
    if any_resolution:
        found = found.any_resolution()
    whole = not (kept or any_resolution)
    size = _size(space, found) if whole else found.size()
    decisions = {path: list(domain.values) for path, domain in found.decisions().items()}
    if as_json:
        data: dict[str, Any] = {
            "name": found.name,
            "summary": found.summary,
            "input": list(found.input),
            "classes": found.classes,
            **_counted(size),
            "never_built": found.never_built(),
            "decisions": decisions,
        }
        print_json(data)
        return
    print(f"{found.name}: {found.summary}")
    print(
        f"{size} for images of {found.input} "
        f"({found.resolutions.low} to {found.resolutions.high} pixels), {found.classes} classes"
    )
    for line in found.never_built():
        print(line)
    rows = [[path, ", ".join(map(str, values))] for path, values in decisions.items()]
    print_rows(["decision", "values"], rows)


def _exportable(names: str | None, *, only: bool) -> "ComponentFilter | None":
    """Return the filter of ``--exportable-to``; None: it keeps all components."""
    from ..evaluators.runtime_choice import read_exportable
    from ..evaluators.runtimes.exportable import exportable_to, version_notes

    runtimes = read_exportable(names or (), only=only)
    for note in version_notes(runtimes):
        print(f"nas: {note}", file=sys.stderr)
    return exportable_to(runtimes) if runtimes else None


def check(
    space: SpaceName,
    *,
    constraint: Constraints = None,
    resolution: Resolution = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N", help="Channels of the images.")
    ] = None,
    classes: Annotated[str | None, typer.Option(metavar="N", help="Number of classes.")] = None,
    exportable_only: ExportableOnly = False,
    exportable_to: ExportableTo = None,
    any_resolution: AnyResolution = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> int:
    """Print the size, cost ranges and feasible share of a space, before a search."""
    from ..evaluators.cost.value import EXACT_METRICS
    from ..evaluators.units import read_constraint, read_whole, taken_for_macs, write_bounds
    from ..search_space.errors import InputError
    from ..search_space.space_files import check_resolution, space_name
    from ..searchers.run.options import read_side

    constraints = [read_constraint(text) for text in constraint or ()]
    for each in constraints:
        if each.metric not in EXACT_METRICS:
            raise InputError(
                f"a constraint on a space must be on one of {', '.join(EXACT_METRICS)}, which "
                f"steer the sampling, but got {each.metric!r}: nas search checks it after it has "
                "measured a candidate"
            )
    kept = _exportable(exportable_to, only=exportable_only)
    space = space_name(space)
    side = None if resolution is None else read_side("resolution", resolution)
    if side is not None:
        check_resolution(space, side)
    counts = {"channels": channels, "classes": classes}
    whole = {
        name: None if value is None else read_whole(name, value, low=1)
        for name, value in counts.items()
    }
    for note in filter(None, map(taken_for_macs, constraint or ())):
        print(f"nas: {note}", file=sys.stderr)

    from ..evaluators.cost.spaces import costed_space
    from ..search_space.constraints.check import check as check_space

    found = costed_space(
        space,
        resolution=side,
        channels=whole["channels"],
        classes=whole["classes"],
        kept=kept,
        any_resolution=any_resolution,
    )
    checked = check_space(found.table, constraints)
    if as_json:
        about = {"space": found.name, "input": list(found.input), "distinct": found.walks_differ}
        print_json(
            {**about, **_counted(found.size), **asdict(checked), "never_built": found.never_built}
        )
        return 0 if checked.share else 2
    print(f"{found.name} on images of {found.input}, {found.classes} classes")
    print(found.size)
    for line in found.never_built:
        print(line)
    rows = [
        [name, *(shown(name, value) for value in (each.low, each.median, each.high))]
        for name, each in checked.spreads.items()
    ]
    print_rows(["metric", "minimum", "median", "maximum"], rows)
    if not constraints:
        return 0
    of_what = "" if found.walks_differ else " of the walks"
    if checked.exact or not checked.share:
        share = f"{100 * checked.share:.3g} %{of_what}"
    elif checked.share_range[0] < checked.share:
        low, high = (f"{100 * each:.3g}" for each in checked.share_range)
        share = f"{100 * checked.share:.3g} %{of_what}  (estimate; between {low} and {high} %)"
    else:
        share = f"above 0 and at most {100 * checked.share_range[1]:.3g} %{of_what}"
    print(f"feasible share   {share}")
    for name, median in checked.feasible_medians.items():
        how = "" if checked.feasible_uniform else ", not uniformly"
        drawn = f"(of {checked.feasible_sample} sampled walks{how})"
        print(f"median {name} of feasible walks: {shown(name, median)} {drawn}")
    if checked.share:
        return 0
    bounds = " and ".join(str(each) for each in constraints)
    none = "none does" if checked.proved else "none was found"
    helps = "".join(f"; {'or ' if index else ''}{each}" for index, each in enumerate(checked.moves))
    raise InputError(write_bounds(f"some architecture must keep {bounds}, but {none}{helps}"))
