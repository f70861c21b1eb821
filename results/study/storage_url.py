"""URLs of storages as users write them."""

from ...search_space.errors import InputError

DEFAULT_STORAGE = "sqlite:///runs/nas.db"
"""The default storage."""

_FILES = (".db", ".sqlite", ".sqlite3")


def read_storage(text: str | None) -> str:
    """Return the URL of a storage: the default for None, an SQLite URL for a database file.

    Raises:
        InputError: If the text is neither a URL nor the path of a database file.
    """
    if text is None:
        return DEFAULT_STORAGE
    if "://" in text:
        return text
    if text.endswith(_FILES) and ":" not in text:
        return f"sqlite:///{text}"
    raise InputError(
        f"storage must be a URL like {DEFAULT_STORAGE}, or a file ending in {', '.join(_FILES)}, "
        f"but got {text!r}"
    )
