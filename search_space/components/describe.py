"""Descriptions of all registered components, for the command line and ``docs/mixers.md``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..domains import Value
from .base import Component, TokenMixer, Traits, field_domains, field_kinds
from .mixers.attention_points import ATTENTION_POINTS
from .tables import TABLES


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One field of a component with a value."""

    name: str
    """Name of the field."""
    rule: str
    """The legal values as text."""
    default: Value
    """The default value."""

    def __str__(self) -> str:
        number = isinstance(self.default, float)
        return f"{self.name} ({self.rule}; {f'{self.default:g}' if number else self.default})"


@dataclass(frozen=True, kw_only=True)
class Description:
    """The description of a component class."""

    kind: str
    """Kind of the component: "token mixer"."""
    name: str
    """Name in files and tables."""
    summary: str
    """First line of the class's docstring."""
    catalogue: tuple[str, ...]
    """Rows of the catalogue of papers that the component implements."""
    file: str
    """Path of the source file of the class."""
    knobs: tuple[Knob, ...]
    """Fields that hold values."""
    slots: tuple[str, ...]
    """Fields that hold components."""


def catalogue_rows(cls: type[Component]) -> tuple[str, ...]:
    """Return the rows of the catalogue of papers that a component class implements."""
    return cls.traits.catalogue if issubclass(cls, TokenMixer) else cls.catalogue


def describe(cls: type[Component]) -> Description:
    """Return the description of a component class."""
    default = cls()
    _, _, module = cls.__module__.partition("nas_explorer.search_space.")
    return Description(
        kind=cls.kind,
        name=cls.name,
        summary=(cls.__doc__ or "").splitlines()[0].rstrip("."),
        catalogue=catalogue_rows(cls),
        file=f"search_space/{module.replace('.', '/')}.py" if module else cls.__module__,
        knobs=tuple(
            Knob(
                name=name,
                rule=domain.rule.removeprefix("be "),
                default=getattr(default, name),
            )
            for name, domain in field_domains(cls).items()
        ),
        slots=tuple(field_kinds(cls)),
    )


def descriptions() -> tuple[Description, ...]:
    """Return the descriptions of all registered components, in the order of the tables."""
    return tuple(describe(cls) for table in TABLES.values() for cls in table.values())


COST_LETTERS = {
    "N": "places of the map, H x W",
    "H": "its rows",
    "W": "its columns",
    "k": "side of the kernel, of the smaller one where there are two",
    "K": "side of the larger kernel",
    "d": "dilation",
    "r": "recursions",
    "R": "regions along each side",
    "b": "side of a block",
    "g": "side of a grid",
    "w": "side of a window or of a block of queries",
}
"""Meaning of the letters in ``Traits.cost``."""

_HEAD = f"""# Token mixers

Written by `python docs/write_mixers.py` from the tables; a test compares. All columns describe the
default knobs. *Mixes*: the receptive field of a position: none: itself; local: at most 3 pixels
away; regional: further, but not all of a large map; global: every position. *Weights*: computed
from the input (a product of two maps counts as that), or static. *Cost*: how multiply-adds grow:
{"; ".join(f"{letter}: {meaning}" for letter, meaning in COST_LETTERS.items())}. A mixer that is
*bound* has weights whose number depends on the size of the map: its network refuses images of
another size, unless the mixer *resizes*. A mixer that is *free, but not as a program* ties `.onnx`
and `.pt2` files to one size.
"""

_POINTS = """
# Published attention

Attention is a product of choices: a mixer for each support, whose knobs are the other choices. The
mixers of papers are points of it, `ATTENTION_POINTS` in
`search_space/components/mixers/attention_points.py`. Other components are in
[components.md](components.md).
"""


def mixers_page() -> str:
    """Return the text of ``docs/mixers.md``."""
    header = (
        *("mixer", "rows", "what", "mixes", "weights", "cost", "resolution"),
        *("knobs (values; default)", "ONNX", "paper", "code"),
    )
    mixers = [_mixer_cells(cls) for cls in TABLES[TokenMixer].values()]
    lines = [
        *(_HEAD, *_table(header, mixers)),
        *(_POINTS, *_table(("name", "mixer", "knobs other than the default"), _points())),
    ]
    return "\n".join(lines) + "\n"


def _points() -> list[tuple[str, str, str]]:
    """Return name, mixer and knobs of each published attention."""
    found: list[tuple[str, str, str]] = []
    for name, mixer in ATTENTION_POINTS.items():
        usual = type(mixer)().knobs()
        changed = [f"{key}={value}" for key, value in mixer.knobs().items() if value != usual[key]]
        found.append((name, f"`{mixer.name}`", ", ".join(changed)))
    return found


def _resolution(traits: Traits) -> str:
    if not traits.resolution_bound:
        return "free" if traits.any_size_program else "free, but not as a program"
    return "bound, resizes" if traits.resizes else "bound"


def _mixer_cells(cls: type[Component]) -> Sequence[str]:
    assert issubclass(cls, TokenMixer)
    description, traits, default = describe(cls), cls.traits, cls()
    slots = [
        f"{name} (a {kind.kind}; {getattr(default, name).name})"
        for name, kind in field_kinds(cls).items()
    ]
    code = traits.code
    return (
        f"`{description.name}`",
        ", ".join(description.catalogue),
        description.summary,
        traits.reach,
        traits.weights,
        traits.cost,
        _resolution(traits),
        "; ".join((*map(str, description.knobs), *slots)),
        "yes" if traits.exportable else "no",
        traits.paper,
        code if code == "none" else f"[{code}](https://github.com/{code})",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
