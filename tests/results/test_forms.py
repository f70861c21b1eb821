"""Candidates and architectures show themselves in notebooks and on terminals."""

import io
from dataclasses import replace

from rich.console import Console


def printed(thing) -> str:
    console = Console(file=io.StringIO(), width=500, color_system=None)
    console.print(thing)
    return console.file.getvalue()


def test_every_mixer_and_measurement_is_told(make_candidate):
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
