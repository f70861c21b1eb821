"""Tensors that several modules of a network share.

Such a tensor is one: it counts once in ``params`` and ``param_bytes``, files hold it once, and its
values are the same under all its names.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn


def _identity(tensor: Tensor) -> tuple[object, ...]:
    """Return what is the same for tensors in one place of memory, seen in one way."""
    if not tensor.numel():
        return (id(tensor),)
    storage = tensor.untyped_storage()
    # On the meta device nothing has an address; the storage's own handle tells them apart.
    place = storage._cdata if tensor.is_meta else storage.data_ptr()  # pyright: ignore
    view = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
    return (place, *view)


def distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors, those that are one once, in their order."""
    return list({_identity(each): each for each in tensors}.values())


def shared_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the further names of shared tensors, each with the first name of the same one."""
    first: dict[tuple[object, ...], str] = {}
    names = {name: first.setdefault(_identity(each), name) for name, each in state.items()}
    return {name: other for name, other in names.items() if name != other}


def with_shared(given: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return weights under all names, where some give a shared tensor of ``module`` under one."""
    found = dict(given)
    groups: dict[str, list[str]] = {}
    for name, first in shared_names(module.state_dict()).items():
        groups.setdefault(first, [first]).append(name)
    for names in groups.values():
        known = next((name for name in names if name in given), None)
        if known is not None:
            found.update({name: given[known] for name in names if name not in given})
    return found
