"""The structure of the project: imports, packages, file sizes, no printing."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("search_space", "evaluators", "results", "searchers", "cli")
"""Folders in order: each may import those before it."""

# Heavy packages, which must be imported only on use.
HEAVY = {
    "dash",
    "flask",
    "fvcore",
    "kaleido",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "optuna",
    "pandas",
    "plotly",
    "ray",
    "sklearn",
    "timm",
    "torchvision",
}
FOLDERS = pytest.mark.parametrize("folder", ORDER)


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(path: Path) -> str:
    """Return the name of one of our modules or packages."""
    parts = ("nas_explorer", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path): path for folder in ORDER for path in modules(folder)}


@cache
def imported(path: Path) -> list[str]:
    """Return the absolute names of a module's imports, nested and type-only ones included."""
    package = ("nas_explorer", *path.relative_to(ROOT).parts[:-1])
    found: list[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                inner = f"{name}.{alias.name}"
                found.append(inner if inner in MODULES else name)
    return found


@FOLDERS
def test_imports_point_one_way(folder: str) -> None:
    allowed = ORDER[: ORDER.index(folder) + 1]
    for path in modules(folder):
        for name in imported(path):
            top, *rest = name.split(".")
            if top == "nas_explorer":
                assert rest and rest[0] in allowed, f"{path} imports {name}"
            assert top not in ORDER, f"{path} imports {name} absolutely"


@pytest.fixture(scope="module")
def imports() -> "nx.DiGraph[str]":
    """Return the graph of imports between our modules."""
    edges = [(name, each) for name, path in MODULES.items() for each in imported(path)]
    return nx.DiGraph(edge for edge in edges if edge[1] in MODULES and edge[0] != edge[1])


def test_no_imports_go_round_in_a_circle(imports: "nx.DiGraph[str]") -> None:
    circles = [each for each in nx.strongly_connected_components(imports) if len(each) > 1]
    assert not circles


@pytest.mark.parametrize("room", sorted(n for n, p in MODULES.items() if p.name == "__init__.py"))
def test_rooms_point_one_way(room: str, imports: "nx.DiGraph[str]") -> None:
    """The members of a package, with sub-packages as single nodes, have no circle either."""

    def inside(name: str) -> str | None:
        within = name.removeprefix(f"{room}.")
        return None if within == name else within.split(".")[0]

    pairs = {(inside(one), inside(other)): (one, other) for one, other in imports.edges}
    between = nx.DiGraph(pair for pair in pairs if None not in pair and pair[0] != pair[1])
    for circle in nx.simple_cycles(between):
        steps = zip(circle, [*circle[1:], circle[0]], strict=True)
        pytest.fail(f"a circle of imports: {[pairs[step] for step in steps]}")


def test_rooms_import_only_from_those_listed_before_them(imports: "nx.DiGraph[str]") -> None:
    """In the order that docs/architecture.md states, which names every room."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| room | holds |")[2].partition("\n\n")[0]
    listed: list[str] = []
    for line in table.splitlines()[2:]:
        for place in re.findall(r"`(\S+)/`", line.split("|")[1]):
            top = listed[-1].split(".")[1] if listed and "/" not in place else ""
            listed.append(".".join(("nas_explorer", *filter(None, (top, *place.split("/"))))))
    on_disk = {".".join(each.split(".")[:3]) for each in MODULES if each.count(".") > 2}
    assert sorted(listed) == sorted(on_disk)

    def place(name: str) -> int | None:
        room = ".".join(name.split(".")[:3])
        return listed.index(room) if room in listed else None

    wrong = [
        (one, other)
        for one, other in imports.edges
        if one.split(".")[1] == other.split(".")[1]
        and None not in (place(one), place(other))
        and place(one) < place(other)
    ]
    assert not wrong


def test_network_code_needs_torch_alone() -> None:
    """Module code needs only torch, so that exported source runs wherever torch does."""
    known = {"torch", "nas_explorer", *sys.stdlib_module_names}
    for path in modules("search_space"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert "torch" not in tops or tops <= known, f"{path} imports {tops - known}"


def test_packages_are_those_on_disk() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setup = project["tool"]["setuptools"]
    on_disk = {
        "nas_explorer." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in ORDER
        for path in (ROOT / folder).rglob("__init__.py")
    }
    places = {f"nas_explorer.{folder}": folder for folder in ORDER}
    assert set(setup["packages"]) == {"nas_explorer", *on_disk}
    assert setup["package-dir"] == {"nas_explorer": "nas_explorer", **places}


@FOLDERS
def test_every_folder_of_modules_is_a_typed_package(folder: str) -> None:
    for path in {module.parent for module in modules(folder)}:
        assert (path / "__init__.py").is_file() and (path / "py.typed").is_file(), path


@FOLDERS
def test_files_are_short_and_say_what_they_are(folder: str) -> None:
    for path in modules(folder):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{path} is too long"
        assert ast.get_docstring(parsed(path)), f"{path} has no docstring"


@pytest.mark.parametrize("folder", ORDER[:-1])
def test_only_the_command_line_prints(folder: str) -> None:
    for path in modules(folder):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "breakpoint", "input"), f"{path}:{node.lineno}"


def heavy_after(code: str) -> set[str]:
    """Return the heavy packages loaded by ``code`` in a fresh process."""
    tell = f"import sys; print(*({HEAVY!r} | {{'torch'}}) & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return set(run.stdout.split())


@pytest.mark.slow
def test_the_search_space_loads_nothing_heavy_but_torch() -> None:
    names = [
        ".".join(("nas_explorer", *path.relative_to(ROOT).with_suffix("").parts))
        for path in modules("search_space")
    ]
    code = "\n".join(f"import {name.removesuffix('.__init__')}" for name in names)
    assert heavy_after(code) <= {"torch"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['nas', '--help']\n"
        "import contextlib, io\n"
        "from nas_explorer.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
    )
    assert not heavy_after(code)
