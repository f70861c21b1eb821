"""The format Python: readable source of exactly a network's parts, which needs only torch."""

import ast
import hashlib
import textwrap
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import nn

from ...evaluators.accuracy.data.preparation import Preparation
from ...evaluators.accuracy.data.prepare import prepare_images
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.base import Component, TokenMixer
from ...search_space.components.parts import IMAGE, Part, lenders
from ...search_space.components.residuals import Sum
from ...search_space.components.tying import Tied
from ...search_space.shapes import Shape
from .base import ExportError, ModelFormat, Opened, first_line
from .constructor_arguments import Arguments, recorded_network
from .header import read_facts, read_header
from .proof import count_macs, count_parameters
from .source import Sources
from .source_texts import (
    HEAD,
    NOT_STATED,
    TAIL,
    network_text,
    preparation_constants,
    prepare_text,
    prepared_text,
)
from .weights import encode_weights, read_weights

_WIDTH = 100


class PythonFile(ModelFormat):
    """Source of the network in its training form, and a file of weights beside it."""

    name = "python"
    ending = ".py"
    beside = (".safetensors",)
    tolerance = 0.0

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the contents of the source file and of the weights beside it."""
        weights = encode_weights(network.state_dict(), header)
        source = python_source(
            network.architecture,
            weights_sha256=hashlib.sha256(weights).hexdigest(),
            preparation=Preparation.of(read_facts(header)),
        )
        return {"": source.encode(), ".safetensors": weights}

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header in the file of weights beside the source."""
        return read_weights(path.with_name(f"{path.name}.safetensors"))[1]

    def open(self, path: Path) -> Opened:
        """Run the source, which loads the weights beside it."""
        try:
            # Not imported, since that would leave a folder of bytecode beside the file.
            names: dict[str, Any] = {"__name__": "exported", "__file__": str(path)}
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
            network: nn.Module = names["load"]()
            size = read_header(self.read_header(path)).input
        except Exception as error:  # another program's source may raise anything
            raise ExportError(f"the source must load, but: {first_line(error)}") from error
        return Opened(
            run=network,
            weights=network.state_dict(),
            parameters=count_parameters(network),
            macs=count_macs(network, size),
            prepare=names.get("prepare"),
        )


def python_source(
    architecture: Architecture, *, weights_sha256: str, preparation: Preparation | None
) -> str:
    """Return source that builds the network of ``architecture`` as the class ``Net``.

    Args:
        architecture: The architecture.
        weights_sha256: SHA-256 of the file of weights beside the source.
        preparation: Preparation of images, if known.

    Raises:
        ExportError: If a constructor's argument cannot be written as source.
    """
    network, made = recorded_network(architecture)
    sources = Sources(
        imports={
            ("hashlib", ""),
            ("json", ""),
            ("torch", ""),
            ("pathlib", "Path"),
            ("torch", "nn"),
        }
    )
    writer = _Writer(sources=sources, made=made)
    net = writer.net(network)
    head = HEAD.format(
        summary=architecture.outline(),
        what=network_text(architecture, preparation),
        digest=architecture.digest[:12],
        papers="\n".join(_papers(architecture.parts())),
        images=NOT_STATED if preparation is None else prepared_text(preparation),
    )
    constants = [f'WEIGHTS_SHA256 = "{weights_sha256}"']
    functions = [TAIL]
    if preparation is not None:
        sources.imports.add(("typing", "Any"))
        constants += preparation_constants(preparation)
        functions.insert(0, prepare_text(preparation, sources.name_of(prepare_images)))
    top = f"{head}\n{sources.imported()}\n\n" + "\n".join(constants)
    return "\n\n\n".join([top, *sources.segments, net, *functions])


