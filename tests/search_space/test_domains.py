"""Domains, errors and seeds."""

import subprocess
import sys

import pytest
from nas_explorer.search_space.domains import Choice, Domain, IntRange, Positive, Value, same
from nas_explorer.search_space.errors import InputError, shown, unknown_name
from nas_explorer.search_space.seeds import derive_seed


@pytest.mark.parametrize(
    ("domain", "legal", "illegal"),
    [
        (Choice(("a", "b")), ["a", "b"], ["c", "", 1, None, ["a"]]),
        (Choice((3, 5)), [3, 5], [4, 3.0, True, "3", float("nan")]),
        (Choice((0.5, 1.0)), [0.5, 1.0, 1], [2, "1"]),
        (Choice((False, True)), [True, False], [0, 1, "yes", None]),
        (IntRange(1, 7, 2), [1, 3, 7], [0, 2, 9, 3.0, True, None, "3"]),
        (IntRange(0, 10, 4), [0, 4, 8], [10, 2, -4]),
        (Positive(), [1, 0.5, 1e-9, 10**6], [0, -1, float("nan"), float("inf"), 1e7, True, "1"]),
        (Positive(whole=True), [1, 10**6], [0, 1.0, 10**6 + 1, False, None, 10**400]),
    ],
    ids=repr,
)
def test_what_is_legal(domain: Domain, legal: list[Value], illegal: list[Value]) -> None:
    for value in legal:
        domain.check("knob", value)
    for value in illegal:
        with pytest.raises(InputError) as caught:
            domain.check("knob", value)
        assert str(caught.value).startswith("knob must be ")
        assert str(caught.value).endswith(f", but got {shown(value)}")


def test_wording() -> None:
    with pytest.raises(InputError, match=r"^kernel_size must be odd, but got 4$"):
        IntRange(1, 31, 2).check("kernel_size", 4)
    with pytest.raises(InputError, match=r"^depth must be an integer from 1 to 4, but got 5$"):
        IntRange(1, 4).check("depth", 5)
    rule = r"^w must be an integer from 16 to 64 in steps of 16, but got 20$"
    with pytest.raises(InputError, match=rule):
        IntRange(16, 64, 16).check("w", 20)
    with pytest.raises(InputError, match=r"^act must be one of relu, gelu, but got 'rleu'$"):
        Choice(("relu", "gelu")).check("act", "rleu")


def test_values_are_in_order() -> None:
    assert Choice((7, 3, 5)).values == (3, 5, 7) and Choice((7, 3)).ordered
    assert Choice(("b", "a")).values == ("b", "a") and not Choice(("b", "a")).ordered
    assert not Choice((False, True)).ordered
    assert IntRange(2, 9, 3).values == (2, 5, 8) and IntRange(2, 9, 3).ordered
    with pytest.raises(InputError):
        _ = Positive().values


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice(()),
        lambda: Choice((1, 1)),
        lambda: Choice((2, 2.0)),
        lambda: IntRange(5, 4),
        lambda: IntRange(1, 4, 0),
        lambda: IntRange(1, 4, -1),
    ],
)
def test_empty_and_repeating_domains_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(InputError, match="must"):
        make()


def test_truth_is_not_one() -> None:
    assert not same(True, 1) and not same(0, False)
    assert same(1, 1.0) and same(True, True) and not same("1", 1)


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    error = unknown_name("norm", "layernorm", ["layer_norm", "batch_norm"])
    assert str(error) == (
        "norm must be one of batch_norm, layer_norm, but got 'layernorm'; "
        "did you mean 'layer_norm'?"
    )
    assert "did you mean" not in str(unknown_name("norm", "sprocket", ["layer_norm"]))
    assert "did you mean 'maximize'?" in str(unknown_name("direction", "Max", ["maximize", "min"]))
    assert "did you mean" not in str(unknown_name("direction", "m", ["maximize", "min"]))
    for unlike in ("weird", "age", "wealth of nations"):
        assert "did you mean" not in str(unknown_name("column", unlike, ["weight", "height"]))
    many = str(unknown_name("net", "n7x", [f"n{i}" for i in range(60)]))
    assert many == "net must be one of n0, n1, n10, ... (60 in all), but got 'n7x'; " + (
        "did you mean 'n7'?"
    )
    assert "but got 3" in str(unknown_name("norm", 3, ["layer_norm"]))


def test_what_was_given_is_shown_in_one_short_line() -> None:
    deep: list[object] = []
    deep.append(deep)
    for value in ("x" * 10_000, "two\nlines", list(range(10_000)), {"a": {"b": [1] * 99}}, deep):
        assert len(shown(value)) <= 120 and "\n" not in shown(value)
    assert shown("plain") == "'plain'" and shown(4) == "4"


def test_seeds_depend_on_every_part_and_not_on_the_process() -> None:
    assert derive_seed(1, "ab") == derive_seed(1, "ab")
    different = {derive_seed(1, "ab"), derive_seed(2, "ab"), derive_seed(1, "ba"), derive_seed(1)}
    assert len(different) == 4
    assert derive_seed("1", "2") != derive_seed("12")
    code = "from nas_explorer.search_space.seeds import derive_seed; print(derive_seed(1, 'ab'))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert int(other.stdout) == derive_seed(1, "ab") < 2**32
