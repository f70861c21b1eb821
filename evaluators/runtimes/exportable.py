"""The components that runtimes run, by the table of runs and, for others, by a run."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ...search_space.component_filter import ComponentFilter
from ...search_space.errors import InputError
from ..runtime_table import RUNTIMES, check_installed
from .component_table import component_table, versions
from .nas_ruler import ADAPTERS

if TYPE_CHECKING:  # torch takes seconds to import
    from ...search_space.components.base import Component
    from .proof import Proof


_OWN = f"{__name__.partition('.')[0]}."


def with_table() -> tuple[str, ...]:
    """Return the names of the runtimes that the table has, in the order of the runtimes."""
    table = component_table()
    return tuple(name for name in RUNTIMES if versions(table, name))


def exportable_to(runtimes: Sequence[str]) -> ComponentFilter:
    """Return a filter that keeps the components that all of some runtimes run.

    A component that the table lacks, a plug-in, is tried once in this process.

    Args:
        runtimes: Names of runtimes that the table has.
    """
    out = sorted(
        f"{each.kind}/{each.component}"
        for each in component_table().values()
        if each.runtime in runtimes and not each.runs
    )
    digest = hashlib.sha256("\n".join(out).encode()).hexdigest()[:16]
    return ComponentFilter(
        what=f"{' and '.join(runtimes)} can run (docs/runtimes.md)",
        key=f"exportable to {','.join(runtimes)} {digest}",
        keep=lambda cls: all(runs(cls, name) for name in runtimes),
    )


def runs(cls: "type[Component]", runtime: str) -> bool:
    """Whether a runtime runs a component, with its default knobs, as far as is known.

    A component of this package that was not run is taken to be; another is tried.

    Raises:
        InputError: If the component cannot be tried here.
    """
    if not cls.exportable():
        return False
    entry = component_table().get((runtime, cls.kind, cls.name))
    if entry is None or not cls.__module__.startswith(_OWN):
        return cls.__module__.startswith(_OWN) or _tried(cls, runtime).runs
    return entry.runs


@cache
def _tried(cls: "type[Component]", runtime: str) -> "Proof":
    """Run a network around a component in a runtime.

    Raises:
        InputError: If the runtime is not installed, or no network has the component.
    """
    from .component_networks import network_around
    from .proof import prove, source_to_prove
    from .ruler_process import Ruler, RulerError

    try:
        check_installed([runtime])
        source = source_to_prove(network_around(cls))
    except InputError as error:
        raise InputError(
            f"{cls.kind} {cls.name!r} must be tried in {runtime}, which the table lacks: {error}"
        ) from None
    found = RUNTIMES[runtime].load()()
    ruler = Ruler(runtime, adapter=found.adapter)
    try:
        ruler.hello()
        return prove(found, source, ruler)
    except RulerError as error:
        raise InputError(f"a ruler must run {runtime}, but: {error}") from error
    finally:
        ruler.close()


def version_notes(runtimes: Sequence[str]) -> tuple[str, ...]:
    """Return a line for each runtime whose installed version is not that of the table."""
    notes: list[str] = []
    for name in runtimes:
        known = versions(component_table(), name)
        try:
            here = version(ADAPTERS[name].packages[0])
        except PackageNotFoundError:
            continue
        if here not in known:
            notes.append(
                f"components were run in {name} {', '.join(known)}, and {here} is installed, which "
                "may run others (docs/runtimes.md)"
            )
    return tuple(notes)
