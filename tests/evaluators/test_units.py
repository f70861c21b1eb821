"""Values as users write them; the numbers are worked by hand."""

import pytest
from nas_explorer.evaluators.base import METRICS
from nas_explorer.evaluators.units import (
    plural,
    read_constraint,
    read_metric,
    read_seconds,
    read_whole,
    taken_for_macs,
    write_bounds,
    write_constraint,
    write_value,
)
from nas_explorer.search_space.errors import InputError


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("latency<=5ms", "latency<=5"),
        ("latency <= 0.005 s", "latency<=5"),
        ("latency<500us", "latency<0.5"),
        ("5ms>=latency", "latency<=5"),
        ("accuracy>=90%", "accuracy>=0.9"),
        ("accuracy ≥ 0.9", "accuracy>=0.9"),
        ("flops<=1e6", "macs<=500000"),
        ("FLOPs <= 1 GFLOPs", "macs<=500000000"),
        ("macs in 1M..5MMACs", "macs in 1000000..5000000"),
        ("1M<=macs<=5M", "macs in 1000000..5000000"),
        ("params<=2,000,000", "params<=2000000"),
        ("Params<=2_000_000", "params<=2000000"),
        ("peak_memory<=10MB", "peak_memory<=10000000"),
        ("peak_memory<=10 MiB", "peak_memory<=10485760"),
        ("param_bytes<=64KiB", "param_bytes<=65536"),
        ("param_bytes<=64k", "param_bytes<=64000"),
    ],
)
def test_a_constraint_with_units_is_one_in_the_metrics_own(text: str, same: str) -> None:
    assert str(read_constraint(text)) == same
    assert read_constraint(same) == read_constraint(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latency<=5MB", "5ms or 0.005s, but got unit 'MB'"),
        ("accuracy>=90", "0.9 is 90 %"),
        ("accuracy>=120%", "between 0 and 1"),
        ("params<=2m", "2000000, 2e6 or 2M, but got unit 'm'"),
        ("peak_memory<=5ms", "10MB or 10MiB"),
        ("macs<=1,5M", "must read like"),
        ("parms<=1e6", "in 'parms<=1e6', metric must be one of"),
        ("latency<=5 ms ms", "must read like"),
    ],
)
def test_what_a_unit_does_not_fit_is_refused_with_the_right_form(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_constraint(text)
    assert says in str(caught.value)


def test_every_metric_takes_a_bare_number() -> None:
    for name in METRICS:
        assert read_constraint(f"{name}<=0.5").high == 0.5


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("latency<=5", "latency<=5 ms"),
        ("accuracy>0.9", "accuracy>90 %"),
        ("latency in 1..10", "latency in 1 ms..10 ms"),
        ("peak_memory<=10MB", "peak_memory<=10000000 B"),
        ("params<=2e6", "params<=2000000"),
        ("macs==1e16", "macs==1e+16"),
    ],
)
def test_bounds_are_written_with_units_and_read_back(given: str, written: str) -> None:
    constraint = read_constraint(given)
    assert write_constraint(constraint) == written
    assert read_constraint(written) == constraint
    assert write_bounds(f"keep {constraint}; or macs<=5, but") == f"keep {written}; or macs<=5, but"


def test_values_are_written_with_units() -> None:
    assert write_value("latency", 9.0) == "9 ms"
    assert write_value("accuracy", 0.8754) == "87.54 %"
    assert write_value("param_bytes", 1024) == "1024 B"
    assert write_value("macs", 1024) == "1024"


def test_flops_are_said_to_be_macs() -> None:
    assert taken_for_macs("flops<=1e6") == (
        "flops<=1e6 is taken as macs<=500000: one multiply-add (MAC) is two FLOPs"
    )
    assert taken_for_macs("FLOPs") == "FLOPs is taken as macs: one multiply-add (MAC) is two FLOPs"
    assert taken_for_macs("macs<=1e6") is None
    assert read_metric("FLOPs") == "macs" and read_metric("Accuracy") == "accuracy"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("1.5 h", 5400), ("1h30m", 5400)],
)
def test_times(value: object, seconds: float) -> None:
    assert read_seconds("time_limit", value) == seconds


@pytest.mark.parametrize("value", ["", "m", "10q", "1m30", "1:30", "-5s", True, None])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(InputError, match="must be a time like 90s, 10m or 1h, but got"):
        read_seconds("time_limit", value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7), ("7", 7), ("-1", -1), ("1e3", 1000), ("2k", 2000), ("1,000", 1000)],
)
def test_whole_numbers(value: object, number: int) -> None:
    assert read_whole("budget", value) == number


@pytest.mark.parametrize("value", ["1h", "many", "1.5", "1,00", "", 1.5, True, None])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(InputError, match="budget must be a whole number"):
        read_whole("budget", value)


def test_plurals() -> None:
    assert [plural(count, "worker") for count in (0, 1, 2, 1000)] == [
        "0 workers",
        "1 worker",
        "2 workers",
        "1,000 workers",
    ]
