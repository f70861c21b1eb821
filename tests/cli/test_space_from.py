"""``nas space from`` writes a space that ``nas search --space`` reads."""

import pytest
from nas_explorer.cli.main import run
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.zoo import zoo_entry


def space_from(*arguments):
    return run(["space", "from", *arguments])


def test_a_space_is_written_printed_and_written_again(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    vary = ("--vary", "stages.0.width, kernel_size")
    assert space_from("convnext_atto", *vary, "-o", str(file)) == 0
    assert "architectures; nas search --space" in capsys.readouterr().out
    space = load_space(str(file))
    assert space.name == "mine" and space.contains(zoo_entry("convnext_atto").architecture)
    assert space_from("convnext_atto", *vary) == 0
    assert capsys.readouterr().out == file.read_text().replace("name: mine", "name: around")
    assert space_from("resnet18", "--vary", "width", "-o", str(file)) == 0
    assert load_space(str(file)).contains(zoo_entry("resnet18").architecture)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet18", "--vary", "widht"), "did you mean 'width'?"),
        (("resnet18", "--vary", ","), "the fields to vary must be named, but got none"),
        (("resnett18", "--vary", "width"), "resnet18"),
        (("resnet18", "--vary", "width", "-o", "x.json"), "must end in .yaml or .yml, but got"),
        (("resnet18", "--vary", "width", "-o", "own.yaml"), "must not replace a file that"),
        (("resnet18", "--vary", "width", "-o", "no/x.yaml"), "--output must be writable, but got"),
    ],
)
def test_wrong_requests_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("input: {}\n")
    assert space_from(*arguments) == 2
    reported = capsys.readouterr().err
    assert message in reported and reported.count("\n") == 1
    assert (tmp_path / "own.yaml").read_text() == "input: {}\n"