def _papers(parts: Sequence[Part]) -> list[str]:
    """Return a line for each kind of component: its name and its docstring's first line."""
    found: dict[str, str] = {}
    for part in parts:
        for component in _inside(part.component):
            text = " ".join((type(component).__doc__ or "").split())
            if isinstance(component, TokenMixer):
                text += f" Source: {component.traits.paper}."
            found[f"{component.kind} {component.name}"] = text
    return [
        textwrap.fill(f"- {name}: {text}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        for name, text in found.items()
    ]


def _inside(component: Component) -> list[Component]:
    inner = [each for child in component.components().values() for each in _inside(child)]
    return [component, *inner]


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """A unit of the source: a block, or a part outside the blocks."""

    path: str
    """Common prefix of the parts' names."""
    parts: Sequence[Part]
    """The unit's parts, in the order in which they run."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the outside parts whose outputs are the unit's inputs."""
        own = {part.name for part in self.parts}
        taken = [name for part in self.parts for name in part.inputs if name not in own]
        return tuple(dict.fromkeys(taken))

    @property
    def output(self) -> str:
        """Name of the unit's last part."""
        return self.parts[-1].name

    def local(self, part: Part) -> str:
        """Return the name of a part inside the unit."""
        return part.name.removeprefix(self.path).lstrip(".")


def _units(parts: Sequence[Part]) -> list[_Unit]:
    """Return the units of a network in order: its blocks and the parts between them."""
    groups: OrderedDict[str, list[Part]] = OrderedDict()
    for part in parts:
        names = part.name.split(".")
        end = names.index("blocks") + 2 if "blocks" in names else len(names)
        groups.setdefault(".".join(names[:end]), []).append(part)
    return [_Unit(path=path, parts=members) for path, members in groups.items()]


@dataclass(kw_only=True)
class _Writer:
    """Writes modules as constructor expressions, and blocks as classes."""

    sources: Sources
    made: Arguments
    blocks: dict[str, str] = field(default_factory=dict[str, str])
    """From the body of a block's class to the name of the class."""

    def net(self, network: Network) -> str:
        """Return the classes of all blocks and of the network."""
        units = _units(network.architecture.parts())
        tree: dict[str, Any] = {}
        for unit in units:
            _plant(tree, unit.path.split("."), self.unit(network, unit))
        lines = ["class Net(nn.Module):", '    """The whole network."""', "", *_members(tree)]
        lines += _ties(network.architecture.parts())
        lines += ["", "    def forward(self, image: torch.Tensor) -> torch.Tensor:"]
        lines += ['        """Map images (B, C, H, W) to scores (B, K)."""']
        lines += _calls(units)
        blocks = [f"class {name}(nn.Module):\n{body}" for body, name in self.blocks.items()]
        return "\n\n\n".join([*blocks, "\n".join(lines)])

    def unit(self, network: Network, unit: _Unit) -> str:
        """Return the expression that constructs a unit."""
        if len(unit.parts) == 1 and unit.path == unit.output:
            return self.module(network.get_submodule(unit.output))
        body = self.block(network, unit)
        return self.blocks.setdefault(body, f"Block{len(self.blocks) + 1}") + "()"

    def block(self, network: Network, unit: _Unit) -> str:
        """Return the body of a block's class."""
        arguments = {name: "x" if i == 0 else f"x{i}" for i, name in enumerate(unit.inputs)}
        tree: dict[str, Any] = {}
        calls: list[str] = []
        values = dict(arguments)
        shape = unit.parts[0].in_shapes[0]
        for part in unit.parts:
            local = unit.local(part)
            module = network.get_submodule(part.name)
            inputs = [values[name] for name in part.inputs]
            variable = values[part.name] = local.replace(".", "_")
            if isinstance(module, Sum):
                calls.append(f"        {variable} = {' + '.join(inputs)}")
                continue
            _plant(tree, local.split("."), self.module(module))
            calls.append(f"        {variable} = self.{_access(local)}({', '.join(inputs)})")
        taken = "".join(f", {name}: torch.Tensor" for name in arguments.values())
        lines = [f'    """A block on maps of {shape} (C x H x W)."""', "", *_members(tree)]
        lines += ["", f"    def forward(self{taken}) -> torch.Tensor:"]
        lines += ['        """Map (B, C, H, W) to itself."""', *calls]
        return "\n".join([*lines, f"        return {values[unit.output]}"])

    def module(self, module: nn.Module) -> str:
        """Return the expression that constructs a module."""
        cls = type(module)
        if cls in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
            return self.children(module)
        if cls.__module__.startswith("torch."):
            name = f"nn.{cls.__name__}"
            if getattr(nn, cls.__name__, None) is not cls:
                raise ExportError(f"modules must be torch's or this package's, but got {cls}")
        else:
            name = self.sources.name_of(cls)
        given = self.made[module].items()
        texts = [
            ", ".join(map(self.value, value))
            if key.startswith("*")
            else f"{key}={self.value(value)}"
            for key, value in given
        ]
        return f"{name}({', '.join(text for text in texts if text)})"

    def children(self, module: nn.Module) -> str:
        """Return the expression that constructs a container of modules."""
        inner = {name: self.module(child) for name, child in module.named_children()}
        name = type(module).__name__
        if isinstance(module, nn.ModuleList):
            return f"nn.ModuleList([{', '.join(inner.values())}])"
        if [*inner] == [str(index) for index in range(len(inner))]:
            return f"nn.{name}({', '.join(inner.values())})"
        pairs = ", ".join(f"{key!r}: {value}" for key, value in inner.items())
        if isinstance(module, nn.ModuleDict):
            return f"nn.ModuleDict({{{pairs}}})"
        self.sources.imports.add(("collections", "OrderedDict"))
        return f"nn.Sequential(OrderedDict({{{pairs}}}))"

    def value(self, value: Any) -> str:
        """Return the expression of a constructor's argument."""
        if isinstance(value, nn.Module):
            return self.module(value)
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        if isinstance(value, Shape):
            fields = ", ".join(f"{k}={self.value(v)}" for k, v in value._asdict().items())
            return f"{self.sources.name_of(Shape)}({fields})"
        if isinstance(value, tuple):
            inner = "".join(f"{self.value(each)}, " for each in value)
            return f"({inner.rstrip() if len(value) == 1 else inner.removesuffix(', ')})"
        if isinstance(value, list):
            return f"[{', '.join(map(self.value, value))}]"
        raise ExportError(
            f"constructor arguments must be numbers, texts, tuples or modules, but got "
            f"{type(value).__name__}"
        )


def _plant(tree: dict[str, Any], path: Sequence[str], expression: str) -> None:
    *groups, leaf = path
    for name in groups:
        tree = tree.setdefault(name, {})
    tree[leaf] = expression


def _container(tree: str | dict[str, Any]) -> str:
    """Return the expression of nested containers: a list if all names are numbers."""
    if isinstance(tree, str):
        return tree
    inner = {name: _container(each) for name, each in tree.items()}
    if [*tree] == [str(index) for index in range(len(tree))]:
        return f"nn.ModuleList([{', '.join(inner.values())}])"
    return f"nn.ModuleDict({{{', '.join(f'{name!r}: {each}' for name, each in inner.items())}}})"


def _members(tree: dict[str, Any]) -> list[str]:
    """Return the constructor statements that create a module's members."""
    lines = ["    def __init__(self) -> None:", "        super().__init__()"]
    for name, each in tree.items():
        lines.append(f"        self.{name} = {_wrapped(_container(each), 8, len(name) + 8)}")
    return lines


def _wrapped(text: str, indent: int, before: int = 0) -> str:
    """Return an expression, on several lines if it is too long for one."""
    if indent + before + len(text) < _WIDTH:
        return text
    node = ast.parse(text, mode="eval").body

    def part(each: ast.AST) -> str:
        found = ast.get_source_segment(text, each)
        assert found is not None
        return found

    match node:
        case ast.Call(func=func, args=[ast.List() | ast.Dict() as only], keywords=[]):
            inner = _wrapped(part(only), indent)
            return f"{part(func)}({inner})"
        case ast.Call(func=func, args=args, keywords=keywords):
            opening, closing = f"{part(func)}(", ")"
            pairs = [("", part(each)) for each in args]
            pairs += [(f"{each.arg}=", part(each.value)) for each in keywords]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            opening, closing = "[]" if isinstance(node, ast.List) else "()"
            pairs = [("", part(each)) for each in elements]
        case ast.Dict(keys=keys, values=values):
            opening, closing = "{", "}"
            pairs = [(f"{part(k)}: ", part(v)) for k, v in zip(keys, values, strict=True) if k]
        case _:
            return text
    pad = " " * (indent + 4)
    lines = [f"{pad}{key}{_wrapped(each, indent + 4, len(key) + 1)},\n" for key, each in pairs]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _access(path: str) -> str:
    """Return the expression that finds a module in nested containers, after ``self.``."""
    first, *rest = path.split(".")
    return first + "".join(f"[{name}]" if name.isdigit() else f"[{name!r}]" for name in rest)


def _ties(parts: Sequence[Part]) -> list[str]:
    """Return the constructor statements that tie shared parameters."""
    lent = lenders(parts)
    pairs = [
        f'            "{part.name}.{name}": "{lent[part.name]}.{name}",'
        for part in parts
        if isinstance(part.component, Tied)
        for name in part.component.of.ties
    ]
    if not pairs:
        return []
    return [
        "        for tied, lender in {  # one parameter under several names",
        *pairs,
        "        }.items():",
        '            place, _, name = tied.rpartition(".")',
        "            setattr(self.get_submodule(place), name, self.get_parameter(lender))",
    ]


def _calls(units: Sequence[_Unit]) -> list[str]:
    """Return the statements of the network's ``forward``; a sequence of blocks is a loop."""
    names = {IMAGE: "image"}
    lines: list[str] = []
    for index, unit in enumerate(units):
        inputs = ", ".join(names[name] for name in unit.inputs)
        users = [at for at, other in enumerate(units) if unit.output in other.inputs]
        only_next = all(at == index + 1 for at in users)
        name = names[unit.output] = "x" if only_next else unit.path.replace(".", "_")
        parent, _, number = unit.path.rpartition(".")
        loop = f"        for block in self.{_access(parent)}:" if parent else ""
        if name == inputs == "x" and number.isdigit() and int(number) and loop in lines[-2:]:
            continue
        if name == inputs == "x" and number == "0" and _row(units, index):
            lines += [loop, "            x = block(x)"]
        else:
            lines.append(f"        {name} = self.{_access(unit.path)}({inputs})")
    return [*lines, f"        return {names[units[-1].output]}"]


def _row(units: Sequence[_Unit], first: int) -> bool:
    """Return whether each block of a stage has only the previous block's output as input."""
    parent = units[first].path.rpartition(".")[0]
    row = [unit for unit in units if unit.path.rpartition(".")[0] == parent]
    chained = all(unit.inputs == (before.output,) for before, unit in pairwise(row))
    outside = [unit for unit in units if unit not in row]
    inner = {unit.output for unit in row[:-1]}
    return chained and not any(inner & {*unit.inputs} for unit in outside)
