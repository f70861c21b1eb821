"""What a command shows while it works for long."""

import sys
import time
from pathlib import Path

import pytest
from nas_explorer.cli import working as module
from nas_explorer.cli.working import working


def waited(capsys: pytest.CaptureFixture[str], text: str) -> str:
    """Return what standard error holds once it has a text."""
    found = ""
    for _ in range(1000):
        found += capsys.readouterr().err
        if text in found:
            break
        time.sleep(0.01)
    return found


def test_a_line_comes_only_where_the_work_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working("Reading the images"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with working("Reading the images") as view:
        assert waited(capsys, "...") == "Reading the images ...\n"
        view.count("Scores", 3, 24)
        assert waited(capsys, "...") == "Scores: 3 of 24 ...\n"
        view.count("Scores", 0, 0)
    assert capsys.readouterr() == ("", ""), "nothing on standard output"


def test_fast_steps_print_their_last_line_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with working("Begin") as view:
        for step in range(1, 100):
            view.count("Scores", step, 99)
        assert waited(capsys, "...") == "Scores: 99 of 99 ...\n"


def test_a_terminal_has_a_live_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with working("Reading [the] images") as view:
        if view._status is None:  # pyright: ignore[reportPrivateUsage]
            pytest.skip("this version of rich takes no terminal from the environment")
        plain = view._status.status  # pyright: ignore[reportPrivateUsage]
        assert str(plain) == "Reading [the] images ...", "no markup"
        view.close()
        view.reopen("Writing")
        assert str(view._status.status) == "Writing ..."  # pyright: ignore[reportPrivateUsage]


def test_library_code_never_uses_it() -> None:
    root = Path(module.__file__).parent.parent
    for folder in ("search_space", "evaluators", "results", "searchers"):
        for file in (root / folder).rglob("*.py"):
            assert "cli.working" not in file.read_text(encoding="utf-8"), file
    assert "nas_explorer.cli.working" in sys.modules
