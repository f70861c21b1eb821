"""A plug-in that adds the metric ``energy_per_image``, for devices with a counter of energy.

    nas measure convnext_atto --plugin nas_explorer.evaluators.latency.energy_plugin \\
        --metric energy_per_image

It is a plug-in since most devices have no readable counter, and a search for it fails there.
"""

from ..base import register_evaluator
from .energy import EnergyEvaluator

register_evaluator(EnergyEvaluator)
