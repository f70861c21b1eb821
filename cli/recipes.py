"""``nas recipes``."""

from collections.abc import Mapping

import typer

from .shared import Column, Json, Plugins, print_json, print_rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recipes")(recipes)


def recipes(*, plugin: Plugins = None, as_json: Json = False) -> None:
    """List the options of a training, which --recipe takes: value, meaning, paper."""
    from ..evaluators.accuracy.option_table import OPTIONS

    found = [
        {
            "name": each.name,
            "value": each.value.text,
            "default": each.value.default,
            "changes": each.acts,
            "summary": each.summary,
            "paper": each.paper,
        }
        for each in OPTIONS.values()
    ]
    if as_json:
        print_json(found)
        return
    rows = [[_form(each), *(str(each[key]) for key in ("summary", "paper"))] for each in found]
    titles = (Column(title="option"), Column(title="what it does", cut=True))
    print_rows([*titles, Column(title="paper", drop=1, cut=True)], rows)
    print("At most one option each that changes the loss, the images, the labels and the head.")


def _form(option: Mapping[str, object]) -> str:
    """Return an option as it is written, with its default."""
    default = option["default"]
    if default is True:
        return str(option["name"])
    return f"{option['name']}={'FILE' if default is None else default}"
