"""Networks of a scaling rule that have a given cost or latency."""

from collections.abc import Callable

from ..search_space.architecture.architecture import Architecture
from ..search_space.constraints.constraint import Constraint
from ..search_space.errors import InputError, known_name
from ..search_space.scale_to import TOLERANCE, CostOf, Scaled, scale_to
from ..search_space.scaling_rules import RULES, ScalingRule, read_aspect
from .base import CandidateError, metric
from .cost.cost import EXACT_METRICS, architecture_cost
from .measure import measure, read_architecture
from .measurement_context import candidate_faults
from .runtime_table import is_latency
from .units import read_constraint

_MOST_MEASURED = 12
"""Number of networks near a rule whose latency is measured."""


def read_target(text: str) -> Constraint:
    """Read the target of a scaling, such as ``macs=2e9``; it is met within 2 %.

    Raises:
        InputError: If it is not one value above 0 of an exact cost or a latency.
    """
    found = read_constraint(text)
    if found.low != found.high or not found.low > 0:
        raise InputError(
            f"a target must be one value, as in macs=2e9 (within {TOLERANCE:.0%}), but got {text!r}"
        )
    if metric(found.metric).tier != "exact" and not is_latency(found.metric):
        raise InputError(f"a target must be an exact cost or a latency, but got {text!r}")
    return found


def scale(
    architecture: Architecture | str,
    to: str,
    *,
    rule: str = "compound",
    aspect: float = 1.0,
    keep_resolution: bool = False,
) -> Scaled:
    """Return a larger or smaller network of the same kind, with a given cost.

    Args:
        architecture: The network, or the name of a published one.
        to: The cost, such as ``macs=2e9``; it is met within 2 % if the result is ``met``.
        rule: ``compound``, ``width``, ``depth``, ``aspect`` or ``resolution``.
        aspect: Factor on depth by width, at equal multiply-adds, from 0.01 to 100.
        keep_resolution: Whether the images keep their size.

    Raises:
        InputError: If the target or the rule cannot be used, or components refuse all networks.
    """
    found = RULES[known_name("scaling rule", rule, RULES)]
    if keep_resolution:
        found = found.keeping_resolution()
    factor = read_aspect(str(aspect))
    return scaled(read_architecture(architecture), found, read_target(to), aspect=factor)


def scaled(
    architecture: Architecture,
    rule: ScalingRule,
    target: Constraint,
    *,
    aspect: float = 1.0,
    latency_of: Callable[[Architecture], float] | None = None,
) -> Scaled:
    """Return the network of a rule that meets a target, or is nearest to it.

    Args:
        architecture: The network to scale.
        rule: The rule.
        target: The target, from ``read_target``.
        aspect: Factor on depth by width, at equal multiply-adds.
        latency_of: Function that measures a latency; None: torch's on this machine.

    Raises:
        InputError: If the rule does not change the cost, or components refuse all networks.
    """
    name = target.metric
    if name in EXACT_METRICS:
        return scale_to(architecture, rule, target.low, _cost_of(name), aspect=aspect)
    measured = _reported(latency_of or measured_latency(name))
    return scale_to(
        architecture, rule, target.low, measured, aspect=aspect, most=_MOST_MEASURED, fineness=1
    )


def _cost_of(name: str) -> CostOf:
    return _reported(lambda network: float(getattr(architecture_cost(network), name)))


def measured_latency(
    name: str, *, runtime: str = "", device: str = "auto", device_command: str = ""
) -> Callable[[Architecture], float]:
    """Return a function that measures the latency of a network in ms; arguments as of ``measure``.

    Args:
        name: The latency, such as ``latency`` or ``latency@openvino``.
        runtime: Runtimes, with commas.
        device: Device.
        device_command: Command that runs a ruler on another device.
    """

    def latency(network: Architecture) -> float:
        found = measure(
            network,
            latency=name == "latency",
            metrics=[name],
            runtime=runtime or (),
            device=device,
            device_command=device_command,
        )
        return found[name].value

    return latency


def _reported(cost: CostOf) -> CostOf:
    """Return a cost whose failures are an ``InputError`` with their reason."""

    def found(network: Architecture) -> float:
        try:
            with candidate_faults():
                return cost(network)
        except CandidateError as error:
            raise InputError(str(error)) from error

    return found
