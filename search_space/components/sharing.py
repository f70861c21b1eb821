"""Tensors that several modules of a network share.

A shared tensor counts once in ``params`` and ``param_bytes``, files hold it once, and its values
are the same under all its names.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn


def _identity(tensor: Tensor) -> tuple[object, ...]:
    """Return a key that is equal for tensors with the same memory and the same layout."""
    if not tensor.numel():
        return (id(tensor),)
    storage = tensor.untyped_storage()
    # Meta tensors have no address; their storage's handle identifies them.
    place = storage._cdata if tensor.is_meta else storage.data_ptr()  # pyright: ignore
    view = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
    return (place, *view)


def distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors in order, without repetitions of the same tensor."""
    return list({_identity(each): each for each in tensors}.values())


def shared_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return each further name of a shared tensor with the tensor's first name."""
    first: dict[tuple[object, ...], str] = {}
    names = {name: first.setdefault(_identity(each), name) for name, each in state.items()}
    return {name: other for name, other in names.items() if name != other}


def with_shared(given: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return weights with shared tensors of ``module`` under all names, from one name at least."""
    found = dict(given)
    groups: dict[str, list[str]] = {}
    for name, first in shared_names(module.state_dict()).items():
        groups.setdefault(first, [first]).append(name)
    for names in groups.values():
        known = next((name for name in names if name in given), None)
        if known is not None:
            found.update({name: given[known] for name in names if name not in given})
    return found
