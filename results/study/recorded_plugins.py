"""The plug-ins that a study has recorded, read before the study is opened."""

from pathlib import Path

_SQLITE = "sqlite:///"


def recorded_plugins(study: str, url: str) -> tuple[str, ...]:
    """Return the modules that register the plug-ins of a study.

    The result is empty if the storage or the study does not exist or cannot be read; the search
    itself reports that.

    Args:
        study: Name of the study.
        url: SQLAlchemy URL of the storage.
    """
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE).partition("?")[0]).is_file():
        return ()
    from .storage import StorageError, open_storage  # Optuna takes a second to import
    from .studies import study_list

    try:
        storage = open_storage(url, create=False)
        try:
            entries = study_list(storage, url)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except StorageError:
        return ()
    found = next((each.settings for each in entries if each.name == study), {})
    return tuple(found.get("plugins", ()))
