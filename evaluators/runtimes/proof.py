"""The proof that a runtime runs a network as torch does."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.layers.folding import fold
from ..measurement_context import seeded
from .component_table import REFUSED, RIGHT, RUNS, WITHIN, WRONG
from .graph_runtime import GraphRuntime, relative_difference
from .part_graphs import PartGraphs
from .program import ExportError
from .ruler_process import Ruler, RulerError
from .source import Source, varied

EXACT = 1e-4
"""Largest difference of right scores, relative to the largest score."""
_SEED = 0
_CPU = torch.device("cpu")
_IMAGES = 8
_MODEL = "proof"
_LONGEST = 240

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What became of a network in a runtime."""

    verdict: str
    """One of ``component_table.VERDICTS``."""
    difference: float | None = None
    """Largest difference of a score from torch's, relative to the largest score; None: there are no
    scores, or some are not finite."""
    reason: str = ""
    """Why the network is wrong or refused, one line."""

    @property
    def runs(self) -> bool:
        """Whether the runtime runs the network rightly, or within its tolerance."""
        return self.verdict in RUNS


def source_to_prove(architecture: Architecture, parts: PartGraphs | None = None) -> Source:
    """Return the source of a network whose scores show errors of every part.

    Its matrices and kernels keep the size of what they multiply: with the small initial weights of
    many components, and a residual beside them, the scores would hardly depend on the component.

    Args:
        architecture: The network.
        parts: Graphs of parts of earlier networks, which need not be traced again; None: none.
    """
    with seeded(_SEED, _CPU):
        network = varied(Network(architecture)).eval()
        with torch.no_grad():
            for weight in network.parameters():
                if weight.dim() > 1:
                    least = weight[0].numel() ** -0.5
                    deviation = float(weight.std())
                    if 0 < deviation < least:
                        weight.mul_(least / deviation)
        return Source(fold(network), architecture.input, parts=parts)


def prove(runtime: GraphRuntime, source: Source, ruler: Ruler) -> Proof:
    """Return what becomes of a network in a runtime, with float32.

    The scores of eight images, one by one and in batches of 4, must be torch's, so those of a batch
    are those of its images. A runtime that takes one image has no batches.

    Args:
        runtime: The runtime.
        source: The network.
        ruler: A ruler with that runtime, which is lost if the network kills it.
    """
    wanted = source.known(_IMAGES)[1]
    if not np.isfinite(wanted).all():
        return Proof(verdict=WRONG, reason="torch's own scores are not finite")
    worst = 0.0
    for batch in runtime.batches:
        try:
            found = _scores(runtime, source, ruler, batch)
        except (ExportError, RulerError) as error:
            return Proof(verdict=REFUSED, reason=_brief(error))
        difference = relative_difference(found, wanted)
        if not difference <= runtime.tolerance["float32"]:
            return _wrong(found, wanted, difference, batch)
        worst = max(worst, difference)
    return Proof(verdict=RIGHT if worst <= EXACT else WITHIN, difference=worst)


def _brief(error: Exception) -> str:
    """Return the reason of a refusal in one short line without the paths of this machine."""
    line = " ".join(str(error).split()).partition(" Stack backtrace")[0]
    line = re.sub(r"(?<![\w.])/\S*/", "", line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _scores(runtime: GraphRuntime, source: Source, ruler: Ruler, batch: int) -> Array:
    """Return the scores of the known images in batches."""
    images = source.known(_IMAGES)[0]
    if batch == runtime.batches[0] or not runtime.free_batch:
        with seeded(_SEED, _CPU):  # the exporters draw random numbers
            files = runtime.convert(source, batch)
        ruler.load(_MODEL, files, (batch, *source.shape))
    parts = [ruler.run(_MODEL, images[at : at + batch]) for at in range(0, _IMAGES, batch)]
    return np.concatenate(parts)


def _wrong(found: Array, wanted: Array, difference: float, batch: int) -> Proof:
    if found.shape != wanted.shape:
        what = f"scores of shape {found.shape} in place of {wanted.shape}"
        return Proof(verdict=WRONG, reason=f"{what} (batch {batch})")
    if not np.isfinite(found).all():
        return Proof(verdict=WRONG, reason=f"scores that are not finite (batch {batch})")
    same = 100 * float((found.argmax(1) == wanted.argmax(1)).mean())
    reason = f"off by {difference:.2g} of the largest score, top-1 {same:.0f} % (batch {batch})"
    return Proof(verdict=WRONG, difference=difference, reason=reason)
