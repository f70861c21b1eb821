"""Collects the source of exactly the definitions that a class needs, for a standalone file."""

import ast
import builtins
import importlib
import importlib.util
import inspect
import io
import sys
import tokenize
from dataclasses import dataclass, field
from types import FunctionType, ModuleType

from .base import ExportError

_OURS = __name__.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class _Definition:
    """A top-level statement of a module, or a name bound by an import."""

    module: str
    """Name of the module."""
    name: str
    """The name bound in the module."""


@dataclass
class Sources:
    """Collects definitions of this package, each after its dependencies."""

    imports: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Imports from other packages, as (module, name); None as name imports the module itself."""
    segments: list[str] = field(default_factory=list[str])
    """Source of the definitions, in an order in which they can be run."""
    _names: dict[_Definition, str] = field(default_factory=dict["_Definition", str])

    def imported(self) -> str:
        """Return the import statements."""
        whole = sorted(module for module, name in self.imports if not name)
        modules = sorted({module for module, name in self.imports if name})
        lines = [f"import {module}" for module in whole]
        for module in modules:
            names = sorted(name for each, name in self.imports if each == module and name)
            lines.append(f"from {module} import {', '.join(names)}")
        return "\n".join(lines)

    def name_of(self, definition: type | FunctionType) -> str:
        """Add a class or function of this package with its dependencies; return its name."""
        return self._add(_Definition(module=definition.__module__, name=definition.__qualname__))

    def _add(self, wanted: _Definition) -> str:
        if wanted in self._names:
            return self._names[wanted]
        module = sys.modules[wanted.module]
        statements = _statements(module)
        if wanted.name not in statements:
            raise ExportError(
                f"the definitions of a network must be at the top level of a module, but "
                f"{wanted.name} of {wanted.module} is not"
            )
        node = statements[wanted.name]
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self._import(module, node, wanted.name)
        taken = set(self._names.values())
        chosen = wanted.name
        while chosen in taken:
            chosen += "_"
        self._names[wanted] = chosen
        renamed = {wanted.name: chosen}
        for name in sorted(_names_in(node) & statements.keys() - {wanted.name}):
            renamed[name] = self._add(_Definition(module=wanted.module, name=name))
        self.segments.append(_renamed(_text(module, node), renamed))
        return chosen

    def _import(self, module: ModuleType, node: ast.Import | ast.ImportFrom, name: str) -> str:
        """Add an imported name: its definition if it is this package's, else an import
        statement."""
        alias = next(each for each in node.names if (each.asname or each.name) == name)
        bound = alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"
        if isinstance(node, ast.Import):
            self.imports.add((bound, ""))
            return name
        package = "." * node.level + (node.module or "")
        full = importlib.util.resolve_name(package, module.__package__)
        if full.partition(".")[0] != _OURS:
            self.imports.add((full, bound))
            return name
        importlib.import_module(full)
        return self._add(_Definition(module=full, name=alias.name))


def _statements(module: ModuleType) -> dict[str, ast.stmt]:
    """Return the statement that binds each name at the top level of a module."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                found[node.name] = node
            case ast.Import() | ast.ImportFrom():
                found.update({alias.asname or alias.name: node for alias in node.names})
            case ast.Assign(targets=targets):
                names = (each for target in targets for each in ast.walk(target))
                found.update({each.id: node for each in names if isinstance(each, ast.Name)})
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
            case _:
                pass
    return found


def _names_in(node: ast.stmt) -> set[str]:
    """Return the names that a statement reads, nested ones included."""
    loaded = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return loaded - set(dir(builtins))


def _text(module: ModuleType, node: ast.stmt) -> str:
    lines = inspect.getsource(module).splitlines()
    decorators = node.decorator_list if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _renamed(text: str, names: dict[str, str]) -> str:
    """Return ``text`` with whole names replaced; attributes and keywords stay."""
    if all(old == new for old, new in names.items()):
        return text
    tokens = [*tokenize.generate_tokens(io.StringIO(text + "\n").readline)]
    lines = text.splitlines()
    for before, token, after in reversed([*zip(tokens, tokens[1:], tokens[2:], strict=False)]):
        new = names.get(token.string, token.string)
        keyword = after.string == "=" and before.string in ("(", ",")
        if token.type != tokenize.NAME or new == token.string or before.string == "." or keyword:
            continue
        row, start = token.start[0] - 1, token.start[1]
        lines[row] = lines[row][:start] + new + lines[row][token.end[1] :]
    return "\n".join(lines)
