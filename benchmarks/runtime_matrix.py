"""Which components does each runtime run rightly? A small network around every component is
converted for every installed runtime, and its scores there are compared with torch's. Each pair is
right, within the runtime's tolerance, wrong, or refused; or the component is not exportable.

Results go to the table of the package, from which ``docs/write_runtimes.py`` writes the one in
``docs/runtimes.md``. Pairs that it has are left out, unless the network or a version changed, so
that a run can be continued; a component whose module alone changed is run again with ``--again``.
The last line is JSON.

    python benchmarks/runtime_matrix.py [--only NAME ...] [--runtimes A,B,...] [--again]
        [--file FILE] [--quick]
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.runtime_table import RUNTIMES, check_installed, read_runtimes
from nas_explorer.evaluators.runtimes.component_networks import component_networks
from nas_explorer.evaluators.runtimes.component_table import (
    FILE,
    NOT_EXPORTABLE,
    REFUSED,
    WRONG,
    Entry,
    read_table,
    write_table,
)
from nas_explorer.evaluators.runtimes.graph_runtime import GraphRuntime
from nas_explorer.evaluators.runtimes.part_graphs import PartGraphs
from nas_explorer.evaluators.runtimes.proof import Proof, prove, source_to_prove
from nas_explorer.evaluators.runtimes.ruler_process import Ruler
from nas_explorer.evaluators.runtimes.source import Source
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import known_name

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.onnx_table import one_table

QUICK = ("batch_norm", "relu")

Case = tuple[str, str, Architecture | None]


class Runs:
    """Runs networks in runtimes, and keeps the table."""

    def __init__(self, runtimes: Collection[str], file: Path, *, again: bool) -> None:
        self.runtimes = {name: RUNTIMES[name].load()() for name in runtimes}
        self.file, self.again = file, again
        self.parts = PartGraphs()
        self.rulers: dict[str, Ruler] = {}
        self.counts = {name: Counter[str]() for name in runtimes}
        self.order = [(kind, name) for kind, name, _ in component_networks()]

    def run(self, case: Case) -> list[Entry]:
        """Return the new entries of a component."""
        kind, name, architecture = case
        table = read_table(self.file)
        found: list[Entry] = []
        source: Source | None = None  # traced once for all runtimes
        for runtime in self.runtimes.values():
            made = Entry(
                runtime=runtime.name,
                version=version(runtime.package),
                kind=kind,
                component=name,
                verdict=NOT_EXPORTABLE,
                network="" if architecture is None else architecture.digest[:8],
                torch=torch.__version__.partition("+")[0],
                date=f"{datetime.now(UTC):%Y-%m-%d}",
            )
            known = table.get(made.key)
            what = ("version", "network", "torch")
            same = known and all(getattr(known, each) == getattr(made, each) for each in what)
            if known and same and not self.again:
                self.counts[runtime.name][known.verdict] += 1
                continue
            if architecture is not None:
                source = source or source_to_prove(architecture, self.parts)
                proof = self.proof(runtime, source)
                made = Entry(**{**vars(made), **vars(proof)})
            self.counts[runtime.name][made.verdict] += 1
            found.append(made)
        self.keep(found)
        return found

    def proof(self, runtime: GraphRuntime, source: Source) -> Proof:
        """Return what becomes of a network in a runtime."""
        ruler = self.rulers.get(runtime.name)
        if ruler is None or ruler.ended:
            ruler = self.rulers[runtime.name] = Ruler(runtime.name, adapter=runtime.adapter)
            ruler.hello()
        return prove(runtime, source, ruler)

    def keep(self, found: list[Entry]) -> None:
        """Add entries to the table in the file, which another run may have changed."""
        table = read_table(self.file)
        table.update({each.key: each for each in found})
        places = {pair: place for place, pair in enumerate(self.order)}
        known = [each for each in table.values() if (each.kind, each.component) in places]
        runtimes = [*RUNTIMES]
        write_table(
            sorted(
                known,
                key=lambda e: (runtimes.index(e.runtime), places[e.kind, e.component]),
            ),
            self.file,
        )


def cases(only: Collection[str]) -> Iterator[Case]:
    """Yield the components that are asked for."""
    every = list(component_networks())
    names = {name for _, name, _ in every} | {f"{kind}/{name}" for kind, name, _ in every}
    wanted = {known_name("component", each, sorted(names)) for each in only}
    for kind, name, architecture in every:
        if not wanted or {name, f"{kind}/{name}"} & wanted:
            yield kind, name, architecture


def main() -> None:
    """Run the pairs, and print what is not right, and the totals."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="names, or KIND/NAME")
    parser.add_argument("--runtimes", help="runtimes by name, separated by commas")
    parser.add_argument("--again", action="store_true", help="also pairs that the table has")
    parser.add_argument("--file", type=Path, default=FILE, help="the table")
    parser.add_argument("--quick", action="store_true", help="two components, no table is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.runtimes:
        names = read_runtimes(options.runtimes)
        check_installed(names)
    else:
        names = tuple(name for name, each in RUNTIMES.items() if not each.absent())
    names = [name for name in names if issubclass(RUNTIMES[name].load(), GraphRuntime)]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, one_table():
        file = Path(folder) / "table.csv" if options.quick else options.file
        runs = Runs(names, file, again=options.again)
        for case in cases(QUICK if options.quick else options.only):
            began = time.perf_counter()
            found = runs.run(case)
            for each in found:
                if each.verdict in (WRONG, REFUSED):
                    print(f"{each.kind} {each.component}: {each.runtime}: {each.verdict}: ", end="")
                    print(each.reason[:200])
            if found:
                spent = time.perf_counter() - began
                print(f"{case[0]} {case[1]}: {spent:.1f} s", flush=True)
    for name, counts in runs.counts.items():
        print(f"{name:14} {', '.join(f'{count} {what}' for what, count in counts.items())}")
    about = {
        "benchmark": "runtime_matrix",
        "runtimes": {name: dict(counts) for name, counts in runs.counts.items()},
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps({**about, **describe(torch.device("cpu"))}))


if __name__ == "__main__":
    main()
