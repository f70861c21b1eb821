"""The accuracy of trained networks in int8."""

import torch

from ...search_space.components.layers.folding import fold
from ...search_space.statistics import share_interval
from ..accuracy.after_training import AfterTraining
from ..accuracy.metric_value import valued
from ..accuracy.target_metrics import main_score
from ..accuracy.training.scoring import Normalise
from ..base import CandidateError, Measurement
from ..measurement_context import candidate_faults, seeded
from ..metrics import ACCURACY_INT8
from ..runtimes.onnx_graph import onnx_graph
from ..runtimes.program import ExportError, traced
from .calibration import normalised, training_images
from .noise import same_top, sqnr_db, why_broken
from .quantiser import Quantiser, facts
from .session import opened

_CPU = torch.device("cpu")
_AT_ONCE = 64


def accuracy_in_int8(trained: AfterTraining) -> Measurement:
    """Return the accuracy on the validation split, quantised after the training.

    The ranges of the maps come from images of the training split, the same ones for all networks of
    a study. The scores are those of ONNX Runtime, as of an exported file.

    Raises:
        CandidateError: ``not_defined`` if the network cannot be quantised, or is broken in int8.
    """
    data = trained.data
    images = training_images(data, seed=trained.seed)
    with candidate_faults(), seeded(0, _CPU):  # the exporter draws random numbers
        network = fold(trained.network).cpu()
        try:
            program = traced(network, trained.network.architecture.input)
            quantised = Quantiser(onnx_graph(program), images).quantised()
        except ExportError as error:
            raise CandidateError("not_defined", f"int8: {error}") from error
    run = opened(quantised)
    parts = data.validation_images.split(_AT_ONCE)
    found = torch.cat([torch.from_numpy(run(normalised(data, each))) for each in parts])
    wanted = torch.cat([network(Normalise(data, _CPU)(each.cpu())).detach() for each in parts])
    if reason := why_broken(wanted.numpy(), found.numpy()):
        raise CandidateError("not_defined", reason)
    labels = data.validation_labels.cpu()
    share = main_score(data.target, found, labels)
    value = valued(share, share_interval(share, len(labels)))
    return Measurement(
        metric=ACCURACY_INT8.name,
        value=value.value,
        low=value.low,
        high=value.high,
        provenance={
            **trained.provenance,
            **facts(len(images), trained.seed),
            "accuracy_in_float": main_score(data.target, wanted, labels),
            "agreement": same_top(wanted.numpy(), found.numpy()),
            "sqnr_db": round(sqnr_db(wanted.numpy(), found.numpy()), 2),
        },
    )
