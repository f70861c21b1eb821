"""The output of a search before its first result, at its end, and on interruption."""

import os
import signal
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from nas_explorer.cli import progress, search_end
from nas_explorer.cli.shared import sigterm_interrupts
from nas_explorer.results.study.run_time import RunTime
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.search import Summary


class Impatient:
    """A timer that expires at once."""

    def __init__(self, seconds: float, function: Any, arguments: tuple[Any, ...]) -> None:
        self.start = lambda: function(*arguments)
        self.daemon = False

    def cancel(self) -> None:
        """Cancel too late."""


def prepared(**options: Any) -> Any:
    """Return a stand-in for a search, with the attributes that are shown."""
    study = SimpleNamespace(name="mine", candidates=list[Any], times=list[Any])
    space = SimpleNamespace(name="micro", size=lambda: "7 architectures", never_built=tuple[Any])
    return SimpleNamespace(
        options=SimpleNamespace(
            objectives=("accuracy",), budget=3, max_time=None, constraints=(), **options
        ),
        study=study,
        space=space,
        data=None,
        workers=1,
        notes=(),
        ledger=Ledger(),
        plan=SimpleNamespace(
            device="cpu", metrics=("accuracy",), settings={"accuracy": {"epochs": 5}}
        ),
    )


def test_it_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "Timer", Impatient)
    monkeypatch.setattr(progress, "data_lines", lambda data: [])
    search = prepared()
    with progress.show_progress() as view, view.searching(search):
        assert capsys.readouterr().err == "Reading the data and the space ...\n"
        search.ledger.given(0)
    assert capsys.readouterr().err.splitlines() == [
        "Study mine: space micro (7 architectures), 1 worker on cpu",
        "Searching: waiting for the first result; workers start, then each candidate is measured "
        "and trained for 5 epochs",
    ]


def wait_for_head(view: progress.ProgressView) -> None:
    head = view._head  # pyright: ignore[reportPrivateUsage]
    assert head is not None
    head.result(10)


def test_an_error_before_the_first_job_neither_counts_the_space_nor_prints_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted, search = list[str](), prepared()
    search.space.size = lambda: counted.append("counted")
    with (
        pytest.raises(InputError, match="refused"),
        progress.show_progress() as view,
        view.searching(search),
    ):
        raise InputError("refused")
    wait_for_head(view)
    assert not counted and capsys.readouterr().err == ""


def test_an_interruption_does_not_wait_for_the_count_of_the_space(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counting, interrupted, search = Event(), Event(), prepared()
    in_time: list[bool] = []

    def size() -> str:
        counting.set()
        in_time.append(interrupted.wait(2))
        return "7 architectures"

    search.space.size = size
    with (
        pytest.raises(KeyboardInterrupt),
        progress.show_progress() as view,
        view.searching(search),
    ):
        search.ledger.given(0)
        assert counting.wait(10)
        raise KeyboardInterrupt
    interrupted.set()
    wait_for_head(view)
    assert in_time == [True] and capsys.readouterr().err == ""


def test_it_says_nothing_where_results_come_soon(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show_progress():
        pass
    assert capsys.readouterr().err == ""


def test_a_share_of_the_work_is_shown_only_where_there_was_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nas_explorer.cli.show.print_front", lambda study: [])
    shown: list[str] = []
    for worked in ({}, {"latency": 1.0, "training": 2.0}):
        summary = Summary(
            fresh=len(worked) // 2,
            finished=3,
            exhausted=False,
            duplicates=0,
            time=RunTime(
                since=0.0, wall=2.0, search={"searching": 1.0, "idle": 1.0}, workers=worked
            ),
        )
        search_end.print_end(prepared(), summary)
        shown.append(capsys.readouterr().out)
    assert "Searching process: searching 1.0 s, idle 1.0 s" in shown[0]
    assert shown[0].startswith("Study mine: 0 candidates more, 3 in all, in 2.0 s")
    assert "Searching process (25.0 % of the work): searching 1.0 s, idle 1.0 s" in shown[1]
    assert shown[1].startswith("Study mine: 1 candidate more, 3 in all, in 2.0 s")


def test_sigterm_ends_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
