"""Runs scripts of ``benchmarks/`` in the process of the test, since importing torch takes
seconds."""

import contextlib
import importlib.util
import io
import json
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run_benchmark(script: str, *options: str) -> dict[str, Any]:
    """Run a script, which must not fail; return the JSON value of its last line."""
    reported = io.StringIO()
    argv, path = [script, *options], [*sys.path]
    with (
        patch.multiple(sys, argv=argv, path=path),
        patch.dict(os.environ),
        contextlib.redirect_stdout(reported),
    ):
        try:
            runpy.run_path(str(FOLDER / script), run_name="__main__")
        except SystemExit as end:
            assert not end.code, f"{end.code}\n{reported.getvalue()}"
    return json.loads(reported.getvalue().splitlines()[-1])


def load_benchmark(script: str) -> ModuleType:
    """Return a script as a module, to test its functions."""
    name = f"benchmark_{script.removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, FOLDER / script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module
