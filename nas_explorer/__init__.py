"""Neural architecture search and design-space exploration for vision backbones.

    import nas_explorer as nas

    study = nas.search(space="micro", data="digits", budget=20)
    print(study.front())
    study.export(study.front()["number"][0], "model.onnx")

The public names below are imported on first use.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluators.function_metric import metric
    from .evaluators.measure import measure
    from .evaluators.measure_scores import measure_scores
    from .evaluators.scaling import scale
    from .results.final.python_finalize import finalize
    from .results.study.study import Study
    from .search_space.architecture.architecture import Architecture
    from .search_space.around import space_around
    from .search_space.constraints.constraint import Constraint
    from .search_space.errors import InputError
    from .search_space.files import load_space
    from .search_space.space import SearchSpace
    from .searchers.plugins import register
    from .searchers.run.diagnosing import diagnose
    from .searchers.run.fidelity import fidelity
    from .searchers.run.python_refine import refine
    from .searchers.run.python_search import load_study, search

__all__ = [
    "Architecture",
    "Constraint",
    "InputError",
    "SearchSpace",
    "Study",
    "diagnose",
    "fidelity",
    "finalize",
    "load_space",
    "load_study",
    "measure",
    "measure_scores",
    "metric",
    "refine",
    "register",
    "scale",
    "search",
    "space_around",
]

_PLACES = {
    "Architecture": "search_space.architecture.architecture",
    "Constraint": "search_space.constraints.constraint",
    "InputError": "search_space.errors",
    "SearchSpace": "search_space.space",
    "Study": "results.study.study",
    "diagnose": "searchers.run.diagnosing",
    "finalize": "results.final.python_finalize",
    "fidelity": "searchers.run.fidelity",
    "load_space": "search_space.files",
    "load_study": "searchers.run.python_search",
    "measure": "evaluators.measure",
    "measure_scores": "evaluators.measure_scores",
    "metric": "evaluators.function_metric",
    "refine": "searchers.run.python_refine",
    "register": "searchers.plugins",
    "scale": "evaluators.scaling",
    "search": "searchers.run.python_search",
    "space_around": "search_space.around",
}

if not (Path(__file__).parent / "search_space").is_dir():  # in a clone the folders lie beside it
    __path__.append(str(Path(__file__).parents[1]))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nas-explorer")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
