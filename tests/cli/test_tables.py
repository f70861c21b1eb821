"""Tables on narrow and wide terminals."""

import pytest
from nas_explorer.cli.tables import Column, print_rows, table_lines

NAME = Column(title="name", pieces=" = ")
COLUMNS = [NAME, Column(title="macs"), Column(title="note", drop=1, cut=True)]
ROWS = [
    ["van_b0 = VAN-Tiny = visual", "864 M", "printed rounded, and so a little less than it is"],
    ["vit", "-", ""],
]


def test_a_wide_table_is_whole_and_numbers_stand_under_each_other() -> None:
    head, rule, one, two = table_lines(COLUMNS, ROWS, 100)
    assert head == "name                         macs  note"
    assert rule == f"{'─' * 26}  {'─' * 5}  {'─' * 48}"
    assert one.startswith("van_b0 = VAN-Tiny = visual  864 M  printed rounded, and")
    assert two == "vit                             -"


def test_a_narrow_one_cuts_text_then_leaves_columns_out_and_says_so() -> None:
    cut = table_lines(COLUMNS, ROWS, 41)
    assert cut[2] == "van_b0 …  864 M  printed rounded, and so…"
    assert max(map(len, cut)) == 41
    narrow = table_lines(COLUMNS, ROWS, 20)
    assert narrow[2] == "van_b0 …       864 M"
    assert " ".join(narrow[4:]) == "Columns that need a wider terminal: note"


def test_names_are_never_broken() -> None:
    for width in range(1, 60):
        lines = table_lines(COLUMNS, ROWS, width)
        assert lines[2].startswith("van_b0 ") and lines[3].startswith("vit ")
        names = lines[2].split("864")[0].replace("…", "").split(" = ")
        assert {each.strip() for each in names} <= {"van_b0", "VAN-Tiny", "visual"}
        assert width < 17 or max(map(len, lines[:4])) <= width


def test_what_tells_rows_apart_outlives_the_rest_of_a_cell() -> None:
    column = Column(title="architecture", cut=True, tail=": ")
    rows = [[f"16x2 separable_conv | 32x3 pooling: 0.ratio={each}"] for each in (2, 4)]
    lines = table_lines([column], rows, 30)
    assert lines[2:] == ["16x2 separable_con…: 0.ratio=2", "16x2 separable_con…: 0.ratio=4"]


def test_wide_letters_take_two_places() -> None:
    lines = table_lines([Column(title="name"), Column(title="n")], [["画像", "1"], ["ab", "2"]], 80)
    assert lines[2:] == ["画像  1", "ab    2"]


def test_a_pipe_gets_tabs_and_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, ROWS)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "name\tmacs\tnote" and [each.split("\t") for each in others] == ROWS
