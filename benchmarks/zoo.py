"""Do the networks of the zoo have their printed figures?

Parameters and multiply-adds of each published network's folded form are counted twice: part by
part, as everywhere in the project, and on the whole network by torch's own counter. Both must be
within half of the last printed digit, or the entry must have a note with the reason; no count may
be more than 3 % (or one printed digit) off, unless the note gives a count with norms (and biases),
which is checked too. Disagreements are listed. The last line is JSON; the exit code is 1 if there
are any.

    python benchmarks/zoo.py [--quick] [--networks N] [--seed N] [--only NAME]
"""

import argparse
import json
import random
import time
from collections.abc import Iterator

import torch
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.value import Cost
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.zoo import ZOO, ZooEntry, zoo_entry
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

UNITS = {"M": 1e6, "G": 1e9}


def half_digit(text: str) -> float:
    """Return half of the last printed digit: 0.05e9 for 4.1G."""
    decimals = len(text[:-1].partition(".")[2])
    return 0.5 * 10.0**-decimals * UNITS[text[-1]]


def number(text: str) -> float:
    """Return the value of a printed figure: 4.1e9 for 4.1G."""
    return float(text[:-1]) * UNITS[text[-1]]


def counted(entry: ZooEntry) -> tuple[int, float]:
    """Return trainable parameters and multiply-adds of the folded form, by torch's own counter."""
    with torch.device("meta"), torch.no_grad():
        network = Network(entry.architecture).eval().folded()
        image = torch.empty(1, *entry.architecture.input)
    params = sum(each.numel() for each in network.parameters() if each.requires_grad)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return params, counter.get_total_flops() / 2


def figures_wrong(entry: ZooEntry, counts: tuple[int, float], shown: float) -> str | None:
    """Return why an entry's figures, or its note, disagree with the counts.

    Args:
        entry: The published network.
        counts: Parameters and multiply-adds.
        shown: The multiply-adds shown by the project, which may differ from a counter's.
    """
    printed = (entry.printed_params, entry.printed_macs)
    exact = True
    texts = entry.printed.split()
    for place, (ours, theirs, text) in enumerate(zip(counts, printed, texts, strict=False)):
        if theirs is None:
            exact = False
            continue
        exact = exact and abs(ours - theirs) <= half_digit(text)
        cut_off = 2 * half_digit(text)  # some sources truncate to whole millions
        if place and note_counts(entry):
            continue  # ``note_wrong`` checks the count of the note
        if abs(ours - theirs) >= max(cut_off, 0.03 * theirs):
            return f"{ours} counted, {theirs} printed"
    far = printed[1] is not None and abs(shown - printed[1]) > 0.01 * printed[1]
    if entry.printed and (exact and not far) != (not entry.note):
        return f"{counts} counted, {shown} shown, {entry.printed} printed, noted: {entry.note!r}"
    return None


def note_counts(entry: ZooEntry) -> bool:
    """Whether the note gives a count with the norms."""
    return " with them" in entry.note


def biases(entry: ZooEntry) -> int:
    """Return the number of output elements with a bias, of convolutions and linear maps."""
    extra: list[int] = []
    with torch.device("meta"):
        network = Network(entry.architecture).eval()
        image = torch.empty(1, *entry.architecture.input)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            module.register_forward_hook(lambda _m, _i, out: extra.append(out.numel()))
    with torch.no_grad():
        network(image)
    return sum(extra)


def note_wrong(entry: ZooEntry, cost: Cost) -> str | None:
    """Return why the count in a note is wrong, or does not round (or truncate) to the printed
    one.
    """
    count = cost.macs + cost.other_by_kind["norm"]
    if "biases" in entry.note:
        count += biases(entry)
    noted = entry.note.split(": ")[1].split(" ")[0]
    if abs(count - number(noted)) > half_digit(noted):
        return f"{count} counted with norms, {noted} noted"
    rounded = entry.printed.split()[1]
    off, half = count - number(rounded), half_digit(rounded)
    if abs(off) <= half or ("truncated" in entry.note and 0 < off < 2 * half):
        return None
    return f"{count} counted with norms, {rounded} printed"


def disagreements(entry: ZooEntry) -> Iterator[str]:
    """Yield the disagreements of one entry."""
    cost = architecture_cost(entry.architecture)
    for counts in (counted(entry), (cost.params, cost.macs)):
        if wrong := figures_wrong(entry, counts, cost.macs):
            yield wrong
    if note_counts(entry) and (wrong := note_wrong(entry, cost)):
        yield wrong


def main() -> None:
    """Check all networks, print the disagreements and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--networks", type=int, help="number of random networks; by default all")
    parser.add_argument("--seed", type=int, default=0, help="decides the draw")
    parser.add_argument("--only", default="", help="only the network of this name")
    options = parser.parse_args()
    entries = [zoo_entry(options.only)] if options.only else list(ZOO.values())
    if options.quick:
        options.networks = 3
    if options.networks:
        few = min(options.networks, len(entries))
        entries = random.Random(options.seed).sample(entries, few)
    started = time.perf_counter()
    wrong = {each.name: found for each in entries if (found := list(disagreements(each)))}
    for name, found in wrong.items():
        print(f"{name}: {'; '.join(found)}", flush=True)
    about = {
        "networks": len(entries),
        "disagree": len(wrong),
        "seconds": time.perf_counter() - started,
        "torch": torch.__version__,
    }
    print(json.dumps(about))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
