"""The permit to read a test split."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReadingPermit:
    """The permit for one reading of a test split, given where the reading has been counted.

    ``results.study.readings`` alone makes permits, and ``nas finalize`` alone uses them.
    """

    scope: str
    """What the reading counts for: a study, or a data set without one."""
    number: int
    """Number of the reading in its scope, from 1."""


def check_permit(permit: object) -> None:
    """Check the permit of a reading.

    Raises:
        PermissionError: If it is none.
    """
    if not isinstance(permit, ReadingPermit):
        raise PermissionError(
            "a test split must be read by nas finalize alone, with the permit of a counted "
            f"reading, but got {permit!r}"
        )
