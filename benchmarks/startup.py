"""How long does the command take, compared with ``import torch``, in CPU time of fresh processes?

    python benchmarks/startup.py [--quick]

Every round runs each command and ``import torch`` once, so that other load affects all equally.
Results are medians over the rounds, and ratios to ``import torch``. The first round, which may
count costs and write bytecode, is left out.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

NAS = ("-m", "nas_explorer.cli")
SPACE = """
summary: one tiny network
input: {channels: 1, resolution: data, classes: 10, min: 8, max: 16}
stem: {conv: {stride: 2}}
stages: [{width: [8], depth: 1, block: {metaformer: {mixer: [pooling]}}}]
head: pooled
"""
COMMANDS = {
    "import torch": ("-c", "import torch"),
    "--version": (*NAS, "--version"),
    "a wrong value": (*NAS, "search", "--device", "mps"),
    "front": (*NAS, "front"),
    "studies": (*NAS, "studies"),
    "show": (*NAS, "show", "0"),
    "space show": (*NAS, "space", "show", "micro"),
    "measure": (*NAS, "measure", "van_b0"),
}


def cpu_seconds(arguments: tuple[str, ...], folder: Path) -> float:
    """Run Python once; return the CPU time of the process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round after the first")
    rounds = 1 if parser.parse_args().quick else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(SPACE)
        search = ("search", "--space", "tiny.yaml", "--budget", "1", "--epochs", "1")
        done = subprocess.run(
            [sys.executable, *NAS, *search, "--workers", "1"], cwd=folder, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        found: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for turn in range(rounds + 1):
            for what, arguments in COMMANDS.items():
                spent = cpu_seconds(arguments, folder)
                if turn:
                    found[what].append(spent)
    seconds = {name: statistics.median(each) for name, each in found.items()}
    ratios = {name: each / seconds["import torch"] for name, each in seconds.items()}
    for name, each in seconds.items():
        print(f"{name:<14} {each:6.2f} s CPU  {ratios[name]:5.2f} x import torch")
    figures = {"seconds": seconds, "ratios": ratios, "rounds": rounds}
    about = {"machine": platform.machine(), "python": platform.python_version()}
    print(json.dumps({**figures, **about, "torch": version("torch")}))


if __name__ == "__main__":
    main()
