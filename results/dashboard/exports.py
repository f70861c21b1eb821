"""Export of a candidate through the browser.

Files are made in a temporary folder and sent as one archive. No text from the browser becomes part
of a path.
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
"""Function that exports a candidate: study, number, file, whether with untrained weights.

Raises:
    InputError: If it cannot be exported; the message says why.
"""


def add_exports(server: Flask, source: Source, exporter: Exporter) -> None:
    """Answer requests for model files."""
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
    """Return a text with file names in place of the server's paths."""
    quoted = re.sub(r"(['\"])/[^'\"\n]*/(?=[^'\"/\n]*\1)", r"\1", text)
    return re.sub(r"(?<![\w'\"/.:])/(?:[^\s'\"/]+/)+", "", quoted)


def _said(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")


def _archive(folder: Path) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:  # weights do not shrink
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return data.getvalue()
