"""The benchmarks of searchers run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ..benchmark_runs import load_benchmark, run_benchmark

VARIANTS = ("whole", "no cost features", "no refit", "no product term", "random pool")


def test_the_time_of_a_proposal_is_measured() -> None:
    found = run_benchmark("proposals.py", "--quick")["cpu_seconds"]
    assert set(found) == {"random", "tpe"}
    assert all(each > 0 for of in found.values() for each in of.values())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 5 x 5 x 4 networks whose accuracy grows with the cost, more or less."""
    path = tmp_path_factory.mktemp("ablation") / "made.csv"
    codes = np.stack(np.meshgrid(range(5), range(5), range(4), indexing="ij")).reshape(3, -1)
    macs = 10 + codes.sum(axis=0) ** 2 + codes[0]
    accuracy = 95 - 20 * np.exp(-macs / 40) + np.random.default_rng(0).random(len(macs))
    columns = {f"x.{name}": of for name, of in zip("abc", codes, strict=True)}
    pd.DataFrame({**columns, "accuracy": accuracy, "macs": macs, "params": macs * 2}).to_csv(
        path, index=False
    )
    return path


@pytest.mark.slow
def test_the_ablation_runs_with_each_kind_of_replacement(table: Path) -> None:
    options = ("--table", str(table), "--only", ",".join(VARIANTS), "--quick")
    found = run_benchmark("ablation.py", *options)["variants"]
    assert tuple(found) == VARIANTS
    for variant in found.values():
        assert 0 < variant["medians"]["bounded"]["20"] <= 1


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        ("whole,no cost", "must be of whole, .*, but got 'no cost'"),
        ("no refit,whole", "'whole' must come before 'no refit', but got 'no refit,whole'"),
        ("whole,4 workers without fantasies", "'4 workers' must come before"),
    ],
)
def test_variants_without_their_base_are_refused(names: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        load_benchmark("ablation.py").read_variants(names)


def test_replacements_end() -> None:
    """What a patch replaces exists, differs from the replacement, and is put back."""
    script = load_benchmark("ablation.py")
    for name, patches in script.VARIANTS.items():
        made = patches()
        before = [getattr(place, each) for place, each in made]
        with script.patched(made):
            now = [getattr(place, each) for place, each in made]
        assert all(one is not other for one, other in zip(before, now, strict=True)), name
        assert before == [getattr(place, each) for place, each in made]
