"""The options of a search: read as users write them, checked before heavy imports."""

from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.dataset import DATA_SETS, DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.data.given import given_data
from nas_explorer.evaluators.accuracy.data.names import known_data
from nas_explorer.evaluators.accuracy.training.loop import chosen_augmentation
from nas_explorer.evaluators.scores import SCORES
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.space_files import check_resolution, space_data, takes
from nas_explorer.searchers.run.options import SearchOptions, read_options
from nas_explorer.searchers.run.recipe_options import chosen_recipe
from nas_explorer.searchers.table import SEARCHERS, load_searcher


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "nets.json").touch()
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_augmentation_is_the_user_s_choice() -> None:
    pixels = np.repeat(np.arange(20, dtype=np.uint8) * 10, 64).reshape(20, 8, 8)
    name = given_data((pixels, np.linspace(0, 1, 20)), Path())
    data = load_search_data(DataSpec(name=name))

    def chosen(augmentation: str | None) -> tuple[str, str]:
        options = SearchOptions(data=name, augmentation=augmentation)
        recipe, _, _ = chosen_recipe(options, data, {"accuracy"})
        return recipe.augmentation, chosen_augmentation(recipe, data)

    assert chosen(None) == ("auto", "none"), "numbers may change with the image"
    assert chosen("shift") == ("shift", "shift")


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("budget", "1e3", 1000),
        ("time_limit", "10m", 600.0),
        ("resolution", "32x32", 32),
        ("resolution", "32px", 32),
        ("objectives", "Accuracy, FLOPs", ("accuracy", "macs")),
        ("objectives", ["latency"], ("latency",)),
        ("constraints", ["latency<=5ms"], ("latency<=5",)),
        ("constraints", "accuracy>=90%", ("accuracy>=0.9",)),
        ("searcher", "NSGA-II", "nsga2"),
        ("searcher", "TPE", "tpe"),
        ("engine", "Ray", "ray"),
        ("device", "gpu", "cuda"),
        ("device", "GPU:1", "cuda:1"),
        ("data", "./photos", "folder:./photos"),
        ("data", "photos", "folder:photos"),
        ("data", "folder:photos", "folder:photos"),
        ("data", "digits", "digits"),
        ("data", "./digits", "folder:./digits"),
        ("data", "CIFAR-10", "cifar10"),
        ("data", "Fashion_MNIST", "fashion-mnist"),
        ("space", "Micro", "micro"),
        ("storage", "my.db", "sqlite:///my.db"),
        ("storage", "postgresql://host/db", "postgresql://host/db"),
        ("exportable_only", True, True),
        ("architectures", "nets.json", ("nets.json",)),
        ("architectures", [Path("nets.json")], ("nets.json",)),
        ("from_study", "earlier", "earlier"),
        ("seed_zoo", True, True),
        ("augmentation", "Shift+Flip", "shift+flip"),
        ("scores", "NASWOT, zico", ("naswot", "zico")),
        ("scores", "all", tuple(SCORES)),
        ("scores", ["snip", "snip"], ("snip",)),
    ],
)
def test_what_is_plain_is_taken(name: str, given: object, kept: object) -> None:
    assert getattr(read_options({name: given}), name) == kept


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("budget", "1h", "candidates in all; --max-time bounds the time of a run"),
        ("max_time", "2 days", "max_time must be a time like 90s, 10m or 1h, but got '2 days'"),
        ("max_time", "0s", "max_time must be above 0 and at most 1e+06 s, but got 0 s"),
        ("budget", True, "budget must be a whole number"),
        ("time_limit", "0", "above 0 and at most 1e+06 s, but got 0 s"),
        (
            "resolution",
            "224",
            "from 8 to 64 pixels, but got 224; spaces that take it: hybrid, imagenet",
        ),
        ("resolution", "32x24", "square images"),
        ("resolution", "0", "resolution must be at least 1, but got 0"),
        ("device", "mps", "on which nothing is measured yet; use cpu"),
        ("device", "cuda:x", "auto, cpu, cuda"),
        ("data", "./none", "a data folder must exist, but got './none'"),
        ("data", "folder:", "folder:PATH"),
        ("data", "digit", "did you mean 'digits'"),
        ("space", "convnext_atto", "no spaces: nas measure convnext_atto"),
        ("space", "mcro", "did you mean 'micro'?"),
        ("space", "micro.yaml", "the shipped space is named 'micro'"),
        ("storage", "nonsense", "sqlite:///runs/nas.db"),
        ("objectives", "macs,FLOPs", "different metrics"),
        ("study", "a\nb", "1 to 200 printable characters"),
        ("architectures", "nowhere.json", "must exist, but got 'nowhere.json'"),
        ("architectures", ["net.txt"], "must end in .json or .safetensors, but got 'net.txt'"),
        ("architectures", 3, "architectures must be a file or an architecture, but got 3"),
        ("from_study", "a\nb", "1 to 200 printable characters"),
        ("seed_zoo", "yes", "seed_zoo must be of type bool, but got 'yes'"),
        ("exportable_only", "yes", "exportable_only must be of type bool, but got 'yes'"),
        ("bugdet", 3, "did you mean 'budget'"),
    ],
)
def test_what_is_not_is_refused_in_one_line(name: str, given: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_options({name: given})
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_no_file_of_architectures(tmp_path: Path) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(InputError, match="must be a file, but got the folder '"):
        read_options({"architectures": str(folder)})


def test_the_longest_time_replaces_the_default_budget() -> None:
    assert read_options({}).budget == 100
    assert read_options({"max_time": "1h30m"}).budget is None
    both = read_options({"max_time": "90s", "budget": "7"})
    assert (both.max_time, both.budget) == (90, 7)


def test_what_was_taken_otherwise_is_reported() -> None:
    (note,) = SearchOptions(constraints=("flops<=1e6", "params<=1M")).notes
    assert note.startswith("flops<=1e6 is taken as macs<=500000")
    assert SearchOptions().notes == ()


def test_names_listed_without_imports_are_those_of_the_tables() -> None:
    assert {each.partition(":")[0] for each in known_data()} == set(DATA_SETS)
    assert {load_searcher(name).name for name in SEARCHERS} == set(SEARCHERS)


def test_sizes_listed_without_reading_a_space_are_the_spaces() -> None:
    bounds = load_space("micro").resolutions
    assert takes(space_data("micro")) == (bounds.low, bounds.high)
    for name in presets():
        low, high = takes(space_data(name)) or (0, 0)
        check_resolution(name, low)
        with pytest.raises(InputError, match=f"from {low} to {high} pixels"):
            check_resolution(name, high + 1)


def test_scores_rank_only_if_that_is_asked_for() -> None:
    asked = {"objectives": "accuracy,naswot", "constraints": "zico>=3"}
    with pytest.raises(InputError, match="must not be training-free scores, but got 'naswot'"):
        read_options(asked)
    assert read_options({**asked, "rank_by_score": True}).objectives == ("accuracy", "naswot")
