"""Export of a candidate through the browser.

Files are written to a temporary folder and sent as one archive. No text from the browser becomes
part of a path.
"""

import io
import re
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, request

from ...search_space.errors import InputError
from ..export.formats import FORMATS
from ..figures.view import read_number
from .source import Source

Exporter = Callable[[str, int, Path, bool], None]
"""Function that exports a candidate; its arguments are study, number, file, and ``untrained``.

Raises: InputError: If the candidate cannot be exported; the message states the reason.
"""


def add_exports(server: Flask, source: Source, exporter: Exporter) -> None:
    """Add the route that returns model files."""
    one_at_a_time = threading.Lock()

    @server.get("/export")
    def export() -> Response:
        study, ending = request.args.get("study", ""), request.args.get("format", "")
        number = read_number(request.args.get("candidate", ""))
        if study not in source.studies or ending not in FORMATS or number is None:
            return _said("an export must name a study, a candidate and a format", 400)
        fresh = request.args.get("untrained") == "1"
        with one_at_a_time, tempfile.TemporaryDirectory(prefix="nas-export-") as folder:
            name = f"candidate-{number}"
            try:
                exporter(study, number, Path(folder, name + ending), fresh)
            except InputError as error:
                return _said(without_folders(str(error)), 409)
            data = _archive(Path(folder))
        answer = Response(data, mimetype="application/zip")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}{ending}.zip"'
        return answer

    _ = export


def without_folders(text: str) -> str:
    """Return a text with the server's paths replaced by file names."""
    quoted = re.sub(r"(['\"])/[^'\"\n]*/(?=[^'\"/\n]*\1)", r"\1", text)
    return re.sub(r"(?<![\w'\"/.:])/(?:[^\s'\"/]+/)+", "", quoted)


def _said(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")


def _archive(folder: Path) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:  # weights do not compress
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return data.getvalue()
