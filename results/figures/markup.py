"""HTML elements as escaped text instead of Dash components.

Dash visits every component at each change, so thousands of table cells would be slow.
"""

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from .view import View

Content = str | Markup | Iterable["Content"]
_EMPTY = ("br", "hr", "input")


def tag(name: str, *contents: Content, **attributes: str | bool | None) -> Markup:
    """Return an element; text that is not ``Markup`` is escaped.

    Args:
        name: Name of the element.
        contents: Its contents, possibly nested.
        attributes: Its
        attributes: ``aria_label`` is ``aria-label``, ``class_`` is ``class``; None and False are
            left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{"" if value is True else escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if name in _EMPTY else f"{joined(contents)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def joined(contents: Content) -> Markup:
    """Return the concatenated contents."""
    if isinstance(contents, str):
        return escape(contents)  # Markup is not escaped again
    return Markup("".join(map(joined, contents)))


def link(text: Content, view: View, *, key: str | None = None, title: str | None = None) -> Markup:
    """Return a link that shows another view.

    Args:
        text: Text of the link.
        view: The view to show.
        key: Key of the link, which keeps the focus on it after the page changes.
        title: Tooltip, if the text does not explain the link.
    """
    return tag(
        "a", text, href=view.to_query(), data_view=True, data_key=key, title=title, aria_label=title
    )


def facts(pairs: Mapping[str, str], class_: str = "facts") -> Markup:
    """Return a list of facts with their names."""
    cells = (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs.items())
    return tag("dl", cells, class_=class_)


def scrolled(label: str, header: Content, rows: Content) -> Markup:
    """Return a table that scrolls if it is too wide.

    Args:
        label: Description of the table.
        header: Cells of the first row.
        rows: The other rows.
    """
    table = tag("table", tag("thead", tag("tr", header)), tag("tbody", rows))
    return tag("div", table, class_="scroll", role="region", tabindex="0", aria_label=label)


def row(*cells: str, head: Content | None = None) -> Markup:
    """Return a row of a table; ``head`` is its heading."""
    first = () if head is None else (tag("th", head, scope="row"),)
    wide = (tag("td", cell, class_="wide" if len(cell) > 40 else None) for cell in cells)
    return tag("tr", first, wide)


def heads(*cells: Content) -> Markup:
    """Return the cells of the header row."""
    return joined(tag("th", cell, scope="col") for cell in cells)
