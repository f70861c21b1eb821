"""``nas space list``, ``nas space show`` and ``nas space check``."""

from typing import Annotated, Any

import typer

from .shared import Json, print_json, print_rows

SpaceName = Annotated[
    str, typer.Argument(metavar="NAME|FILE.yaml", help="A shipped space or a YAML file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Look at search spaces.", no_args_is_help=True)
    group.command("list")(list_spaces)
    group.command("show")(show)
    app.add_typer(group, name="space")


def list_spaces(*, as_json: Json = False) -> None:
    """List the shipped search spaces."""
    from ..search_space.files import load_space, presets

    spaces = [load_space(name) for name in presets()]
    if as_json:
        print_json(
            [
                {"name": each.name, "summary": each.summary, "architectures": each.size()}
                for each in spaces
            ]
        )
        return
    rows = [[each.name, f"{each.size():.2g}", each.summary] for each in spaces]
    print_rows(["name", "architectures", "what for"], rows)


def show(space: SpaceName, *, as_json: Json = False) -> None:
    """Print the decisions of a search space and their domains."""
    from ..search_space.files import load_space

    found = load_space(space)
    decisions = {path: list(domain.values) for path, domain in found.decisions().items()}
    if as_json:
        data: dict[str, Any] = {
            "name": found.name,
            "summary": found.summary,
            "input": list(found.input),
            "classes": found.classes,
            "architectures": found.size(),
            "decisions": decisions,
        }
        print_json(data)
        return
    print(f"{found.name}: {found.summary}")
    print(
        f"{found.size():.3g} architectures for images of {found.input} "
        f"({found.resolutions.low} to {found.resolutions.high} pixels), {found.classes} classes"
    )
    rows = [[path, ", ".join(map(str, values))] for path, values in decisions.items()]
    print_rows(["decision", "values"], rows)
