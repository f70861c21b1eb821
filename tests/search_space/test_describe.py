"""Descriptions of components, and the page about mixers, which must be up to date."""

import re
from pathlib import Path

from nas_explorer.search_space.components.describe import descriptions, mixers_page
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.tables import TABLES

ROOT = Path(__file__).parents[2]


def test_the_page_about_mixers_is_what_the_tables_say() -> None:
    page = (ROOT / "docs" / "mixers.md").read_text(encoding="utf-8")
    assert page == mixers_page(), "run python docs/write_mixers.py"


def test_every_mixer_has_a_line() -> None:
    lines = mixers_page().splitlines()
    for name, cls in MIXERS.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert cls.traits.paper in line
        assert ("| yes |" if cls.traits.exportable else "| no |") in line
    (raft,) = [line for line in lines if line.startswith("| `raft_mlp` |")]
    cells = raft.strip("| ").split(" | ")
    assert cells[1] == "M47" and cells[3:7] == ["global", "static", "N (H + W)", "bound, resizes"]
    assert "axis (one of both, vertical, horizontal; both)" in cells[7]
    assert "inner_norm (a norm; layer_norm)" in mixers_page()
    assert cells[-1] == "[okojoalg/raft-mlp](https://github.com/okojoalg/raft-mlp)"
    assert len({line.count(" | ") for line in lines if line.startswith("| ")}) == 2
    assert "| swin shifted | `window_attention` |" in mixers_page()


def test_every_component_is_described() -> None:
    found = descriptions()
    assert len(found) == sum(map(len, TABLES.values()))
    for each in found:
        assert each.summary and each.kind
        assert (ROOT / each.file).exists()
        assert all(re.fullmatch(r"[A-Z]\d\d", row) for row in each.catalogue)
    (block,) = [each for each in found if (each.kind, each.name) == ("block", "convnext")]
    assert block.catalogue == ("B01",)
    assert block.slots[:2] == ("mixer", "channel_mixer")
