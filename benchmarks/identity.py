"""Are the digests of architectures equal if and only if their networks are?

The check uses random architectures of the shipped spaces. Two of them must have equal digests
exactly if their lists of parts are equal. For a tenth of them, another description of the same
network (patterns written out, a stage of depth 0) must have the same digest. A sample is built: the
shapes of the weights in order and the trace of the forward pass must be equal exactly if the
digests are. The last line is JSON.

    python benchmarks/identity.py [--quick] [--architectures N] [--built N] [--workers N]
"""

import argparse
import hashlib
import json
import platform
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from nas_explorer.evaluators.cost.counting.trace import trace
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import MutationChooser, RandomChooser

SIDES = {"mobile": 64, "imagenet": 128, "hybrid": 128, "universal": 16}
"""Image side for some shipped spaces; the others have their own."""

SMALL = ("micro", "universal")
"""Spaces whose networks are built in a quick run."""

_EACH = 3
"""Number of architectures sampled with one seed."""


@cache
def space_of(name: str) -> SearchSpace:
    """Return a shipped space on small images, whose networks are quick to build."""
    space = load_space(name)
    if name not in SIDES:
        return space
    return space.bind(channels=3, resolution=SIDES[name], classes=10)


def described_otherwise(architecture: Architecture) -> Architecture:
    """Return another description of the same network."""
    written_out = [
        replace(stage, blocks=tuple(stage.block(index) for index in range(stage.depth)))
        for stage in architecture.stages
    ]
    absent = Stage(width=7, depth=0, blocks=())
    return replace(architecture, stages=(*written_out[:1], absent, *written_out[1:]))


def drawn(space: SearchSpace, seed: int) -> list[Architecture]:
    """Return an architecture and two others that differ in about one decision, or in none."""
    first = space.walk(RandomChooser(seed))
    rate = 1 / len(first.decisions)
    choosers = [MutationChooser(first.decisions, 2 * seed + index, rate) for index in (0, 1)]
    near = [space.walk(chooser).architecture for chooser in choosers]
    return [first.architecture, *near]


@cache
def text_of(component: Component) -> str:
    """Return a component as text with all its fields."""
    return repr(component)


def parts_text(architecture: Architecture) -> str:
    """Return the parts with wiring and shapes as text, independently of the digest's own text."""
    place = {part.name: index for index, part in enumerate(architecture.parts())}
    lines = [
        f"{text_of(part.component)} {[place.get(name, -1) for name in part.inputs]}"
        f" {part.in_shapes} {part.width} {part.out_shape}"
        for part in architecture.parts()
    ]
    return "\n".join((repr((architecture.input, architecture.classes)), *lines))


def network_text(architecture: Architecture) -> str:
    """Return the shapes of the weights in order and the traced graph of the built module."""
    torch.manual_seed(0)
    module = architecture.build().eval()
    weights = [tuple(each.shape) for each in module.state_dict().values()]
    graph = str(trace(module, [torch.zeros(1, *architecture.input)]))
    graph = re.sub(r" # .*", "", graph)  # positions in source files
    return f"{weights}\n{re.sub(r', scope: [^)]*', '', graph)}"


def digest_of(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def look(task: tuple[str, int, int, int]) -> list[tuple[str, str, str, bool]]:
    """Return the digest, the parts, the network ("" if not built), and whether two descriptions
    agree.
    """
    name, start, stop, built = task
    torch.set_num_threads(1)
    space = space_of(name)
    found: list[tuple[str, str, str, bool]] = []
    for seed in range(start, stop):
        for architecture in drawn(space, seed):
            agrees = (
                seed % 10 > 0 or described_otherwise(architecture).digest == architecture.digest
            )
            network = digest_of(network_text(architecture)) if seed < start + built else ""
            parts = digest_of(parts_text(architecture))
            found.append((architecture.digest, parts, network, agrees))
    return found


def judged(found: Sequence[tuple[str, str, str, bool]]) -> dict[str, Any]:
    """Return the number of architectures, and the number of disagreements of digest and network."""
    digests = {digest for digest, *_ in found}
    parts = {(digest, text) for digest, text, *_ in found}
    built = [(digest, network) for digest, _, network, _ in found if network]
    pairs, networks = set(built), {network for _, network in built}
    return {
        "architectures": len(found),
        "different": len(digests),
        "descriptions_that_disagree": sum(not agrees for *_, agrees in found),
        "collisions": len(parts) - len(digests),
        "digests_of_one_network_too_many": len(parts) - len({text for _, text in parts}),
        "built": len(built),
        "built_different": len(networks),
        "built_collisions": len(pairs) - len({digest for digest, _ in pairs}),
        "built_networks_with_two_digests": len(pairs) - len(networks),
    }


def main() -> None:
    """Check all architectures and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--architectures", type=int, default=100_000, help="in all")
    parser.add_argument("--built", type=int, default=400, help="of these, networks built")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args()
    options.workers = 1 if options.quick else options.workers
    count, built = (36, 12) if options.quick else (options.architectures, options.built)
    names, chunks = presets(), 1 if options.quick else 20
    share = _EACH * len(names) * chunks
    seeds, first = -(-count // share), -(-built // share)
    built_of = {name: 0 if options.quick and name not in SMALL else first for name in names}
    tasks = [
        (name, i * seeds, (i + 1) * seeds, built_of[name]) for name in names for i in range(chunks)
    ]
    started = time.perf_counter()
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers) as pool:
            found = [one for many in pool.map(look, tasks) for one in many]
    else:
        found = [one for task in tasks for one in look(task)]
    figures = judged(found)
    for name, figure in figures.items():
        print(f"{name.replace('_', ' '):<36} {figure:>10,}")
    about = {
        "spaces": names,
        "seconds": time.perf_counter() - started,
        "quick": options.quick,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    print(json.dumps({**figures, **about}))


if __name__ == "__main__":
    main()
