"""Representations of an architecture in notebooks and on terminals."""

from html import escape
from itertools import groupby

from ..components.parts import Part
from .value import ArchitectureValue

_PLAIN = ("joint", "norm")  # kinds left out of rows that have others


def rows(architecture: ArchitectureValue) -> list[tuple[str, str, str]]:
    """Return a row for each stage, stem and head: name, output shape, contents."""
    found = [("input", str(architecture.input), f"{architecture.classes} classes")]
    for place, group in groupby(architecture.parts(), _place):
        members = list(group)
        notable = [each.component.label() for each in members if each.component.kind not in _PLAIN]
        labels = dict.fromkeys(notable or [each.component.label() for each in members])
        found.append((place, str(members[-1].out_shape), ", ".join(labels)))
    return found


def _place(part: Part) -> str:
    words = part.name.split(".")
    return " ".join(words[:2]) if words[0] == "stages" else words[0]


def html(architecture: ArchitectureValue) -> str:
    """Return the architecture as an HTML table."""
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows(architecture)
    )
    return f"<table><caption>{architecture.digest[:12]}</caption>{lines}</table>"


def text(architecture: ArchitectureValue) -> str:
    """Return the architecture as text with the markup of ``rich``."""
    lines = [f"{place:<12} {shape:<12} {notable}" for place, shape, notable in rows(architecture)]
    return "\n".join([f"architecture {architecture.digest[:12]}", *lines]).replace("[", r"\[")
