"""Rough costs of a network, as features for a model, without an analysis of its parts."""

from collections.abc import Mapping

from ...search_space.architecture.architecture import Architecture


def rough_costs(architecture: Architecture) -> Mapping[str, float]:
    """Return multiply-adds, weights and elements of a network whose blocks are square matrices.

    A block of width C on a map of H x W counts C^2 H W multiply-adds, C^2 weights and C H W
    elements. Exact costs would need an analysis of each new part, of some milliseconds, for
    hundreds of networks that are never trained.
    """
    macs = weights = elements = 0.0
    stages = [stage for stage in architecture.stages if stage.depth]
    for stage, shape in zip(stages, architecture.stage_shapes, strict=True):
        places = shape.height * shape.width
        macs += stage.depth * stage.width**2 * places
        weights += stage.depth * stage.width**2
        elements += stage.depth * stage.width * places
    return {"rough macs": macs, "rough weights": weights, "rough elements": elements}
