"""Plug-ins: modules that add to the tables, and the checks of what they add."""

import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from nas_explorer.search_space import plugins
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.plugins import add, load_plugins, registered

TABLE: dict[str, type] = {}
ADDS = """
from nas_explorer.search_space.plugins import add
from {here} import TABLE
class Part:
    name = "part"
add(TABLE, Part.name, Part, kind="part", group="parts")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the current folder, empty; tables and modules are restored afterwards."""
    modules = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(plugins, "_CHANGES", [])
    monkeypatch.setattr(plugins, "_OUTSIDE", set[str]())
    yield tmp_path
    TABLE.clear()
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, name: str, text: str = "", end: str = "") -> None:
    (folder / f"{name}.py").write_text((text or ADDS.format(here=__name__)) + end)


def test_a_module_that_is_imported_already_is_the_plugin(folder: Path) -> None:
    write(folder, "part_one")
    sys.path.append(str(folder))
    __import__("part_one")
    assert load_plugins(["part_one.py"]) == (str(folder / "part_one.py"),)
    assert load_plugins(["part_one"]) == (str(folder / "part_one.py"),)
    assert TABLE["part"].__module__ == "part_one"
    assert registered() == [TABLE["part"]]


def test_a_plugin_may_be_imported_after_it_was_loaded(folder: Path) -> None:
    write(folder, "part_two")
    load_plugins(["part_two.py", "part_two.py"])
    first = TABLE["part"]
    assert not registered()  # workers load the file themselves
    __import__("part_two")
    assert TABLE["part"] is not first and TABLE["part"].__qualname__ == first.__qualname__
    write(folder, "part_three")
    with pytest.raises(InputError, match=r"this part must be free, but got 'part' of \S+:Part, wh"):
        load_plugins(["part_three.py"])


@pytest.mark.parametrize(
    ("end", "says"),
    [("raise SystemExit('no licence')", "SystemExit: no licence"), ("1 / 0", "ZeroDivision")],
)
def test_a_plugin_that_fails_leaves_nothing(folder: Path, end: str, says: str) -> None:
    write(folder, "part_four")
    write(folder, "fails", f"import part_four\n{end}")
    with pytest.raises(InputError, match=says):
        load_plugins(["fails.py"])
    assert not TABLE and not plugins.has_outside("parts") and not registered()
    load_plugins(["part_four"])
    assert TABLE


def test_a_module_that_registers_nothing_is_refused(folder: Path) -> None:
    write(folder, "empty", "x = 1")
    for name in ("json", "empty.py"):
        with pytest.raises(InputError, match=f"plug-in '{name}': .* registers nothing"):
            load_plugins([name])
    write(folder, "part_five")
    write(folder, "gathers", "import part_five")
    sys.path.append(str(folder))
    __import__("gathers")
    load_plugins(["gathers.py"])


class Base:
    name: ClassVar[str]
    size: ClassVar[int]

    @abstractmethod
    def build(self) -> None: ...


@dataclass
class Whole(Base):
    name = "whole"
    size = 3

    def build(self) -> None: ...


@pytest.mark.parametrize(
    ("entry", "name", "says"),
    [
        (Whole, "My-Search!", "'My-Search!'; 'my_search' would be right"),
        (Whole, "any", "not any, but the part Whole has 'any'"),
        (Whole, "_x", "small letters, digits and _"),
        (Whole, None, "must state its name, but the part Whole states None"),
        (type("Bare", (Base,), {"name": "bare"}), "bare", "the part Bare lacks size"),
        ("whole:Whole", "whole", "must be a class"),
    ],
)
def test_what_cannot_be_added_is_refused(
    folder: Path, entry: type, name: object, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        add(TABLE, name, entry, kind="part", group="parts")
    assert "\n" not in str(caught.value) and not TABLE
    add(TABLE, "whole", Whole, kind="part", group="parts")
