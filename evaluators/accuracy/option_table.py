"""The table of recipe options, usable before one of them is imported.

An option changes a training in one published way. Each is a class in a file of ``recipes/``, and
one entry here.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...search_space.errors import InputError, known_name, shown, unknown_name
from ...search_space.json_fields import is_list, is_mapping
from ...search_space.plugins import add, load_installed, resolved

GROUP = "nas_explorer.recipe_options"
"""Group of the entry points of recipe options."""

Acts = Literal["gradients", "network", "loss", "images", "labels", "head"]
"""What an option changes; a recipe has at most one option each that changes the loss, the choice of
images, the labels and the head."""
_ALONE: tuple[Acts, ...] = ("loss", "images", "labels", "head")


@dataclass(frozen=True, kw_only=True)
class OptionValue:
    """The value that an option takes."""

    text: str
    """What a value must be, as in ``a number above 0``."""
    holds: Callable[[Any], bool]
    """Whether a value is one."""
    default: float | None = None
    """The value where none is given; None: it must be given."""


def number(text: str, default: float, within: Callable[[float], bool]) -> OptionValue:
    """Return the value of an option that takes a number; ``within`` is its range."""

    def holds(value: Any) -> bool:
        return type(value) in (int, float) and math.isfinite(value) and within(value)

    return OptionValue(text=f"a number {text}", holds=holds, default=default)


def share(default: float) -> OptionValue:
    """Return the value of an option that takes a share between 0 and 1."""
    return number("above 0 and below 1", default, lambda value: 0 < value < 1)


SWITCH = OptionValue(text="without a value", holds=lambda value: value is True, default=True)
"""The value of an option that is on or off."""
NETWORK = OptionValue(
    text="a .safetensors file or timm:NAME:FILE",
    holds=lambda value: isinstance(value, str) and bool(value) and "\n" not in value,
)
"""The value of an option that takes trained weights; a recipe holds their name and checksum."""


@dataclass(frozen=True, kw_only=True)
class OptionEntry:
    """An entry of the table of recipe options."""

    name: str
    """Name on the command line and in recipes."""
    acts: Acts
    """What the option changes."""
    value: OptionValue
    """The value that the option takes."""
    summary: str
    """What the option does, one line."""
    paper: str
    """Source of the idea, with its number in the catalogue of papers."""
    place: str | type[Any]
    """The option's class, or its module in this package and its name."""
    trains: bool = True
    """Whether there is a training at all."""
    classes: bool = False
    """Whether the targets must be classes."""
    without: tuple[str, ...] = ()
    """Fields of the recipe that must have their default."""
    any_teacher: bool = False
    """Whether the teacher may know other classes than those of the data."""

    def load(self) -> type[Any]:
        """Return the option's class, a ``RecipeOption``."""
        return resolved(self.place, f"{__name__.rpartition('.')[0]}.recipes")


