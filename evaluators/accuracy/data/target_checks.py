"""Checks and strata of targets that are numbers or labels, not classes.

Legend: N images, K outputs.
"""

import torch
from torch import Tensor

from ....search_space.errors import InputError
from ...targets import Target
from .copies import first_alike
from .scan import few

_FEWEST = 10
"""Fewest different images of a data set whose targets are no classes."""
_STRATA = 10
"""Groups of numbers, of equal size, of which each split has its share."""


def check_targets(
    target: Target,
    values_NK: Tensor,
    names: tuple[str, ...],
    hashes: Tensor,
    *,
    where: str,
    notes: str = "",
) -> None:
    """Check that a network can learn from the targets of training images.

    Args:
        target: Their kind, not classes.
        values_NK: The targets, (N, K), float64.
        names: Names of the outputs.
        hashes: Hashes of the images' pixels, see ``picture_hashes``.
        where: Name of the place of the images in the error.
        notes: End of the error.

    Raises:
        InputError: If there are too few different images, a number is the same for all of them, or
            a label has fewer than 2 different images with it, or without it.
    """
    first_N = first_alike(hashes)
    kept = first_N.unique()
    if len(kept) < _FEWEST:
        raise InputError(
            f"data must hold at least {_FEWEST} different readable images, but {where} has "
            f"{len(kept)}{notes}"
        )
    values = values_NK[kept]
    if target == "regression":
        same = [name for name, each in zip(names, values.T, strict=True) if len(each.unique()) < 2]
        if same:
            only = values[0, names.index(same[0])].item()
            raise InputError(
                f"a number to predict must vary, but in {where} {few(same)} is {only:g} for every "
                f"image{notes}"
            )
        return
    for name, each in zip(names, values.T, strict=True):
        with_it = int(each.sum())
        for what, count in (("with", with_it), ("without", len(each) - with_it)):
            if count < 2:
                raise InputError(
                    f"every label must have at least 2 different images with it and 2 without it, "
                    f"but {where} has {count} {what} {name!r}{notes}"
                )


def strata(target: Target, labels: Tensor) -> tuple[Tensor, int]:
    """Return the group of each image, (N,), int64, and the number of groups; splits are stratified.

    Classes are groups. Images with labels are grouped by their rarest label, those without one are
    a group (after Sechidis et al., On the Stratification of Multi-Label Data, 2011, who begin with
    the rarest label too). Numbers are grouped by ten quantiles of the first of them.

    Args:
        target: Kind of target.
        labels: Classes (N,), or numbers or labels (N, K).
    """
    if target == "classes":
        return labels, int(labels.max()) + 1 if len(labels) else 1
    if target == "labels":
        counts_K = labels.sum(0)
        ranks = torch.where(labels > 0, counts_K, torch.inf)
        groups = torch.where((labels > 0).any(1), ranks.argmin(1), labels.shape[1])
        return groups, labels.shape[1] + 1
    first_N = labels[:, 0].contiguous()
    count = max(1, min(_STRATA, len(first_N) // _STRATA))
    places = [len(first_N) * each // count for each in range(1, count)]
    edges = first_N.sort().values[places].unique()
    return torch.searchsorted(edges, first_N, right=True), len(edges) + 1


def row_keys(labels: Tensor) -> Tensor:
    """Return a number for each different target, (N,), int64: equal targets have equal numbers."""
    if labels.dim() == 1:
        return labels
    return labels.unique(dim=0, return_inverse=True)[1]
