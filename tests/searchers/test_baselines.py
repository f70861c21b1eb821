"""Baselines: networks for any images, beside the front and not on it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.cli.main import run as nas
from nas_explorer.results.analysis.baselines import beside_front
from nas_explorer.results.analysis.columns import ColumnBuilder
from nas_explorer.results.candidate import Candidate, searched
from nas_explorer.results.dashboard.scatter import scatter
from nas_explorer.results.figures.plots import pareto
from nas_explorer.results.figures.scatter_data import scatter_data
from nas_explorer.results.figures.view import View
from nas_explorer.results.report.text_sections import front_section
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.baselines import BASELINES
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from nas_explorer.searchers.run import additions
from nas_explorer.searchers.run.baselines import budgets

from ..results.conftest import candidate as made_candidate
from .digits_study import Here, digits_study


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("images", [Shape(1, 8, 8), Shape(3, 32, 32), Shape(3, 224, 224)])
def test_baselines_can_be_built_for_images_of_any_size(name: str, images: Shape) -> None:
    network = BASELINES[name].make(images, 7)
    assert network.input == images and network.classes == 7
    _, height, width = network.stage_shapes[0]
    assert height * width >= 16  # neighbours are left to be mixed


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(additions, "make_engine", lambda *given: Here())
    return ["--study", "digits", "--storage", digits_study(tmp_path)]


def test_a_baseline_is_beside_the_front_and_not_on_it(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["baselines", "--networks", "resnet", "--to", "macs=250k", *options]
    assert nas([*command, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["baselines"]
    assert found["name"] == "ResNet" and abs(found["value"] / 250e3 - 1) <= 0.02
    assert found["status"] == "baseline" and found["candidate"] == 1
    study = Study.open("digits", options[-1])
    assert study.find(1).value("accuracy") is not None
    assert list(study.front()["number"]) == [0]
    assert [each.number for each in searched(study.candidates())] == [0]
    study.close()
    assert nas([*command, "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["baselines"][0]["fresh"]
    assert nas(["front", *options]) == 0
    printed = capsys.readouterr().out
    assert "Baselines, trained on the same data" in printed and "ResNet" in printed
    assert nas(["studies", "--storage", options[-1]]) == 0
    assert "1 complete, 1 baseline" in capsys.readouterr().out


def test_baselines_may_be_candidates_of_the_front(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["baselines", "--networks", "vit,nothing", "--to", "macs=100k", "--on-front"]
    assert nas([*command, *options]) == 0
    printed = capsys.readouterr().out
    assert "ViT is candidate 1: complete" in printed and "nothing: " in printed
    columns = Study.open("digits", options[-1]).columns()
    assert columns.comparable(("accuracy", "macs")).tolist() == [True, True]


def test_budgets_are_the_bounds_else_the_cost_of_the_best(tmp_path: Path) -> None:
    for name, constraints, metric in (
        ("bound", ("params<=50e3", "accuracy>=0.1"), "params"),
        ("best", (), "macs"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        study = Study.open("digits", digits_study(folder, constraints=constraints))
        (found,) = budgets(study)
        assert found.metric == metric and found.low == found.high
        assert metric == "macs" or found.high * 1.02 == pytest.approx(50e3)


@pytest.fixture
def shown() -> list[Candidate]:
    """Two candidates on the front, and a baseline that dominates one."""
    one = made_candidate(0, accuracy=(0.5, 0.45, 0.55), macs=10_000)
    two = made_candidate(1, accuracy=(0.8, 0.79, 0.81), macs=40_000)
    best = made_candidate(2, accuracy=(0.9, 0.89, 0.91), macs=40_000, status="baseline")
    return [one, two, replace(best, origin={"baseline": "ResNet", "on_front": False})]


def test_a_baseline_is_compared_with_the_candidates(shown: list[Candidate]) -> None:
    objectives = ("accuracy", "macs")
    (found,) = beside_front(shown, shown[:2], objectives)
    assert (found.name, found.better, found.worse) == ("ResNet", (), (1,))
    assert found.text == "dominates 1"
    worse = replace(shown[2], measurements=shown[0].measurements)
    measured = {**shown[1].measurements, "macs": shown[0].measurements["macs"]}
    better = replace(shown[0], measurements=measured)
    (found,) = beside_front([better, worse], [better], objectives)
    assert found.text == "dominated by 0"


def test_figures_and_report_show_baselines_by_name(shown: list[Candidate]) -> None:
    *_, last = pareto(shown, "macs", "accuracy").to_dict()["data"]
    assert last["name"] == "baseline ResNet" and list(last["customdata"]) == [2]
    page = front_section(shown, ("accuracy", "macs"), shown[:2])
    assert "<h3>Baselines</h3>" in page and "ResNet" in page and "dominates 1" in page
    builder = ColumnBuilder()
    builder.take(each.to_json() for each in shown)
    columns = builder.columns()
    assert columns.comparable(("accuracy", "macs")).tolist() == [True, True, False]
    view = View(study="", x="macs", y="accuracy")
    drawn = scatter_data(columns, view, ("accuracy", "macs"))
    assert drawn.others["baseline"].tolist() == [2]
    figure = scatter(columns, view, (), drawn, columns.number_N[:0])
    assert "baseline (1)" in [each["name"] for each in figure.to_dict()["data"]]


def test_without_a_budget_there_are_no_baselines(tmp_path: Path) -> None:
    study = Study.open("digits", digits_study(tmp_path))
    with study.exclusive():
        had = study.find(0)
        study.revise(replace(had, status="infeasible"))
    with pytest.raises(InputError, match="no bound and no complete candidate, so name one"):
        budgets(study)
