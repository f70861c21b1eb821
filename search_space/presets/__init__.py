"""The shipped search spaces, one YAML file each."""

from importlib import resources


def presets() -> tuple[str, ...]:
    """Return the names of the shipped spaces."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(each.name[:-5] for each in files if each.name.endswith(".yaml")))


def preset_text(name: str) -> str:
    """Return the content of a shipped space's file."""
    return (resources.files(__name__) / f"{name}.yaml").read_text("utf-8")
