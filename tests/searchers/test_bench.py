"""The benchmark of searchers, on small tables."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nas_explorer.cli.main import run
from nas_explorer.search_space.domains import Choice
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.bench.bench import Bench, BenchSettings
from nas_explorer.searchers.bench.figure import bench_figure
from nas_explorer.searchers.bench.hypervolume_ratio import (
    HypervolumeRatio,
    tight_reference,
    wide_reference,
)
from nas_explorer.searchers.bench.result_table import ResultTable, TableBound, read_table
from nas_explorer.searchers.bench.rungs import Rungs, TableHalving, share_of_epochs
from nas_explorer.searchers.bench.table_space import TableSpace, row_of
from nas_explorer.searchers.names import SEARCHERS

from ..benchmark_runs import run_benchmark

LOSSES = np.array([[0.5, 1.0], [0.3, 2.0], [0.1, 4.0], [0.2, 5.0], [0.1, 6.0]])


def made(folder: Path) -> Path:
    """Write a table of 4 x 3 x 3 networks, in which two values of the first decision are
    equivalent.
    """
    rows: list[dict[str, object]] = []
    for op, kernel, width in product(("none", "conv", "pool", "conv2"), (0, 1, 2), (16, 24, 64)):
        gain = {"none": 0, "conv": 9, "pool": 4, "conv2": 9}[op] + 2 * (kernel == 1)
        rows.append(
            {
                "x.op": op,
                "x.kernel": kernel,
                "x.width": width,
                "accuracy": 80 + gain + width / 16,
                "accuracy_std": 0.5,
                "macs": width * (10 + gain + kernel),
                "params": width * 7 + gain,
                "note": "text",
            }
        )
    path = folder / "made.csv"
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def table(path: Path) -> ResultTable:
    return read_table(path)


def bench(table: ResultTable, **settings: object) -> Bench:
    chosen = {"objectives": ("accuracy", "macs"), "budget": 20, "seeds": 2, **settings}
    return Bench(table, BenchSettings(**chosen))  # type: ignore[arg-type]


def test_the_columns_of_a_table(table: ResultTable) -> None:
    assert table.rows == 36
    assert {name: each.ordered for name, each in table.domains.items()} == {
        "op": False,
        "kernel": False,  # 0, 1, 2 are codes
        "width": True,
    }
    assert table.domains["width"] == Choice((16, 24, 64))
    assert set(table.values) == {"accuracy", "accuracy_std", "macs", "params"}
    assert table.values["accuracy"].max() == pytest.approx(0.95)
    assert table.values["accuracy_std"].max() == pytest.approx(0.005)
    assert table.bound("accuracy>=90") == TableBound(column="accuracy", value=0.9, upper=False)
    assert table.bound("macs<=300") == TableBound(column="macs", value=300, upper=True)
    assert table.direction("macs") == "minimize"


def test_decisions_can_be_declared(path: Path) -> None:
    table = read_table(path, ordered=["kernel"], categorical=["width"])
    assert [table.domains[name].ordered for name in ("kernel", "width")] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy,macs\n1,2\n", "decisions in columns like x.kernel"),
        ("x.a,accuracy\n1,90\n1,91\n", "every network once"),
        ("x.a,accuracy\n1,\n2,91\n", "number for accuracy"),
        ("x.a,accuracy\n,90\n2,91\n", "value of x.a"),
        ("x.a,name\n1,b\n", "a metric beside the decisions"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(file)


def test_every_row_is_walked_once(table: ResultTable) -> None:
    space = TableSpace(table=table)
    walks = list(space.enumerate())
    assert [row_of(each.architecture) for each in walks] == list(range(36))
    for walk in walks:
        row = row_of(walk.architecture)
        codes = [d.values.index(walk.decisions[n]) for n, d in table.domains.items()]
        assert codes == table.codes_RD[row].tolist()


def test_a_walk_through_a_table_with_gaps(tmp_path: Path) -> None:
    file = tmp_path / "gaps.csv"
    file.write_text("x.a,x.b,accuracy\n0,0,50\n0,2,60\n1,1,70\n")
    space = TableSpace(table=read_table(file))
    found = {row_of(space.walk(RandomChooser(seed)).architecture) for seed in range(30)}
    assert found == {0, 1, 2}
    assert [dict(each.decisions) for each in space.enumerate()] == [
        {"a": "0", "b": "0"},
        {"a": "0", "b": "2"},
        {"a": "1", "b": "1"},
    ]


def test_twins_count_once(table: ResultTable) -> None:
    """The 9 networks of conv2 have the metrics of those of conv."""
    plain, distinct = (TableSpace(table=table, distinct=each) for each in (False, True))
    assert len({each.architecture.digest for each in plain.enumerate()}) == 36
    assert len({each.architecture.digest for each in distinct.enumerate()}) == 27


def test_ratios_by_hand() -> None:
    """Reference (0.5, 6): the table dominates 0.2 x 4 + 0.2 x 2 = 1.2."""
    ratio = HypervolumeRatio(LOSSES, wide_reference(LOSSES))
    assert ratio.reference_M.tolist() == [0.5, 6.0]
    assert ratio.whole == pytest.approx(1.2)
    # Row 3 dominates 0.3 x 1, row 2 then adds 0.4 x 2 - 0.3, row 0 lies at the reference.
    assert ratio.growth([3, 0, 2, 3, 1]) == pytest.approx(np.array([0.3, 0.3, 0.8, 0.8, 1.2]) / 1.2)


def test_the_tight_reference_by_hand() -> None:
    """The best first loss is 0.1, at a cost of 4."""
    found = tight_reference(LOSSES, 0, 0.4)
    assert found is not None and found.tolist() == [0.4, 4.0]
    assert HypervolumeRatio(LOSSES, found).whole == pytest.approx(0.1 * 2)
    assert tight_reference(LOSSES, 0, 0.2) is None


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each == "gp")) for each in SEARCHERS]
)
def test_a_searcher_finds_the_whole_front(name: str, table: ResultTable) -> None:
    """With a budget as large as the table, no network is evaluated twice."""
    found = bench(table, budget=27, distinct=True, seeds=1, known=("macs",)).run(name)
    assert found.wide_SN[0, -1] == pytest.approx(1.0)
    assert (np.diff(found.wide_SN[0]) >= 0).all()
    assert found.repeats == 0


def test_a_sampler_of_optuna_repeats(table: ResultTable) -> None:
    found = bench(table, budget=40, seeds=1).run("optuna:TPESampler")
    assert found.repeats >= 4  # there are 36 rows


def test_noise_is_that_of_one_training(table: ResultTable) -> None:
    """Ratios use the true values; searchers see noisy ones."""
    quiet, noisy = (
        bench(table, noise=noise, seeds=1).run("nsga2") for noise in (None, "accuracy_std")
    )
    assert quiet.wide_SN.shape == noisy.wide_SN.shape == (1, 20)
    assert quiet.wide_SN.tolist() == bench(table, seeds=1).run("nsga2").wide_SN.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objectives": ("accuracy", "mac")}, "did you mean 'macs'"),
        ({"noise": "params"}, "column of noise must be that of an objective"),
        ({"with_bound": True}, "must come with --tight"),
        ({"tight": TableBound(column="accuracy", value=0.9, upper=True)}, "on its worse side"),
        ({"tight": TableBound(column="accuracy", value=0.99, upper=False)}, "but has none"),
    ],
)
def test_bad_settings_are_refused(
    table: ResultTable, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bench(table, **settings)


def test_the_figure_has_a_line_and_a_band_for_each(table: ResultTable) -> None:
    one = bench(table, tight=table.bound("accuracy>=85"), with_bound=True).run("random")
    assert one.tight_SN is not None
    figure = bench_figure([one, one])
    assert len(figure.data) == 4
    assert list(figure.data[1].y) == np.median(one.tight_SN, axis=0).tolist()


def test_the_command(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "curves.html"
    arguments = ["bench", "searchers", "--table", str(path), "--searchers", "random,NSGA-II"]
    arguments += ["--budget", "30", "--seeds", "2", "--seed", "5", "--tight", "accuracy>=85"]
    assert run([*arguments, "--json", "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["distinct_rows"] == 27 and found["seeds"] == [5, 6]
    assert found["known"] == ["macs", "params"]
    assert set(found["searchers"]) == {"random", "nsga2"}
    one = found["searchers"]["random"]
    assert set(one["tight"]) == set(one["wide"]) == {"25", "30"}
    assert 0 <= one["tight"]["25"]["q1"] <= one["tight"]["25"]["q3"] <= 1
    assert plot.stat().st_size > 1000
    assert run(arguments) == 0
    assert "tight ratio after\t25\t30" in capsys.readouterr().out


def test_a_bad_request_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "searchers", "--table", str(path)]
    for more in (["--searchers", "optuna:TPESample"], ["--tight", "accuracy"], ["--plot", "a.txt"]):
        assert run([*arguments, *more]) == 2
        assert capsys.readouterr().err.count("\n") == 1


# Early stopping -----------------------------------------------------------------------------------

_TWO = """x.a,x.b,accuracy,accuracy@1epochs,accuracy@3epochs,macs
0,0,0.5,0.3,0.4,1
0,1,0.6,0.2,0.3,4
1,0,0.7,0.5,0.6,2
1,1,0.9,0.6,0.8,3
2,0,0.8,0.1,0.2,5
2,1,0.4,0.1,0.1,6
"""


def _two(folder: Path) -> Path:
    file = folder / "two.csv"
    file.write_text(_TWO)
    return file


def test_a_stopped_network_costs_the_epochs_of_its_rung(tmp_path: Path) -> None:
    table = read_table(_two(tmp_path))
    objectives = (
        Objective(metric="accuracy", direction="maximize"),
        Objective(metric="macs", direction="minimize"),
    )
    of = TableHalving.of(table, ("accuracy", "macs"), epochs=9)
    assert of.halving.rungs == (1, 3)
    rungs = Rungs(of, objectives)
    values = [{name: float(each[row]) for name, each in table.values.items()} for row in range(6)]
    assert rungs.climb(0, 0, values[3]) == 9  # the first has no peers
    assert rungs.climb(1, 1, values[5]) == 1  # dominated at the first rung
    assert rungs.climb(2, 2, values[0]) == 9  # the fewest MACs
    assert rungs.climb(3, 0, values[5]) == 9  # as above, but its peers are not known yet


def test_the_share_of_epochs_compares_runs_of_one_seed() -> None:
    whole = np.array([[0.2, 0.5, 0.5, 0.8], [0.1, 0.4, 0.4, 0.4]])
    stopped = np.array([[0.5, 0.8, 0.9, 0.9], [0.1, 0.2, 0.3, 0.3]])
    assert share_of_epochs(stopped, whole).tolist() == [0.5, np.inf]


def test_a_benchmark_with_early_stopping_counts_epochs(tmp_path: Path) -> None:
    table = read_table(_two(tmp_path))
    halving = TableHalving.of(table, ("accuracy", "macs"), epochs=9, rungs=(1,))
    settings = BenchSettings(
        objectives=("accuracy", "macs"), known=("macs",), budget=4, seeds=2, halving=halving
    )
    curves = Bench(table, settings).run("random+asha")
    assert curves.wide_SN.shape == (2, 4)
    assert 4 < curves.evaluated <= 6 and curves.stopped > 0
    assert (np.diff(curves.wide_SN, axis=1) >= 0).all()


def test_rungs_that_the_table_lacks_are_refused(tmp_path: Path) -> None:
    table = read_table(_two(tmp_path))
    for rungs in ((2,), (9,)):
        with pytest.raises(InputError, match="fidelities of the table below 9 epochs"):
            TableHalving.of(table, ("accuracy",), epochs=9, rungs=rungs)


@pytest.mark.slow
def test_a_table_of_two_fidelities_is_made_and_read(tmp_path: Path) -> None:
    file = tmp_path / "made.csv"
    figures = run_benchmark("fidelity_table.py", "-o", str(file), "--quick")
    assert figures["rows"] == 2
    table = read_table(file)
    assert {"accuracy", "accuracy@1epochs", "macs", "params"} <= set(table.values)


@pytest.mark.slow
def test_searchers_are_compared_on_real_trainings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/real.db"
    figures = run_benchmark("real_space.py", "--quick", "--storage", url)
    ratios = [each for (each,) in figures["ratios"]["random"].values()]
    assert 0 <= ratios[0] <= ratios[-1] <= 1
