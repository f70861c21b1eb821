"""Tables of candidates, and text forms of numbers."""

from dataclasses import replace

import pandas as pd
import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.table import front_frame, to_frame, write_atomically, write_csv
from nas_explorer.results.numbers import format_measurement, format_value
from nas_explorer.search_space.errors import InputError


def test_one_row_per_candidate(make_candidate):
    candidates = [
        make_candidate(0, accuracy=(0.9, 0.88, 0.92), macs=1000),
        replace(
            make_candidate(1, status="failed", macs=7), reason="no memory", seconds={"total": 2}
        ),
    ]
    frame = to_frame(candidates)
    assert list(frame.columns[:9]) == [
        "number",
        "digest",
        "status",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macs",
        "reason",
        "seconds",
    ]
    assert list(frame["macs"]) == [1000, 7] and frame["macs"].dtype == "Int64"
    assert frame["accuracy"].iloc[0] == 0.9 and pd.isna(frame["accuracy"].iloc[1])
    assert frame["reason"].iloc[1] == "no memory" and frame["seconds"].iloc[1] == 2
    assert frame.attrs["units"] == {"accuracy": "1", "macs": "MAC"}
    assert frame["architecture"].iloc[0] == candidates[0].architecture.summary()
    for row, candidate in enumerate(candidates):
        for path, value in candidate.decisions.items():
            assert frame[path].iloc[row] == value


def test_integers_stay_whole_where_some_are_missing(make_candidate):
    frame = to_frame([make_candidate(0, macs=2**53 + 1), make_candidate(1)])
    assert frame["macs"].iloc[0] == 2**53 + 1 and pd.isna(frame["macs"].iloc[1])


def test_no_candidates_give_an_empty_table():
    assert to_frame([]).empty
    assert front_frame([], ("accuracy", "macs")).empty


def test_the_front_begins_with_the_best(make_candidate):
    candidates = [
        make_candidate(0, accuracy=0.5, macs=10),
        make_candidate(1, accuracy=0.9, macs=30),
        make_candidate(2, accuracy=0.4, macs=20),
    ]
    assert list(front_frame(candidates, ("accuracy", "macs"))["number"]) == [1, 0]
    assert list(front_frame(candidates, ("macs", "accuracy"))["number"]) == [0, 1]


def test_csv_comes_back(make_candidate, tmp_path):
    candidate = replace(make_candidate(0, accuracy=0.5, macs=10), reason='a, "b"\nc')
    frame = to_frame([candidate])
    write_csv(frame, tmp_path / "front.csv")
    back = pd.read_csv(tmp_path / "front.csv")
    assert list(back.columns) == list(frame.columns)
    assert back["reason"].iloc[0] == 'a, "b"\nc' and back["macs"].iloc[0] == 10


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    write_atomically(path, "before")
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(InputError, match=r"must be writable, but got '.*x\.txt': full"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="must be writable"):
        write_atomically(tmp_path / "no" / "such" / "x.txt", "")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.9314, "93.1 %"),
        ("macs", 12_345_678, "12.3 M"),
        ("macs", 1_234_567_890, "1.23 G"),
        ("macs", 999_999, "1.00 M"),
        ("params", 123_456, "123 k"),
        ("params", 812, "812"),
        ("peak_memory", 12_345, "12.3 kB"),
        ("peak_memory", 999_999, "1.00 MB"),
        ("param_bytes", 812, "812 B"),
        ("latency", 1.2345, "1.23 ms"),
        ("accuracy", None, "-"),
    ],
)
def test_numbers_as_people_read_them(metric, value, text):
    assert format_value(metric, value) == text


def test_intervals_as_people_read_them():
    accuracy = Measurement(metric="accuracy", value=0.931, low=0.92, high=0.941)
    assert format_measurement(accuracy) == "93.1 % [92.0, 94.1]"
    assert format_measurement(Measurement(metric="macs", value=5)) == "5"
    wide = Measurement(metric="macs", value=1000, low=900, high=1100)
    assert format_measurement(wide) == "1.00 k [900, 1.10 k]"
    held = Measurement(metric="peak_memory", value=2000, low=1900, high=2100)
    assert format_measurement(held) == "2.00 kB [1.90, 2.10]"
    assert format_measurement(None) == "-"
