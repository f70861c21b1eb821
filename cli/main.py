"""The command ``nas``, its commands and its exit codes."""

import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from . import (
    baselines,
    bench,
    compress,
    dashboard,
    export,
    fidelity,
    finalize,
    measure,
    recipes,
    refine,
    report,
    ruler,
    scale,
    search,
    show,
    space,
    studies,
    zoo,
)
from .shared import WorkError

_SIGINT = 130
"""Exit code of some versions of Typer after Ctrl-C."""

app = typer.Typer(
    name="nas",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import version
    from platform import python_version

    others = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna"))
    print(f"nas-explorer {version('nas-explorer')} (Python {python_version()}, {others})")
    raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the versions and exit."
        ),
    ] = False,
) -> None:
    """Search for the vision backbone that fits your images, your device and your budget."""


search.register(app)
refine.register(app)
compress.register(app)
scale.register(app)
baselines.register(app)
fidelity.register(app)
show.register(app)
report.register(app)
measure.register(app)
ruler.register(app)
zoo.register(app)
recipes.register(app)
space.register(app)
studies.register(app)
export.register(app)
finalize.register(app)
dashboard.register(app)
bench.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 the work failed, 2 the request was wrong."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code, with one line on standard error unless it is 0."""
    from ..search_space.errors import InputError

    try:
        result = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments),
            prog_name="nas",
            standalone_mode=False,
        )
    except InputError as error:
        return _fail(error, 2)
    except WorkError as error:
        return _fail(error, 1)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except BrokenPipeError:  # the reader closed the pipe
        sys.stderr.close()
        return 0
    except Exception as error:
        # Typer's usage errors, whose class has moved between versions.
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        message = usage()
        if message.startswith("Usage:"):  # a command group without a subcommand shows the help
            print(message, file=sys.stderr)
            return 2
        return _fail(_with_value(message, sys.argv[1:] if arguments is None else arguments), 2)
    if result == _SIGINT:
        return _interrupted()
    return result if isinstance(result, int) else 0


def _interrupted() -> int:
    return _fail("interrupted; finished candidates are stored, and the same command continues", 1)


def _with_value(message: str, arguments: Sequence[str]) -> str:
    """Return a usage error's message; the given value is added if it names only the option."""
    named = re.search(r"Invalid value for '(--[\w-]+)'", message)
    if named is None or named[1] not in arguments[:-1]:
        return message
    given = arguments[arguments.index(named[1]) + 1]
    return message if given in message else f"{message}, but got {given!r}"


def _fail(message: object, code: int) -> int:
    line = " ".join(str(message).split())
    print(f"nas: {line}", file=sys.stderr)
    return code
