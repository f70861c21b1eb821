"""The options of a search, read and checked before heavy imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluators.accuracy.data.names import data_name
from ...evaluators.accuracy.option_table import check_teacher_files
from ...evaluators.accuracy.option_table import read_options as read_recipe
from ...evaluators.accuracy.recipe import AUGMENTATIONS
from ...evaluators.device_name import device_name
from ...evaluators.runtime_choice import check_runtimes, read_exportable, with_recorded
from ...evaluators.runtime_table import latency_name, read_runtimes
from ...evaluators.runtimes.exportable import version_notes
from ...evaluators.scores import check_not_ranking, read_scores
from ...evaluators.targets import read_target
from ...evaluators.units import (
    read_constraint,
    read_metric,
    read_seconds,
    read_whole,
    taken_for_macs,
)
from ...results.settings import check_objectives, check_study_name
from ...results.study.recorded_plugins import recorded_plugins
from ...results.study.storage_url import DEFAULT_STORAGE, read_storage
from ...search_space.errors import InputError, known_name, shown, unknown_name
from ...search_space.json_fields import is_list
from ...search_space.plugins import load_plugins, load_present
from ...search_space.space_files import check_resolution, space_data, space_name
from ..engines import ENGINES
from ..halving import DEFAULT_ETA, Halving
from ..names import SCHEDULERS, searcher_name
from .option_values import read_rungs as read_rungs
from .option_values import read_side as read_side

if TYPE_CHECKING:  # torch takes seconds to import
    from ...search_space.architecture.architecture import Architecture
    from ...search_space.space import SearchSpace

_LISTS = ("objectives", "constraints", "plugins", "scores", "runtime", "exportable_to")
_BY_COMMAS = ("objectives", "scores", "runtime", "exportable_to")
_ARCHITECTURES = (".json", ".safetensors")
"""Endings of the files of architectures."""
_WHOLE = {
    "budget": "candidates in all; --max-time bounds the time of a run",
    "workers": "",
    "epochs": "passes over the training images",
    "eta": "1/eta of the candidates train on",
    "seed": "",
    "max_megapixels": "millions of pixels, as in 250",
}
_LONGEST = 1e6
DEFAULT_BUDGET = 100
"""Budget of a search without budget and time."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The options of a search, those of ``nas search``.

    Names are stored in their exact spelling.

    Raises:
        InputError: If a value is out of range, or a name unknown. Data and space must exist; they
        are not read.
    """

    budget: int | None = None
    """Total number of candidates in the study, at least 1; by default 100, or, with ``max_time``,
    None: no limit."""
    max_time: float | None = None
    """Seconds of this run after which no further candidate starts; None: no limit."""
    space: "str | SearchSpace" = "micro"
    """A shipped space, a YAML file, or, in Python, a space."""
    data: str = "digits"
    """Data set, or a folder: ``folder:PATH``, or a path that looks like one."""
    resolution: int | None = None
    """Side of the images in pixels; None: chosen from space and data."""
    max_megapixels: int | None = None
    """Largest image file in millions of pixels; None: 250."""
    target: str | None = None
    """What images have as target: ``classes``, ``regression`` or ``labels``, with the names of
    columns after a colon (see ``read_target``); None: as the data are."""
    objectives: tuple[str, ...] = ()
    """Names of the metrics to optimise; none: the main metric of the data's kind of target
    (accuracy, r2 or mean_average_precision) and macs."""
    constraints: tuple[str, ...] = ()
    """Hard constraints, such as ``params<=2e6`` or ``latency<=5ms``."""
    scores: tuple[str, ...] = ()
    """Training-free scores to record for each candidate, or ``all``; none: those of the study."""
    rank_by_score: bool = False
    """Whether objectives and bounds may be training-free scores."""
    searcher: str | None = None
    """Name of the searcher; None: the one that the study has, ``pareto`` for a new study."""
    scheduler: str | None = None
    """``asha``: stops the trainings of all but the best candidates early; ``none``: stops none;
    None: that of the study, ``none`` for a new study."""
    eta: int | None = None
    """With ``asha``, inverse of the share of candidates that continue at a rung; None: 3."""
    rungs: tuple[int, ...] | None = None
    """With ``asha``, the epochs after which a training may be stopped; None: the epochs of the
    training, divided by ``eta`` once and twice."""
    architectures: "tuple[str | Architecture, ...]" = ()
    """Files of architectures to propose first (see ``read_architectures``), or, in Python,
    architectures."""
    from_study: str | None = None
    """A study in the same storage whose front is proposed first, and measured again."""
    seed_zoo: bool = False
    """Whether to propose first the published networks that lie in the space."""
    engine: str = "local"
    """Name of the engine."""
    ray_address: str | None = None
    """Address of an existing Ray cluster; None: a new one on this machine."""
    workers: int | None = None
    """Candidates measured at once; None: one per core, or one on a GPU."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    epochs: int | None = None
    """Passes over the training images in the short schedule; None: depends on the data."""
    augmentation: str | None = None
    """How training images are changed at random: ``none``, ``shift`` or ``shift+flip``; None: as
    suits the data, not at all for numbers to predict."""
    class_weights: bool = False
    """Whether every class counts the same in the training loss, however many images it has."""
    init: str | None = None
    """Weights that the short training begins with: ``timm:NAME``, ``timm:NAME:FILE`` or a
    ``.safetensors`` file; None: every candidate starts from scratch."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Recipe options of the short training by name; see ``evaluators.accuracy.option_table``."""
    time_limit: float | None = None
    """Seconds after which a candidate fails; None: no limit."""
    seed: int = 0
    """Seed of all random numbers."""
    exportable_only: bool = False
    """Another name of ``exportable_to`` with ``onnxruntime``."""
    exportable_to: tuple[str, ...] = ()
    """Runtimes that must run every component; none: any component."""
    runtime: tuple[str, ...] = ()
    """Runtimes: the first is what plain ``latency`` is measured in, and the latency in each other
    one is recorded as ``latency@NAME``; none: ``eager``."""
    device_command: str = ""
    """Command that runs a ruler on another device, where runtimes that run model files are timed;
    empty: on this device."""
    latency_from: str = ""
    """CSV file of measured latencies, of the runtime ``recorded``; empty: none."""
    any_resolution: bool = False
    """Whether to leave out components that take images of one size only."""
    remeasure: bool = False
    """Whether to first measure again latencies from another device or other versions."""
    predict_latency: bool = False
    """Whether latencies are predicted from the first measured candidates, and measured only where
    the interval touches a bound on the latency or, with latency as an objective, could reach the
    front."""
    join: bool = False
    """Whether other processes that join may search the study at the same time."""
    study: str | None = None
    """Name of the study; None: made from the space, the data and the other settings."""
    storage: str = DEFAULT_STORAGE
    """Storage of the study: a URL, or an SQLite file."""
    plugins: tuple[str, ...] = ()
    """Modules of the user that register components, searchers, evaluators, engines or formats."""
    notes: tuple[str, ...] = field(default=(), init=False, compare=False)
    """Notes on values that were converted, one line each."""

    def __post_init__(self) -> None:
        self._name(plugins=load_plugins(self.plugins))  # first, since plug-ins may define names
        missing = self._load_recorded()
        try:
            self._check()
        except InputError as error:
            raise InputError("; ".join((str(error), *missing))) from None
        self._name(notes=(*missing, *self.notes, *version_notes(self.exportable_to)))

    @property
    def recorded_latencies(self) -> tuple[str, ...]:
        """The latencies that are recorded though they need not be objectives."""
        return tuple(map(latency_name, self.runtime[1:]))

    @property
    def names_first(self) -> bool:
        """Whether the options name candidates to propose first."""
        return bool(self.architectures or self.from_study is not None or self.seed_zoo)

    def _load_recorded(self) -> list[str]:
        """Load the plug-ins that the named study has recorded; return a line for each missing."""
        if self.study is None:
            return []
        recorded = recorded_plugins(self.study, read_storage(self.storage))
        lines = {name: load_present([name]) for name in recorded if name not in self.plugins}
        loaded = (name for name, line in lines.items() if not line)
        self._name(plugins=(*self.plugins, *loaded))
        return [f"study {self.study!r}: {each}" for line in lines.values() for each in line]

    def _check(self) -> None:
        for name in ("budget", "workers", "epochs", "resolution", "max_megapixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, but got {value}")
        for name in ("time_limit", "max_time"):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit <= _LONGEST:
                raise InputError(
                    f"{name} must be above 0 and at most {_LONGEST:g} s, but got {limit:g} s"
                )
        if self.budget is None and self.max_time is None:
            self._name(budget=DEFAULT_BUDGET)
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, but got {self.seed}")
        self._name(engine=known_name("engine", self.engine, ENGINES))
        if self.augmentation is not None:
            self._name(augmentation=known_name("augmentation", self.augmentation, AUGMENTATIONS))
        if self.join and self.remeasure:
            raise InputError(
                "remeasure must be without join, but got both: measure again alone first"
            )
        self._check_scheduler()
        if self.ray_address is not None and self.engine != "ray":
            raise InputError(f"ray_address must come with engine ray, but got {self.engine!r}")
        asked = (*self.objectives, *self.constraints)
        self._name(
            searcher=self.searcher and searcher_name(self.searcher),
            device=device_name(self.device),
            notes=tuple(filter(None, map(taken_for_macs, asked))),
            objectives=tuple(map(read_metric, self.objectives)),
            constraints=tuple(str(read_constraint(each)) for each in self.constraints),
            storage=read_storage(self.storage),
            data=data_name(self.data),
            scores=read_scores(self.scores),
            recipe=read_recipe(self.recipe),
        )
        bounds = [read_constraint(each).metric for each in self.constraints]
        self._check_runtimes((*self.objectives, *bounds))
        if self.predict_latency and "latency" not in (*bounds, *self.objectives):
            raise InputError(
                "predict_latency must come with the objective latency or a bound on it, such as "
                "'latency<=5ms' (in eager; latencies in other runtimes are measured), but got "
                f"{', '.join((*self.objectives, *self.constraints)) or 'no objective'}"
            )
        if not self.rank_by_score:
            check_not_ranking((*self.objectives, *bounds))
        if self.objectives:
            check_objectives(self.objectives)
        if self.target is not None:
            self._name(target=read_target(self.target))
        for study in (self.study, self.from_study):
            if study is not None:
                check_study_name(study)
        for each in self.architectures:
            if isinstance(each, str):
                _check_file(each)
        if self.init is not None:
            _check_init(self.init)
        check_teacher_files(self.recipe)
        if not isinstance(self.space, str):
            return
        self._name(space=space_name(self.space))
        if self.resolution is None:
            space_data(self.space)
        else:
            check_resolution(self.space, self.resolution)

    def _check_runtimes(self, counting: Sequence[str]) -> None:
        self._name(
            runtime=with_recorded(
                read_runtimes(self.runtime) if self.runtime else (), self.latency_from
            ),
            exportable_to=read_exportable(self.exportable_to, only=self.exportable_only),
        )
        check_runtimes(
            self.runtime,
            counting,
            device_command=self.device_command,
            latency_from=self.latency_from,
            predicted=self.predict_latency,
        )

    def _check_scheduler(self) -> None:
        if self.scheduler is not None:
            self._name(scheduler=known_name("scheduler", self.scheduler, SCHEDULERS))
        for name in ("eta", "rungs"):
            if getattr(self, name) is not None and self.scheduler != "asha":
                raise InputError(
                    f"{name} must come with scheduler asha, but got {self.scheduler!r}"
                )
        if self.eta is not None or self.rungs is not None:
            Halving(eta=self.eta or DEFAULT_ETA, rungs=self.rungs or (1,))

    def _name(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the way to set a field of a frozen value


def option_names() -> tuple[str, ...]:
    """Return the names of all options, which are also the keys of a config file."""
    return tuple(each.name for each in fields(SearchOptions) if each.init)


def read_options(
    values: Mapping[str, object], *, space: "SearchSpace | None" = None
) -> SearchOptions:
    """Return the options from the values of a command line or a config file.

    Args:
        values: Values by names of ``option_names``: texts, or values of the right type.
        space: A space made in Python; None: the one that ``values`` name.

    Raises:
        InputError: If a key is unknown, or a value has the wrong form, type or range.
    """
    known = {
        each.name: "bool" if each.type in (bool, "bool") else "str"
        for each in fields(SearchOptions)
        if each.init
    }
    for name in values:
        if name not in known:
            raise unknown_name("search option", name, known)
    options: dict[str, Any] = {name: _read(name, known[name], v) for name, v in values.items()}
    if space is not None:
        options["space"] = space
    return SearchOptions(**options)


def _check_init(init: str) -> None:
    """Check the form of the weights that trainings begin with."""
    if init.startswith("timm:") and init != "timm:":
        return
    if not init.endswith(".safetensors") or not Path(init).is_file():
        raise InputError(
            f"init must be timm:NAME, timm:NAME:FILE or a .safetensors file, but got {init!r}"
        )


def _check_file(name: str) -> None:
    """Check that a file of architectures has a known ending and exists."""
    if not name.endswith(_ARCHITECTURES):
        raise InputError(
            f"a file of architectures must end in {' or '.join(_ARCHITECTURES)}, but got {name!r}"
        )
    if Path(name).is_dir():
        raise InputError(f"a file of architectures must be a file, but got the folder {name!r}")
    if not Path(name).is_file():
        raise InputError(f"a file of architectures must exist, but got {name!r}")


def _read(name: str, kind: str, value: object) -> Any:
    if name == "recipe":
        return value
    if name == "architectures":
        return _architectures(value)
    if name in _LISTS:
        return _listed(name, value)
    if name == "rungs":
        return read_rungs(value)
    if name in ("time_limit", "max_time"):
        return read_seconds(name, value)
    if name == "resolution":
        return read_side(name, value)
    if name in _WHOLE:
        return read_whole(name, value, hint=_WHOLE[name])
    wanted = bool if kind == "bool" else str
    if not isinstance(value, wanted):
        raise InputError(f"{name} must be of type {wanted.__name__}, but got {shown(value)}")
    return value


def _listed(name: str, value: object) -> tuple[str, ...]:
    if is_list(value):
        listed = [str(each) for each in value]
    else:
        listed = str(value).split(",") if name in _BY_COMMAS else [str(value)]
    return tuple(each.strip() for each in listed)


def _architectures(value: object) -> tuple[Any, ...]:
    """Return files as texts, and architectures as they are.

    Raises:
        InputError: If a value is neither.
    """
    found: list[Any] = []
    for each in value if is_list(value) else (value,):
        if isinstance(each, str | Path):
            found.append(str(each))
            continue
        from ...search_space.architecture.architecture import Architecture

        if not isinstance(each, Architecture):
            raise InputError(
                f"architectures must be a file or an architecture, but got {shown(each)}"
            )
        found.append(each)
    return tuple(found)
