"""``nas space from``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .measure import find_architecture
from .shared import Plugins, Storage, StudyName

_SIGN = "# Made by nas space from "
"""Beginning of the files that may be overwritten."""


def space_from(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|CANDIDATE",
            help="A published network, a .json or .safetensors file, or a candidate.",
        ),
    ],
    *,
    vary: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="Fields that vary: width, depth, kernel_size, mixer, stages.0.width ...",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.yaml",
            help="File to write; by default the space is printed.",
        ),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
) -> None:
    """Write a space around one network, in which only some fields vary."""
    import yaml

    from ..search_space.around import space_data_around
    from ..search_space.errors import InputError
    from ..search_space.files import space_from_data
    from ..search_space.space_files import SPACE_ENDINGS

    target = None if output is None else Path(output)
    if target is not None:
        if target.suffix not in SPACE_ENDINGS:
            raise InputError(f"a space file must end in .yaml or .yml, but got {output!r}")
        if target.exists() and not _is_ours(target):
            raise InputError(
                f"--output must not replace a file that nas space from did not write, but got "
                f"{output!r}"
            )
    architecture = find_architecture(network, study, storage)
    names = [each.strip() for each in vary.split(",") if each.strip()]
    data = space_data_around(architecture, names, name=target.stem if target else "around")
    space = space_from_data(data)
    assert space.contains(architecture), "a space around a network holds it"
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=100)
    text = f"{_SIGN}{network} --vary {','.join(names)}\n{text}"
    if target is None:
        print(text, end="")
    else:
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--output must be writable, but got {output!r}: {error.strerror}"
            ) from None
        print(f"{target}: {space.size()}; nas search --space {target}")
    for line in space.never_built():
        print(f"nas: {line}", file=sys.stderr)


def _is_ours(file: Path) -> bool:
    with file.open(encoding="utf-8", errors="replace") as opened:
        return opened.readline().startswith(_SIGN)
