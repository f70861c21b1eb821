"""HTML made by hand: text from outside stays text, and a table costs the browser nothing.

Dash looks at each of its components whenever anything changes; thousands of cells would be slow.
"""

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from .view import View

Content = str | Markup | Iterable["Content"]
_EMPTY = ("br", "hr", "input")


def tag(name: str, *contents: Content, **attributes: str | bool | None) -> Markup:
    """Return an element; all text in it that is no ``Markup`` is escaped.

    Args:
        name: Of the element.
        contents: What is in it, nested as it comes.
        attributes: ``aria_label`` is ``aria-label``, ``class_`` is ``class``; those that are none
            or false are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{"" if value is True else escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if name in _EMPTY else f"{joined(contents)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def joined(contents: Content) -> Markup:
    """Return contents one after the other."""
    if isinstance(contents, str):
        return escape(contents)  # Markup stays as it is
    return Markup("".join(map(joined, contents)))


def link(text: Content, view: View, *, key: str | None = None, title: str | None = None) -> Markup:
    """Return a link that shows another view.

    Args:
        text: What is read.
        view: What is shown.
        key: By which the link is found again, to keep the focus, when the page has changed.
        title: What it does, where the text does not say.
    """
    return tag(
        "a", text, href=view.to_query(), data_view=True, data_key=key, title=title, aria_label=title
    )


def facts(pairs: Mapping[str, str], class_: str = "facts") -> Markup:
    """Return short facts, each with its name."""
    cells = (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs.items())
    return tag("dl", cells, class_=class_)


def scrolled(label: str, header: Content, rows: Content) -> Markup:
    """Return a table that scrolls by itself where it is too wide.

    Args:
        label: What it shows.
        header: Cells of its first row.
        rows: The other rows.
    """
    table = tag("table", tag("thead", tag("tr", header)), tag("tbody", rows))
    return tag("div", table, class_="scroll", role="region", tabindex="0", aria_label=label)


def row(*cells: str, head: Content | None = None, class_: str | None = None) -> Markup:
    """Return a row of a table; ``head`` names it."""
    first = () if head is None else (tag("th", head, scope="row"),)
    return tag(
        "tr",
        first,
        (tag("td", cell, class_="wide" if len(cell) > 40 else None) for cell in cells),
        class_=class_,
    )


def heads(*cells: Content) -> Markup:
    """Return the cells of a first row."""
    return joined(tag("th", cell, scope="col") for cell in cells)
