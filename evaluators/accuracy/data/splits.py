"""Stratified splits that depend only on labels, copies and a seed."""

from collections import Counter

import torch
from torch import Tensor


def stratified_cut(
    labels: Tensor,
    *,
    classes: int,
    share: float,
    keep: int,
    seed: int,
    pictures: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Split off a part with about the same share of every class.

    Of a class with n members, ``round(share * n)`` are split off, at least one, and no more than
    leaves ``keep`` different pictures. Copies of a picture stay together, even across classes, so
    the number may be lower, or higher in a class whose pictures all have many copies.

    Args:
        labels: ``(N,)``, int64, from 0 to ``classes - 1``.
        classes: Number of classes.
        share: Share to split off, between 0 and 1.
        keep: Fewest different pictures that remain in each class.
        seed: Seed of the choice.
        pictures: ``(N,)``, int64: equal numbers for copies of a picture; None: all differ.

    Returns:
        Indices that remain and indices split off, each in ascending order.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).tolist()
    shown = list(range(len(labels))) if pictures is None else pictures.tolist()
    cutter = _Cutter(labels.tolist(), shown, keep)
    members: list[list[int]] = [[] for _ in range(classes)]
    for index in order:
        members[cutter.labels[index]].append(index)
    for label, own in enumerate(members):
        cutter.cut_class(label, own, min(max(1, round(share * len(own))), len(own) - keep))
    cut = torch.tensor(cutter.cut, dtype=torch.bool)
    return torch.nonzero(~cut).flatten(), torch.nonzero(cut).flatten()


class _Cutter:
    """Splits off pictures, each with all its copies."""

    def __init__(self, labels: list[int], shown: list[int], keep: int) -> None:
        self.labels = labels
        self.cut = [False] * len(labels)
        self._shown = shown
        self._keep = keep
        self._members: dict[int, list[int]] = {}
        for index, picture in enumerate(shown):
            self._members.setdefault(picture, []).append(index)
        self._counts = {
            picture: Counter(labels[index] for index in own)
            for picture, own in self._members.items()
        }
        self._left = Counter(label for counts in self._counts.values() for label in counts)

    def cut_class(self, label: int, members: list[int], count: int) -> None:
        """Split off ``count`` members of a class, in order, as whole pictures."""
        done = sum(self.cut[index] for index in members)
        for index in members:
            if done >= count:
                return
            size = self._counts[self._shown[index]][label]
            if done + size <= count and self._may_go(index):
                self._remove(index)
                done += size
        free = [index for index in members if self._may_go(index)]
        if not done and free:  # a class of few pictures with many copies each
            self._remove(min(free, key=lambda index: self._counts[self._shown[index]][label]))

    def _may_go(self, index: int) -> bool:
        counts = self._counts[self._shown[index]]
        return not self.cut[index] and all(self._left[each] > self._keep for each in counts)

    def _remove(self, index: int) -> None:
        for each in self._members[self._shown[index]]:
            self.cut[each] = True
        self._left.subtract(self._counts[self._shown[index]].keys())
