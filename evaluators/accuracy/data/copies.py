"""Exact copies: images with byte-identical decoded pixels."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

_BYTES = 16


def picture_hashes(images: Tensor) -> Tensor:
    """Return a hash of each image's pixels, ``(N, 16)``, uint8.

    Args:
        images: ``(N, C, H, W)``, uint8.
    """
    if not len(images):
        return torch.empty(0, _BYTES, dtype=torch.uint8)
    rows = images.flatten(1).contiguous().numpy()
    digests = b"".join(hashlib.blake2b(row.data, digest_size=_BYTES).digest() for row in rows)
    return torch.frombuffer(bytearray(digests), dtype=torch.uint8).reshape(-1, _BYTES)


def as_keys(hashes: Tensor) -> list[bytes]:
    """Return the rows of ``picture_hashes`` as dictionary keys."""
    whole = hashes.contiguous().numpy().tobytes()
    return [whole[start : start + _BYTES] for start in range(0, len(whole), _BYTES)]


def first_alike(hashes: Tensor) -> Tensor:
    """Return for each image the index of the first image with the same pixels, ``(N,)``, int64."""
    first: dict[bytes, int] = {}
    found = [first.setdefault(key, index) for index, key in enumerate(as_keys(hashes))]
    return torch.tensor(found, dtype=torch.int64)


def under_two_classes(first: Tensor, labels: Tensor) -> list[list[int]]:
    """Return the indices of images with the same pixels and different labels, by picture.

    Each label of a picture is represented by its first image.
    """
    seen: dict[int, dict[int, int]] = {}
    for index, (picture, label) in enumerate(zip(first.tolist(), labels.tolist(), strict=True)):
        seen.setdefault(picture, {}).setdefault(label, index)
    return [[*by_label.values()] for by_label in seen.values() if len(by_label) > 1]


def absent_from(hashes: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return the indices of the images without a copy in ``others``, ``(M,)``, int64."""
    known = {key for each in others for key in as_keys(each)}
    kept = [index for index, key in enumerate(as_keys(hashes)) if key not in known]
    return torch.tensor(kept, dtype=torch.int64)
