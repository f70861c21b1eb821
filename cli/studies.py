"""``nas studies``: lists, renames and deletes studies."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Json, Storage, print_json, print_rows, storage_url, study_option

if TYPE_CHECKING:
    from ..results.study.studies import StudyEntry

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="List, rename and delete studies.", invoke_without_command=True)
    group.callback()(studies)
    group.command("rename")(rename)
    group.command("delete")(delete)
    app.add_typer(group, name="studies")


def studies(context: typer.Context, *, storage: Storage = None, as_json: Json = False) -> None:
    """List the studies of a storage, the latest first; rename or delete one."""
    context.obj = storage
    if context.invoked_subcommand is not None:
        return
    from ..results.study.run_time import duration

    found = _entries(storage_url(storage))
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    if not found:
        print("No study yet; nas search creates one.")
        return
    rows = [
        [
            each.name,
            str(sum(each.counts.values())),
            _counts(each),
            ", ".join(each.settings.get("objectives", ())),
            "" if each.time is None else duration(each.time.wall),
            _searched(each),
        ]
        for each in found
    ]
    print_rows(["study", "candidates", "of which", "objectives", "time", "last searched"], rows)


def _entries(url: str) -> "list[StudyEntry]":
    from ..results.study.storage import open_storage
    from ..results.study.studies import study_list

    return study_list(open_storage(url, create=False), url)


def _counts(entry: "StudyEntry") -> str:
    if not entry.settings:
        return "its settings are damaged"
    counts = [f"{count} {status}" for status, count in entry.counts.items()]
    if entry.foreign:
        counts.append(f"{entry.foreign} of other programs")
    return ", ".join(counts) or "none yet"


def _searched(entry: "StudyEntry") -> str:
    from ..results.study.holder import searched_by

    when = datetime.fromtimestamp(entry.since).strftime("%Y-%m-%d %H:%M") if entry.since else "?"
    if not entry.searched:
        return when
    by = searched_by(entry.holder)
    return f"now, by {by}" if entry.under_way else f"{when}, by {by}, which has ended"


def _as_json(entry: "StudyEntry") -> dict[str, Any]:
    described = ("space_name", "data", "objectives", "constraints", "searcher", "seed")
    return {
        "name": entry.name,
        **{key: entry.settings.get(key) for key in described},
        "candidates": dict(entry.counts),
        "foreign_trials": entry.foreign,
        "time": None if entry.time is None else entry.time.to_json(),
        "searched_at": datetime.fromtimestamp(entry.since, UTC).isoformat()
        if entry.since
        else None,
        "searched_by": {key: entry.holder[key] for key in ("pid", "host")}
        if entry.under_way
        else None,
    }


def rename(
    context: typer.Context,
    study: StudyArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    *,
    storage: Storage = None,
) -> None:
    """Rename a study, with its weights."""
    from ..results.study.studies import rename_study

    rename_study(study, new, storage_url(storage or context.obj))
    print(f"Study {study!r} is now {new!r}; nas search {study_option(new)} continues it.")


def delete(
    context: typer.Context,
    study: StudyArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: Storage = None,
) -> int:
    """Delete a study: its candidates and their weights."""
    from ..results.study.storage import file_beside
    from ..results.study.studies import delete_study
    from ..search_space.errors import InputError, unknown_name

    url = storage_url(storage or context.obj)
    entries = {each.name: each for each in _entries(url)}
    weights = file_beside(url, study, ".weights")
    entry = entries.get(study)
    if entry is None and not weights.exists():
        raise unknown_name("study", study, list(entries))
    if not yes:
        count = sum(entry.counts.values()) if entry else 0
        what = f"study {study!r}: {count} candidates and {_megabytes(weights):.1f} MB of weights"
        if not sys.stdin.isatty():
            raise InputError(f"deletion must be confirmed with --yes, but got none for {what}")
        if not typer.confirm(f"Delete {what}?"):
            print("Nothing was deleted.")
            return 1
    delete_study(study, url)
    print(f"Deleted study {study!r}")
    return 0


def _megabytes(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6
