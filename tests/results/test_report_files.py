"""The report's figures and candidates as files."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pytest
from nas_explorer.results.report.figure_files import _width, write_candidates, write_figures
from nas_explorer.results.report.report import make_report
from nas_explorer.search_space.errors import InputError


@pytest.fixture
def filled(study, monkeypatch, make_candidate):
    many = [make_candidate(i, accuracy=0.5 + i / 10, macs=10 + i) for i in range(4)]
    many.append(make_candidate(4, status="failed"))
    monkeypatch.setattr(study, "candidates", lambda: many)
    return study


def test_all_candidates_are_in_the_table(filled, tmp_path):
    write_candidates(filled, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == list("01234")
    assert rows[1]["macs"] == "11" and rows[4]["status"] == "failed" and rows[4]["macs"] == ""


def test_each_figure_is_written_in_each_format(filled, tmp_path, monkeypatch):
    def write(fig, file, scale, width, **_):
        for figure, path, times, wide in zip(fig, file, scale, width, strict=True):
            path.write_text(f"{len(figure.data)} {times} {wide}")

    monkeypatch.setattr("nas_explorer.results.report.figure_files.write_images", write)
    written = write_figures(make_report(filled), tmp_path / "a" / "b")
    names = {"front", "hypervolume", "best", "parallel"}
    names |= {f"{what}-{i}" for i in range(4) for what in ("network", "cost-macs", "cost-params")}
    assert {path.name for path in written} == {f"{n}.{e}" for n in names for e in ("svg", "png")}
    assert (tmp_path / "a/b/front.png").read_text() == "2 2 1000"
    assert (tmp_path / "a/b/front.svg").read_text() == "2 1 1000"


def test_parallel_axes_have_room_for_the_names_of_their_values():
    axes = [{"values": [1]}] * 12
    assert _width(go.Figure(go.Parcoords(dimensions=axes))) == 12 * 125
    assert _width(go.Figure()) == _width(go.Figure(go.Parcoords(dimensions=axes[:2]))) == 1000


def test_what_cannot_be_drawn_gives_one_line(filled, study, tmp_path, monkeypatch):
    def fail(**given):
        raise RuntimeError("Kaleido requires\nGoogle Chrome")

    monkeypatch.setattr("nas_explorer.results.report.figure_files.write_images", fail)
    with pytest.raises(InputError, match="Chromium, but got: Kaleido requires Google") as error:
        write_figures(make_report(filled), tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a folder for figures must be writable"):
        write_figures(make_report(filled), tmp_path / "file")
    monkeypatch.setattr(study, "candidates", list)
    with pytest.raises(InputError, match="must show a complete candidate"):
        write_figures(make_report(study), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_pictures_are_drawn(filled, tmp_path: Path, monkeypatch):
    report = replace(make_report(filled), figures={"x": (go.Figure(), "")}, networks={})
    files = {path.name: path.read_bytes() for path in write_figures(report, tmp_path)}
    assert files["front.png"].startswith(b"\x89PNG") and b"accuracy" in files["front.svg"]
