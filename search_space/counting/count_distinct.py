"""The number of different architectures among the walks of a space."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, cycle, islice

from ..components.base import TokenMixer
from ..walk.assembly import stage_blocks
from ..walk.nodes import END, BlockFieldNode, BlockNode, FieldsNode, Node
from ..walk.slots import SlotChoice
from .membership import PLACEHOLDER, Fields, Membership, Signatures, Units

MOST_COUNTED = 50_000
"""Number of walks up to which the architectures are enumerated."""

SAMPLE = 400
"""Number of walks sampled in larger spaces."""


def stages_differ(membership: Membership) -> bool:
    """Whether all choices for the blocks of a stage provably add different part signatures. If
    False, they may still do so.
    """
    graph = membership.graph
    graph.count(graph.start)  # computes all nodes
    places = dict.fromkeys(node[:2] for node in graph.seen if isinstance(node, BlockNode))
    return all(_blocks_differ(membership, membership.units(*place)) for place in places)


def _blocks_differ(membership: Membership, units: Units) -> bool:
    """Whether blocks differ in their part signatures, whatever their mixers, and none is a prefix
    of another.

    A prefix is harmless if the following signatures differ: if a stage that begins with the shorter
    block cannot continue like the longer one.
    """
    sequences: dict[Signatures, Fields] = {}
    of_fields: dict[Fields, list[Signatures]] = defaultdict(list)
    for sequence, owners in units.by_signatures.items():
        blurred = _blurred(membership, sequence)
        if not sequence or len(owners) > 1 or blurred in sequences:
            return False
        sequences[blurred] = owners[0][0]
        of_fields[owners[0][0]].append(blurred)
    for sequence in sequences:
        for length in range(1, len(sequence)):
            if sequence[:length] in sequences:
                rest = sequence[length:]
                for onward in of_fields[sequences[sequence[:length]]]:
                    both = min(len(rest), len(onward))
                    if rest[:both] == onward[:both]:
                        return False
    return True


def _blurred(membership: Membership, sequence: Signatures) -> Signatures:
    """Return signatures with a placeholder for every token mixer."""
    signatures = [membership.signature(number) for number in sequence]
    return tuple(
        membership.number((PLACEHOLDER, *signature[1:]))
        if isinstance(signature[0], TokenMixer)
        else number
        for number, signature in zip(sequence, signatures, strict=True)
    )


def count_signatures(membership: Membership) -> int:
    """Return the number of different architectures by enumerating their part signatures."""
    known: dict[Node, set[Signatures]] = {END: {()}}

    def sequences(node: Node) -> set[Signatures]:
        if node not in known:
            known[node] = {
                (*mine, *rest)
                for after, added in _choices(membership, node)
                for mine in added
                for rest in sequences(after)
            }
        return known[node]

    return len(sequences(membership.graph.start))


def _choices(membership: Membership, node: Node) -> Iterable[tuple[Node, set[Signatures]]]:
    """Return the next nodes, with the signatures that choices can add.

    All choices of a stage's blocks count as one.
    """
    graph, found = membership.graph, defaultdict[Node, set[Signatures]](set)
    if not isinstance(node, BlockNode):
        here = graph.choices_at(node)
        for choice, after in zip(here.choices, here.nexts, strict=True):
            found[after].add(tuple(map(membership.number, membership.added(node, choice))))
        return found.items()
    _, shape, depth, _ = node
    unfinished: list[tuple[Node, dict[str, SlotChoice]]] = [(node, {})]
    while unfinished:
        at, picks = unfinished.pop()
        if isinstance(at, BlockNode | FieldsNode | BlockFieldNode):
            here = graph.choices_at(at)
            for choice, after in zip(here.choices, here.nexts, strict=True):
                unfinished.append((after, {**picks, at.kind: choice}))
            continue
        blocks = [membership.signatures(block, shape) for block in stage_blocks(picks, depth)]
        found[at].add(tuple(chain.from_iterable(islice(cycle(blocks), depth))))
    return found.items()
