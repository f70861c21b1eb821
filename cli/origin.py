"""How a candidate was made from another one, as text."""

from typing import TYPE_CHECKING

from .shared import shown

if TYPE_CHECKING:
    from ..results.candidate import Candidate


def origin_text(candidate: "Candidate") -> str:
    """Return how a candidate was made from another one, one line; empty if a search proposed it."""
    origin = candidate.origin
    if not origin:
        return ""
    parent = f"candidate {origin['parent']}" if "parent" in origin else origin["network"]
    return f"{parent} by {origin['method']} to {', '.join(origin['to'])}"


def origin_lines(candidate: "Candidate") -> list[str]:
    """Return the scores before the fine-tuning, and what could not be reduced."""
    origin = candidate.origin
    lines = [f"reached: {n} {shown(n, value)}" for n, value in origin.get("reached", {}).items()]
    lines += [
        f"before fine-tuning, {method}: {name} {shown(name, value)}"
        for method, scores in origin.get("before_tuning", {}).items()
        for name, value in scores.items()
    ]
    lines += [f"{name} kept: {reason}" for name, reason in origin.get("kept", {}).items()]
    return lines
