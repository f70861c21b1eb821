"""What surrounds every run of a network that is measured."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

from .base import CandidateError


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
    """Turn running out of memory into the candidate's error.

    Raises:
        CandidateError: ``out_of_memory``.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # Only CUDA has a class of its own for this: the CPU's allocator and the CUDA libraries
        # say it in the text of a RuntimeError.
        signs = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
        text = str(error)
        if isinstance(error, MemoryError) or any(sign in text for sign in signs):
            line = text.splitlines()[0] if text else "no memory left"
            raise CandidateError("out_of_memory", line) from error
        raise
