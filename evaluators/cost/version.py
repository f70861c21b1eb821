"""Which code costs are counted with, so that none is kept for another code.

Known by the contents of the files. When they were changed matters in one case: code that was edited
after this process loaded it.
"""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

from ...search_space import LOADED

NOT_COUNTED = (
    "check.py",
    "beam.py",
    "best_sums.py",
    "choice_groups.py",
    "choosers.py",
    "describe.py",
    "feasibility.py",
    "fronts.py",
    "graph.py",
    "guide.py",
    "moves.py",
    "network.py",
    "reach.py",
    "seeds.py",
    "thinned.py",
    "tilted.py",
    "zoo",
)
"""Files and folders of the search spaces that no cost depends on: they draw, ask and show."""


def sources() -> dict[str, Path]:
    """Return the files that costs depend on, the components' and these, by their place."""
    here = Path(__file__).parent
    folders = {"search_space": here.parents[1] / "search_space", "cost": here}
    found = {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for name, folder in folders.items()
        for path in folder.rglob("*.py")
        if name == "cost" or path.relative_to(folder).parts[0] not in NOT_COUNTED
    }
    return dict(sorted(found.items()))


def code_version() -> str | None:
    """Return a digest of all code that costs depend on, the same wherever it is installed.

    None where that cannot be known: where the sources are not there, or were changed since this
    process loaded them.
    """
    digest = hashlib.sha256()
    found = sources()
    for name, path in found.items():
        if _changed(path) > LOADED:
            return None
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:32] if found else None


def _changed(path: Path) -> float:
    """Return when a file was changed.

    Where there is one, that is the time that the system keeps itself: the other is often carried
    along when files are copied or unpacked.
    """
    stat = path.stat()
    return max(stat.st_mtime, stat.st_ctime) if os.name == "nt" else stat.st_ctime


def counting_version() -> str | None:
    """Return a text for the code and the torch that costs are counted with; none if not known."""
    code = code_version()
    return None if code is None else f"{code}-{version('torch')}"