OPTIONS: dict[str, OptionEntry] = {
    each.name: each
    for each in (
        OptionEntry(
            name="sam",
            acts="gradients",
            value=number("above 0", 0.05, lambda value: value > 0),
            summary="gradient at the worst weights within VALUE of the present ones: flat minima",
            paper="Chen et al., When Vision Transformers Outperform ResNets, 2022 (T33); Foret et "
            "al., Sharpness-Aware Minimization, 2021",
            place="sam:Sam",
        ),
        OptionEntry(
            name="gradient_noise",
            acts="gradients",
            value=number("above 0", 0.01, lambda value: value > 0),
            summary="Gaussian noise of variance VALUE / (1 + step)^0.55 on the gradient",
            paper="Neelakantan et al., Adding Gradient Noise Improves Learning for Very Deep "
            "Networks, 2015 (T03)",
            place="gradient_noise:GradientNoise",
        ),
        OptionEntry(
            name="stochastic_depth",
            acts="network",
            value=share(0.05),
            summary="training skips the last residual branch with probability VALUE, earlier less",
            paper="Huang et al., Deep Networks with Stochastic Depth, 2016 (T08)",
            place="stochastic_depth:StochasticDepth",
            without=("drop_path",),
        ),
        OptionEntry(
            name="bias_loss",
            acts="loss",
            value=number("above 0", 0.3, lambda value: value > 0),
            summary="images whose features vary little count less in the loss, by exp(VALUE v)",
            paper="Abrahamyan et al., Bias Loss for Mobile Neural Networks, 2021 (T04)",
            place="bias_loss:BiasLoss",
        ),
        OptionEntry(
            name="distill",
            acts="loss",
            value=NETWORK,
            summary="the class probabilities of a teacher, on the same changed images, as targets",
            paper="Beyer et al., Knowledge distillation: A good teacher is patient and "
            "consistent, 2022 (T16)",
            place="distill:Distill",
            classes=True,
        ),
        OptionEntry(
            name="distill_hard",
            acts="loss",
            value=NETWORK,
            summary="half the loss by the labels, half by the classes that a teacher sees",
            paper="Touvron et al., Training data-efficient image transformers & distillation "
            "through attention, 2021 (T25)",
            place="distill:DistillHard",
            classes=True,
        ),
        OptionEntry(
            name="mimic",
            acts="loss",
            value=NETWORK,
            summary="the last map of a teacher, through a projector, is learned beside the targets",
            paper="Fan et al., ScaleKD: Strong Vision Transformers Could Be Excellent Teachers, "
            "2024 (T22)",
            place="mimic:Mimic",
            any_teacher=True,
        ),
        OptionEntry(
            name="coreset",
            acts="images",
            value=share(0.5),
            summary="each step trains on the images that stand for the others of its batch",
            paper="Yang et al., Towards Sustainable Learning: Coresets for Data-efficient Deep "
            "Learning, 2023 (T24)",
            place="coreset:Coreset",
            classes=True,
            without=("mixup", "cutmix"),
        ),
        OptionEntry(
            name="hard_images",
            acts="images",
            value=share(0.5),
            summary="each epoch trains on VALUE of the images, those of large last loss more often",
            paper="Yang et al., 2023 (T24); Loshchilov and Hutter, Online Batch Selection for "
            "Faster Training of Neural Networks, 2015",
            place="hard_images:HardImages",
            without=("mixup", "cutmix"),
        ),
        OptionEntry(
            name="image_share",
            acts="images",
            value=share(0.5),
            summary="trains on VALUE of the images, the same in every epoch, for as many steps",
            paper="Sun et al., Revisiting Unreasonable Effectiveness of Data in Deep Learning Era, "
            "2017 (L10)",
            place="image_share:ImageShare",
        ),
        OptionEntry(
            name="rotation",
            acts="labels",
            value=SWITCH,
            summary="no labels: the network is trained to tell by which quarter turns it sees",
            paper="Gidaris et al., Unsupervised Representation Learning by Predicting Image "
            "Rotations, 2018 (T32)",
            place="rotation:Rotation",
            classes=True,
        ),
        OptionEntry(
            name="label_noise",
            acts="labels",
            value=share(0.2),
            summary="VALUE of the training labels are replaced by random other ones",
            paper="Rolnick et al., Deep Learning is Robust to Massive Label Noise, 2017 (T07)",
            place="labels:LabelNoise",
            classes=True,
        ),
        OptionEntry(
            name="random_labels",
            acts="labels",
            value=SWITCH,
            summary="control: training labels are shuffled, so that only memory can fit them",
            paper="Zhang et al., Understanding deep learning requires rethinking generalization, "
            "2017 (T31)",
            place="labels:RandomLabels",
        ),
        OptionEntry(
            name="linear_probe",
            acts="head",
            value=SWITCH,
            summary="after the training, the classifier is fitted anew on the frozen features",
            paper="Razavian et al., CNN Features off-the-shelf: an Astounding Baseline for "
            "Recognition, 2014 (T06)",
            place="probe:LinearProbe",
            classes=True,
        ),
        OptionEntry(
            name="random_features",
            acts="head",
            value=SWITCH,
            summary="no training: a classifier with a tuned ridge on the untrained features",
            paper="Simon et al., More is Better in Modern Machine Learning, 2024 (P08)",
            place="probe:RandomFeatures",
            classes=True,
            trains=False,
        ),
    )
}
"""The recipe options by name; ``register_option`` adds to them."""


_STATED = ("trains", "classes", "without", "any_teacher")
"""Attributes of an option's class that have defaults."""


