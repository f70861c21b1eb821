"""What is said of an interruption is one line, and true."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from nas_explorer.cli.main import run


def test_an_interruption_of_the_first_imports_is_one_line():
    """The import of Typer is interrupted, in a process of its own."""
    code = (
        "import builtins, sys\n"
        "load = builtins.__import__\n"
        "def interrupted(name, *given, **more):\n"
        "    if name == 'typer':\n"
        "        raise KeyboardInterrupt\n"
        "    return load(name, *given, **more)\n"
        "builtins.__import__ = interrupted\n"
        "from nas_explorer.cli.entry import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nas: interrupted\n")


@dataclass
class Prepared:
    """What an interrupted training needs to know."""

    folder: Path


@pytest.mark.parametrize(
    ("stored", "says"),
    [((), "nothing is stored yet"), (("seed-0.training",), "the last checkpoint are in ")],
)
def test_an_interrupted_full_training_says_what_is_stored(
    stored, says, tmp_path, monkeypatch, capsys
):
    def stopped(prepared, listener):
        for name in stored:
            (prepared.folder / name).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_explorer.results.final.finalize.prepare", lambda _: Prepared(tmp_path))
    monkeypatch.setattr("nas_explorer.results.final.finalize.finished", lambda _: None)
    monkeypatch.setattr("nas_explorer.results.final.finalize.run", stopped)
    monkeypatch.setattr("nas_explorer.cli.finalize._begin", lambda _: None)
    assert run(["finalize", "van_b0", "--data", "digits"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err and "same command" in err
