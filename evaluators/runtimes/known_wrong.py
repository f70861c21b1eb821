"""What the table knows to be wrong in a runtime, so that it is refused before it is run."""

from ...search_space.architecture.architecture import Architecture
from .component_table import ACTIVATION, WRONG, component_table


def wrong_in(architecture: Architecture, runtime: str, at: str) -> str | None:
    """Return which component of a network a runtime is known to run wrongly; None: none.

    Args:
        architecture: The network.
        runtime: Name of the runtime.
        at: Version of the runtime; the table knows nothing of others.
    """
    for part in architecture.parts():
        todo = [part.component]
        while todo:
            component = todo.pop()
            todo += component.components().values()
            knob = component.knobs().get(ACTIVATION)
            for kind, name in ((component.kind, component.name), (ACTIVATION, knob)):
                entry = component_table().get((runtime, kind, str(name)))
                if entry and entry.verdict == WRONG and entry.version == at:
                    return f"{kind} {name}: {entry.reason}"
    return None
