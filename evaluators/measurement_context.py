"""Contexts of every measured run of a network: seeds and errors."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

from .base import CandidateError

# Only CUDA has its own class for this error: the CPU's allocator and the CUDA libraries raise a
# RuntimeError with a text.
_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
_DEVICE = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "HIP error", "device-side assert")


def fault_kind(error: BaseException) -> str:
    """Return the kind of an exception: ``out_of_memory``, ``device_error`` or ``error``.

    After the first two the process may be unusable: memory stays allocated, and a CUDA context
    rejects all work after a failed kernel.
    """
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _MEMORY)
    ):
        return "out_of_memory"
    if isinstance(error, RuntimeError) and any(sign in text for sign in _DEVICE):
        return "device_error"
    return "error"


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None]:
    """Seed torch's global generators of the CPU and of ``device``; restore them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def candidate_faults() -> Generator[None]:
    """Turn any exception of a candidate into a ``CandidateError``.

    Raises:
        CandidateError: Error of the exception's ``fault_kind``; its detail is the first line of the
        exception's text, after the type where the kind is ``error``.
    """
    try:
        yield
    except CandidateError:
        raise
    except Exception as error:
        kind = fault_kind(error)
        line = (str(error).splitlines() or [""])[0]
        detail = f"{type(error).__name__}: {line}" if kind == "error" else line
        raise CandidateError(kind, detail or "no memory left") from error
