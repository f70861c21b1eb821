"""The controls of a view: menus and fields, which ``assets/dashboard.js`` handles."""

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from ..analysis.columns import Columns
from ..figures.filters import Among, Between, exact
from ..figures.markup import joined, tag
from ..figures.plots import short_path
from ..figures.snapshot import Snapshot, metric_names
from ..figures.view import View
from .source import Source

Choices = Iterable[tuple[str, str]]
_FIRST = ("mixer", "second_mixer", "depth", "kernel_size")  # the most useful decisions first


def menu(
    name: str,
    label: str,
    choices: Choices,
    value: str | None,
    *,
    drops: str | None = None,
    keeps: str | None = None,
) -> Markup:
    """Return a menu that sets a field of the view.

    Args:
        name: The field.
        label: Label of the menu.
        choices: Values and their texts.
        value: The present value.
        drops: Fields reset to their defaults, separated by spaces.
        keeps: The only other fields that are kept.
    """
    offered = [tag("option", text, value=each, selected=each == value) for each, text in choices]
    select = tag(
        "select",
        offered,
        data_field=name,
        data_key=name,
        data_drops=drops,
        data_keeps=keeps,
    )
    return tag("label", tag("span", label), select, class_="control")


def number_field(
    name: str, label: str, value: str, *, data_key: str | None = None, **limits: str
) -> Markup:
    """Return a field for a number.

    Args:
        name: The field of the view.
        label: Label of the field.
        value: The present value, or an empty text.
        data_key: Key of the element on the page, by default ``name``.
        limits: ``min``, ``max`` and ``step`` of the number.
    """
    field = tag(
        "input",
        type="number",
        **limits,
        value=value,
        data_field=name,
        data_key=data_key or name,
    )
    return tag("label", tag("span", label), field, class_="control")


def boxes(
    name: str, label: str, choices: Choices, chosen: Sequence[str], *, many: bool = False
) -> Markup:
    """Return check boxes.

    Args:
        name: The field of the view.
        label: Label of the boxes.
        choices: Values and their texts.
        chosen: The ticked values.
        many: Whether the field is repeated for each value.
    """
    made = [
        tag(
            "label",
            tag(
                "input",
                type="checkbox",
                value=value,
                checked=value in chosen,
                data_field=name,
                data_many=many,
                data_key=f"{name} {value}",
            ),
            text,
        )
        for value, text in choices
    ]
    return tag("div", made, class_="control ticks", role="group", aria_label=label)


def same(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return choices with the values as texts."""
    return [(each, each) for each in values]


def columns_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return all columns as choices: metrics, then decisions, the most useful ones first."""
    paths = sorted(
        snapshot.columns.decisions, key=lambda path: (path.split(".")[-1] not in _FIRST, path)
    )
    rest = ("seconds", "number", "status")
    decisions = [(path, short_path(path)) for path in paths]
    return [*same(metric_names(snapshot)), *same(rest), *decisions]


def study_menu(source: Source, view: View) -> Markup:
    """Return the menu of studies."""
    return menu("study", "study", same(source.studies), view.study, keeps="page")


def axes_controls(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the controls of the scatter plot."""
    metrics, every = same(metric_names(snapshot)), columns_of(snapshot)
    none = [("", "none")]
    extras = [("intervals", "intervals"), ("infeasible", "not complete"), ("zoo", "zoo")]
    if source.has_published:
        extras.append(("timm", "timm's results"))
    if {"zoo", "timm"} & set(view.extras):
        extras.append(("far", "far networks"))
    return joined(
        (
            menu("x", "x axis", metrics, view.x, drops="scales"),
            menu("y", "y axis", metrics, view.y, drops="scales"),
            boxes(
                "scales", "Logarithmic axes", [("x", "log x"), ("y", "log y")], view.scales or ()
            ),
            menu("colour", "colour", none + every, view.colour),
            menu("size", "size", none + every, view.size),
            boxes("extras", "Shown besides", extras, view.extras),
        )
    )


def axes_choice(snapshot: Snapshot, axes: Sequence[str]) -> Markup:
    """Return the check boxes of the parallel axes.

    Args:
        snapshot: The study.
        axes: Names of the drawn axes.
    """
    metrics = metric_names(snapshot)
    paths = [name for name, _ in columns_of(snapshot) if name in snapshot.columns.decisions]
    choices = [*same(metrics), *((path, short_path(path)) for path in paths)]
    return boxes("axes", "Axes", choices, axes)


def filter_form(snapshot: Snapshot, view: View) -> Markup:
    """Return the form for filters."""
    choice = menu("by", "filter by", [("", "choose"), *columns_of(snapshot)], view.by)
    answers = snapshot.columns.values_of(view.by)
    if answers is not None and len(answers.levels) <= 60:
        fields = _level_boxes(answers.labels, view)
    elif snapshot.columns.numbers(view.by) is not None:
        fields = _ends(snapshot.columns, view)
    else:
        return choice
    return joined((choice, tag("div", fields, class_="controls", data_filter=view.by)))


def _level_boxes(labels: Sequence[str], view: View) -> Markup:
    chosen = [
        level
        for each in view.filters
        if isinstance(each, Among) and each.column == view.by
        for level in each.levels
    ]
    return boxes("filter", f"Values of {view.by}", same(labels), chosen)


def _ends(columns: Columns, view: View) -> Markup:
    now = [each for each in view.filters if isinstance(each, Between) and each.column == view.by]
    ends = (now[-1].low, now[-1].high) if now else (-np.inf, np.inf)
    return joined(
        number_field(
            "filter",
            label,
            exact(end) if np.isfinite(end) else "",
            step="any",
            data_key=f"filter {label}",
        )
        for label, end in zip(("at least", "at most"), ends, strict=True)
    )
