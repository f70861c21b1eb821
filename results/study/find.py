"""The candidate that a user names."""

from collections.abc import Mapping, Sequence

from ...search_space.errors import InputError
from ..candidate import Candidate


def find(
    candidates: Sequence[Candidate], left_out: Mapping[int, str], text: str | int, *, study: str
) -> Candidate:
    """Return the candidate with a number, else with a unique prefix of its digest.

    Args:
        candidates: The candidates of a study.
        left_out: Reasons, by number, for the trials that are left out.
        text: The number or the prefix.
        study: Name of the study, for messages.

    Raises:
        InputError: If no candidate matches, or several do.
    """
    text = str(text).strip().lower()
    matching = [each for each in candidates if str(each.number) == text]
    for number, reason in left_out.items():
        if str(number) == text:
            raise InputError(f"candidate {text} of study {study!r} is left out: {reason}")
    if text and not matching:
        matching = [each for each in candidates if each.digest.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    rule = "a candidate must be a number or a unique prefix of a digest"
    if matching:
        some = ", ".join(f"{each.number} ({each.digest[:12]})" for each in matching[:5])
        raise InputError(f"{rule}, but got {text!r}, which {len(matching)} digests match: {some}")
    raise InputError(f"{rule} in study {study!r} of {len(candidates)} candidates, but got {text!r}")