def register_option(cls: type[Any]) -> None:
    """Add a recipe option to the table.

    Raises:
        InputError: If the class is incomplete, or its name not valid or taken.
    """
    stated: dict[str, Any] = {
        key: getattr(cls, key, None) for key in ("acts", "value", "summary", "paper")
    }
    lacking = [key for key, each in stated.items() if each is None]
    if lacking:
        raise InputError(
            f"a recipe option must state its {', '.join(stated)}, but {cls.__qualname__} lacks "
            f"{', '.join(lacking)}"
        )
    more: dict[str, Any] = {key: getattr(cls, key) for key in _STATED}
    entry = OptionEntry(name=str(getattr(cls, "name", "")), place=cls, **stated, **more)
    add(OPTIONS, entry.name, entry, kind="recipe option", group=GROUP)


def read_options(given: object) -> dict[str, Any]:
    """Read recipe options, such as ``sam=0.1,label_noise``, a list of such texts, or a mapping.

    Raises:
        InputError: If a name is unknown or repeated, or a value is not in its range.
    """
    found: dict[str, Any] = {}
    for name, value in _pairs(given):
        exact = known_name("recipe option", name, OPTIONS)
        if exact in found:
            raise InputError(f"a recipe option must be given once, but got {exact} twice")
        found[exact] = _value(OPTIONS[exact], value)
    return checked_options(found)


def _pairs(given: object) -> list[tuple[str, Any]]:
    if is_mapping(given):
        return [(str(name), value) for name, value in given.items()]
    if is_list(given):
        return [pair for each in given for pair in _pairs(each)]
    parts = [each.strip() for each in str(given).split(",")]
    split = [each.partition("=") for each in parts]
    return [(name.strip(), value.strip() if equals else None) for name, equals, value in split]


def _value(entry: OptionEntry, value: Any) -> Any:
    """Return a value, read from a text where it is one; None stands for the default."""
    if value is None or (value is True and entry.value.default is not None):
        if entry.value.default is None:
            raise InputError(f"{entry.name} must be {entry.value.text}, but got none")
        return entry.value.default
    if isinstance(value, str) and entry.value not in (SWITCH, NETWORK):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in the order of their names, numbers as ``float``.

    Raises:
        InputError: If a name is unknown, a value out of its range, or two do not go together.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise unknown_name("recipe option", name, OPTIONS)
        rule = OPTIONS[name].value
        if not rule.holds(value):
            raise InputError(f"{name} must be {rule.text}, but got {shown(value)}")
    _check_together([OPTIONS[name] for name in sorted(options)])
    return {
        name: float(each) if type(each := options[name]) is int else each
        for name in sorted(options)
    }


def _check_together(entries: list[OptionEntry]) -> None:
    """Check that options go together."""
    for acts in _ALONE:
        same = [each.name for each in entries if each.acts == acts]
        if len(same) > 1:
            raise InputError(
                f"a recipe must have at most one option that changes the {acts}, but got "
                f"{' and '.join(same)}"
            )
    names = [each.name for each in entries]
    for each in entries:
        training = [other.name for other in entries if other.acts not in ("labels", "head")]
        training += ["rotation"] * ("rotation" in names)
        if not each.trains and training:
            raise InputError(
                f"{each.name} must be without options of a training, since nothing is trained, but "
                f"got {training[0]}"
            )
    if "rotation" in names and any(each.value == NETWORK for each in entries):
        teaches = next(each.name for each in entries if each.value == NETWORK)
        raise InputError(
            f"{teaches} must be without rotation, since a teacher knows classes and no rotations"
        )


def options_text(options: Mapping[str, Any]) -> str:
    """Return options as ``read_options`` reads them."""
    return ",".join(_text(name, value) for name, value in options.items())


def _text(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def check_teacher_files(options: Mapping[str, Any]) -> None:
    """Check that the files of teachers are there, before any image is read.

    Args:
        options: Options with the teacher as the user named it.

    Raises:
        InputError: If a file is of another kind, or missing.
    """
    for name, value in options.items():
        if OPTIONS[name].value is not NETWORK:
            continue
        of_timm = value.startswith("timm:")
        file = value.removeprefix("timm:").partition(":")[2] if of_timm else value
        if not of_timm and not file.endswith(".safetensors"):
            raise InputError(f"{name} must be {NETWORK.text}, but got {shown(value)}")
        if file and not Path(file).is_file():
            raise InputError(f"the file of {name} must exist, but got {shown(file)}")


def teacher_text(options: Mapping[str, Any]) -> str | None:
    """Return the name and checksum of the teacher that the options name, or None."""
    known = (each for name, each in options.items() if name in OPTIONS)
    found = [each for each in known if isinstance(each, str)]
    return found[0] if found else None


load_installed(GROUP, register_option)
