"""Representations of candidates and architectures in notebooks and on terminals."""

import io
from dataclasses import replace

from nas_explorer.results.study.study import Study
from rich.console import Console


def printed(thing) -> str:
    console = Console(file=io.StringIO(), width=500, color_system=None)
    console.print(thing)
    return console.file.getvalue()


def test_every_mixer_and_measurement_is_described(make_candidate):
    made = make_candidate(0, accuracy=(0.5, 0.45, 0.56), macs=12_345)
    candidate = replace(made, reason="[red]<b>why</b>")
    parts = candidate.architecture.parts()
    mixers = {part.component.label() for part in parts if part.component.kind == "token mixer"}
    for text in (printed(candidate), candidate._repr_html_()):
        assert "50.0 % [45.0, 56.0]" in text and "12.3 k" in text and "candidate 0" in text
        assert candidate.digest[:12] in text and "[red]" in text
        assert all(mixer in text for mixer in mixers)
    assert "&lt;b&gt;why" in candidate._repr_html_()
    shown = printed(candidate.architecture)
    assert shown in printed(candidate) and str(parts[-1].out_shape) in shown
    assert len(shown.splitlines()) == 4 + len(candidate.architecture.stages)


def test_a_study_tells_how_far_it_has_come(study, fill, candidates):
    for text in (printed(study), study._repr_html_()):
        assert "study first" in text and "none yet" in text and "best" not in text
    fill(study, *candidates)
    for text in (printed(study), study._repr_html_()):
        assert "4 complete, 1 failed, 1 infeasible, 1 running" in text
        assert (
            "90.0 % [85.0, 92.0], candidate 1" in text
            and "10.0 k, candidate 0" in text
            and "least macs" in text
        )
    assert "<td>on the front</td><td>2</td>" in study._repr_html_()


def test_the_name_of_a_study_stays_text(url, make_settings):
    study = Study.create_or_open("[red]<b>name</b>", url, make_settings())
    assert "study [red]<b>name" in printed(study)
    assert "&lt;b&gt;name" in study._repr_html_()
