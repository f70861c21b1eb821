"""Checks of a request to refine a study, before heavy imports."""

from ...results.analysis.correction import FEWEST
from ...search_space.errors import InputError


def check_request(
    *, seeds: int | None, long: int | None, epochs: int | None, runs: int | None = None
) -> None:
    """Check a request to refine a study.

    Raises:
        InputError: If there is nothing to do, or a number is too small.
    """
    if seeds is None and long is None and runs is None:
        raise InputError(
            "a refinement must have seeds, such as 3, or long, such as 10, or runs, such as 5"
        )
    if runs is not None and runs < 2:
        raise InputError(f"runs must be at least 2, but got {runs}")
    if seeds is not None and seeds < 2:
        raise InputError(f"seeds must be at least 2, but got {seeds}")
    if long is not None and long < FEWEST:
        raise InputError(f"long must be at least {FEWEST} candidates, but got {long}")
    if epochs is not None and long is None:
        raise InputError(f"epochs must come with long, but got epochs {epochs} alone")
