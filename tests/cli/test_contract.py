"""The command line is a contract: commands and options may be added, not removed."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import typer
from nas_explorer.cli.main import app, run
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from optuna.distributions import CategoricalDistribution

STUDY = {"--study", "--storage"}
COMMANDS = {
    "search": STUDY
    | {
        "--budget",
        "--max-time",
        "--space",
        "--data",
        "--resolution",
        "--max-megapixels",
        "--objectives",
        "--constraint",
        "--scores",
        "--rank-by-score",
        "--searcher",
        "--architectures",
        "--from",
        "--seed-zoo",
        "--engine",
        "--ray-address",
        "--workers",
        "--device",
        "--epochs",
        "--augmentation",
        "--class-weights",
        "--init",
        "--recipe",
        "--time-limit",
        "--seed",
        "--exportable-only",
        "--exportable-to",
        "--runtime",
        "--device-command",
        "--latency-from",
        "--any-resolution",
        "--remeasure",
        "--predict-latency",
        "--join",
        "--config",
    },
    "refine": STUDY
    | {"--seeds", "--long", "--epochs", "--runs", "--engine", "--workers", "--json"},
    "compress": STUDY | {"--to", "--method", "--epochs", "--seed", "--json"},
    "baselines": STUDY | {"--networks", "--to", "--on-front", "--workers", "--json"},
    "scale": STUDY
    | {"--to", "--rule", "--aspect", "--keep-resolution", "--nearest", "--train", "--workers"}
    | {"--output", "-o", "--runtime", "--device", "--device-command", "--json"}
    | {"--fit", "--by", "--images", "--plot"},
    "fidelity": STUDY
    | {"--sample", "--epochs", "--seeds", "--scores", "--diagnostics", "--recipe", "--seed"}
    | {"--engine", "--workers", "--json"},
    "front": STUDY
    | {"--csv", "--json", "--top", "--sort", "--pick", "--intervals", "--corrected"}
    | {"--runtimes", "--pairs"},
    "show": STUDY | {"--json", "--graph", "--efficiency"},
    "measure": STUDY
    | {"--latency", "--self-test", "--scores", "--diagnostics", "--data", "--device", "--batch"}
    | {"--runtime", "--device-command", "--latency-from", "--json"},
    "ruler": {"--output", "-o", "--json"},
    "zoo": {"--json"},
    "recipes": {"--json"},
    "dashboard": STUDY | {"--port", "--host", "--timm-results"},
    "report": STUDY | {"--output", "-o", "--csv", "--figures", "--compare"},
    "export": STUDY | {"--output", "-o", "--untrained", "--data-licence", "--any-resolution"},
    "finalize": STUDY
    | {
        "--data",
        "--epochs",
        "--init",
        "--seeds",
        "--seed",
        "--resolution",
        "--augmentation",
        "--class-weights",
        "--recipe",
        "--device",
        "--no-test",
        "--read-test-again",
        "--output",
        "-o",
        "--json",
    },
    "studies": {"--storage", "--json"},
    "studies rename": {"--storage"},
    "studies delete": {"--storage", "--yes", "-y"},
    "space list": {"--json"},
    "space show": {"--exportable-only", "--exportable-to", "--any-resolution", "--json"},
    "space check": {
        "--constraint",
        "--resolution",
        "--channels",
        "--classes",
        "--exportable-only",
        "--exportable-to",
        "--any-resolution",
        "--json",
    },
    "space from": STUDY | {"--vary", "--output", "-o"},
    "bench searchers": {
        "--table",
        "--objectives",
        "--searchers",
        "--budget",
        "--seeds",
        "--seed",
        "--known",
        "--noise",
        "--tight",
        "--with-bound",
        "--distinct",
        "--workers",
        "--ordered",
        "--categorical",
        "--plot",
        "--json",
    },
}


def find(name):
    command = typer.main.get_command(app)
    for part in name.split():
        command = command.commands[part]
    return command


TINY = """
input: {channels: 1, resolution: data, classes: 10, min: 8, max: 16}
stem: patch
stages: [{width: 4, depth: 1, block: metaformer}]
head: pooled
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_keeps_its_options(name):
    options = {text for parameter in find(name).params for text in parameter.opts}
    assert COMMANDS[name] <= options


def test_no_command_is_missing_here():
    command = typer.main.get_command(app)
    known = {name.split()[0] for name in COMMANDS}
    assert set(command.commands) == known


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "--space", "mcro"], "did you mean 'micro'"),
        (["search", "--budget", "0"], "budget must be at least 1, but got 0"),
        (["search", "--budget", "many"], "many"),
        (["search", "--budget", "1h"], "candidates in all"),
        (["search", "--time-limit", "10q"], "90s, 10m or 1h"),
        (["search", "--device", "mps"], "auto, cpu, cuda"),
        (["search", "--data", "./nowhere"], "./nowhere"),
        (["search", "--bugdet", "3"], "--bugdet"),
        (["search", "--objectives", "acuracy"], "did you mean 'accuracy'"),
        (["search", "--objectives", "macs,macs"], "macs"),
        (["search", "--objectives", "auroc,macs"], "auroc must come with two classes, but got 10"),
        (["search", "--objectives", "accuracy,naswot"], "--scores naswot records it"),
        (["search", "--constraint", "zico>=3"], "--rank-by-score ranks by it all the same"),
        (["search", "--scores", "naswt"], "did you mean 'naswot'"),
        (["search", "--scores", "macs"], "got 'macs', which is none"),
        (
            ["measure", "van_b0", "--data", "digits"],
            "come with --scores or --diagnostics",
        ),
        (["search", "--constraint", "params less than 3"], "params<=2e6"),
        (["search", "--constraint", "parms<=3"], "did you mean 'params'"),
        (["search", "--space", "tiny.yaml", "--constraint", "params<=3"], "params"),
        (["search", "--constraint", "accuracy>=90"], "0.9 is 90 %"),
        (
            ["search", "--searcher", "magic"],
            "evolution, gp, local_search, nsga2, nsga3, pareto, random, tpe",
        ),
        (["search", "--recipe", "smm=0.1"], "did you mean 'sam'"),
        (["search", "--recipe", "sam=0"], "sam must be a number above 0"),
        (["search", "--recipe", "distill=nowhere.safetensors"], "nowhere.safetensors"),
        (["search", "--recipe", "mimic=timm:resnet18:nowhere"], "of mimic must exist, but got 'no"),
        (["search", "--recipe", "mimic=weights.bin"], "mimic must be a .safetensors file or timm:"),
        (
            ["finalize", "van_b0", "--data", "digits", "--recipe", "mimic=no.safetensors"],
            "the file of mimic must exist, but got 'no.safetensors'",
        ),
        (["finalize", "van_b0", "--data", "digits", "--recipe", "random_labels"], "mean nothing"),
        (["finalize", "resnet18", "--data", "digits", "--recipe", "coreset"], "without mixup"),
        (["search", "--architectures", "/nowhere.json"], "must exist, but got '/nowhere.json'"),
        (["search", "--architectures", "van_b0"], "must end in .json or .safetensors"),
        (["search", "--engine", "cloud"], "local, ray"),
        (["search", "--device", "tpu"], "auto, cpu, cuda"),
        (["search", "--data", "digit"], "did you mean 'digits'"),
        (["search", "--data", "folder:/nowhere"], "/nowhere"),
        (["search", "--resolution", "128"], "128"),
        (["search", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["search", "--storage", "nonsense"], "nonsense"),
        (["search", "--workers", "-1"], "workers must be at least 1, but got -1"),
        (["search", "--seed", "-1"], "seed must be at least 0, but got -1"),
        (["finalize", "3"], "runs/nas.db"),
        (["finalize", "convnext_atto"], "must come with --data or --study"),
        (["finalize", "convnext_atto", "--data", "digit"], "did you mean 'digits'"),
        (["finalize", "convnext_ato", "--data", "digits"], "got 'convnext_ato'"),
        (["finalize", "van_b0", "--data", "digits", "--epochs", "0"], "epochs must be at least 1"),
        (["finalize", "van_b0", "--data", "digits", "--init", "search"], "init search must come"),
        (["finalize", "none.json", "--data", "digits"], "none.json"),
        (["front"], "runs/nas.db"),
        (["measure", "resnet1000000"], "resnet1000000"),
        (["measure", "/nowhere.json"], "/nowhere.json"),
        (["measure", "van_b0", "--runtime", "onxruntime"], "did you mean 'onnxruntime'"),
        (["search", "--objectives", "accuracy,latency@onxruntime"], "'latency@onnxruntime'"),
        (["search", "--runtime", "onnxruntime", "--predict-latency"], "predict_latency must come"),
        (["search", "--objectives", "latency@openvino,macs", "--predict-latency"], "in eager;"),
        (["search", "--device-command", ""], "device_command must not be empty"),
        (["measure", "van_b0", "--runtime", ""], "but got ''"),
        (["ruler", "-o", "tiny.yaml"], "to be replaced, but 'tiny.yaml' is not"),
        (["search", "--runtime", "recorded"], "runtime recorded with latency_from"),
        (["search", "--latency-from", "/nowhere.csv"], "latency_from must be a file"),
        (["search", "--exportable-to", "eager"], "exportable_to must be of onnxruntime, openvino"),
        (["space", "check", "micro", "--exportable-to", "openvin"], "did you mean 'openvino'"),
        (["search", "--device-command", "ssh pi nas-ruler"], "a runtime that runs model files"),
        (
            ["search", "--runtime", "onnxruntime", "--device-command", "/nowhere/ruler"],
            "must begin with a program that is installed",
        ),
        (["space", "show", "nowhere.yaml"], "nowhere.yaml"),
        (["unknown"], "unknown"),
        (["show"], "CANDIDATE"),
    ],
)
def test_bad_requests_get_one_line_and_code_2(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [
        line for line in err.splitlines() if not line.startswith("Reading ")
    ]  # if the machine is slow
    assert len(lines) == 1 and says in lines[0]


WRONG_OUTPUTS = (
    ("missing/net.onnx", "the folder of a model file must exist, but got 'missing/net.onnx'"),
    (
        "net.onx",
        "must be one of .mnn, .onnx, .param, .pt2, .pte, .py, .safetensors, .tflite, .xml, but "
        "got '.onx'; did you mean",
    ),
    (".", "a model file must not be a folder, but got '.'"),
    ("folder.py", "a model file must not be a folder, but got 'folder.py'"),
    ("/proc/net.onnx", "a model file must be writable, but got '/proc/net.onnx'"),
)


def test_where_an_export_goes_is_checked_before_anything_is_loaded(tmp_path):
    (tmp_path / "folder.py").mkdir()
    commands = [["export", "0", "-o", output] for output, _ in WRONG_OUTPUTS]
    codes, loaded, done = run_light(commands, ("torch", "optuna", "sqlalchemy", "pandas"), tmp_path)
    assert codes == [2] * len(commands) and loaded == []
    lines = done.stderr.splitlines()[:-1]
    for line, (_, says) in zip(lines, WRONG_OUTPUTS, strict=True):
        assert says in line
    assert [each.name for each in tmp_path.iterdir()] == ["folder.py"]


HEAVY = ("torch", "optuna", "sqlalchemy", "pandas", "plotly", "ray", "sklearn", "onnx", "fvcore")


def run_light(commands, light=HEAVY, cwd=None):
    """Run commands in one fresh process; return the exit codes, and the heavy modules loaded."""
    code = (
        "import json, sys\nfrom nas_explorer.cli.main import run\n"
        f"codes = [run(each) for each in {commands!r}]\n"
        f"print(json.dumps([codes, sorted({set(light)!r} & set(sys.modules))]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stderr.splitlines()
    return (*json.loads(last), done)


def test_help_and_version_load_nothing_heavy():
    commands = [["--help"], ["-h"], ["search", "-h"], ["space", "check", "-h"], ["--version"]]
    codes, loaded, done = run_light(commands)
    assert codes == [0] * 5 and loaded == []
    assert "search" in done.stdout and "nas-explorer 0.1.0 (Python " in done.stdout


def test_a_wrong_value_of_a_search_is_reported_before_anything_heavy_is_loaded(tmp_path):
    wrong = {
        "--budget": "1h",
        "--space": "mcro",
        "--data": "digit",
        "--resolution": "224",
        "--objectives": "acuracy",
        "--constraint": "latency<=5MB",
        "--searcher": "magic",
        "--scheduler": "magic",
        "--eta": "2",
        "--architectures": "none.json",
        "--from": " ",
        "--engine": "cloud",
        "--workers": "0",
        "--device": "mps",
        "--epochs": "-1",
        "--scores": "naswt",
        "--init": "none.safetensors",
        "--recipe": "mimic=none.safetensors",
        "--time-limit": "10q",
        "--seed": "x",
        "--study": " ",
        "--storage": "nonsense",
        "--config": "/nowhere.yaml",
    }
    commands = [["search", name, value] for name, value in wrong.items()]
    commands += [
        ["space", "show", "mcro"],
        ["space", "check", "micro", "--resolution", "224"],
        ["space", "check", "micro", "--classes", "0"],
        ["space", "check", "micro", "--constraint", "latency<=5MB"],
        ["measure", "none.json"],
        ["measure", "van_b0", "--device", "mps"],
        ["measure", "van_b0", "--latency", "--batch", "0"],
        ["front", "--top", "0"],
        ["finalize", "van_b0", "--data", "digits", "--seeds", "0"],
        ["finalize", "van_b0"],
    ]
    codes, loaded, _ = run_light(commands, cwd=tmp_path)
    assert codes == [2] * len(commands) and loaded == []


def test_fronts_and_studies_are_printed_without_torch(tmp_path):
    drawn = load_space("micro").walk(RandomChooser(0))
    settings = StudySettings(
        space_name="micro",
        space_digest="0",
        space={},
        data={},
        data_fingerprint="0",
        objectives=("macs",),
        searcher="random",
        seed=0,
    )
    study = Study.create_or_open("tiny", f"sqlite:///{tmp_path / 'nas.db'}", settings)
    domains = {path: CategoricalDistribution([value]) for path, value in drawn.decisions.items()}
    with study.exclusive():
        begun = study.start(
            architecture=drawn.architecture,
            decisions=drawn.decisions,
            distributions=domains,
        )
        measured = {"macs": Measurement(metric="macs", value=12345)}
        study.finish(replace(begun, status="complete", measurements=measured))
    study.close()
    light = ["torch", "pandas", "plotly", "ray", "sklearn", "onnx", "fvcore"]
    commands = [["front"], ["front", "--json"], ["studies"], ["front", "--study", "tni"]]
    codes, loaded, done = run_light(
        [[*each, "--storage", "nas.db"] for each in commands], light, tmp_path
    )
    assert codes == [0, 0, 0, 2] and loaded == []
    assert drawn.architecture.outline() in done.stdout and "12.3 k" in done.stdout
    assert "study must be one of tiny, but got 'tni'" in done.stderr


@pytest.mark.usefixtures("any_costs")
@pytest.mark.parametrize("arguments", [["space", "list"], ["space", "show", "micro"], ["zoo"]])
def test_json_is_all_there_is(arguments, capsys):
    assert run([*arguments, "--json"]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("any_costs")
def test_what_cannot_be_exported_is_left_out_before_the_search(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    monkeypatch.setattr(Pooling, "traits", replace(Pooling.traits, exportable=False))
    found = {}
    for options in ((), ("--exportable-only",)):
        assert run(["space", "show", "micro", *options, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        found[options] = (shown["architectures"], shown["decisions"]["stages.0.block.mixer"])
        assert run(["space", "check", "micro", *options, "--json"]) == 0
        checked = json.loads(capsys.readouterr().out)
        assert checked["architectures"] == shown["architectures"]
    (every, mixers), (left, kept) = found.values()
    assert left < every and set(mixers) - set(kept) == {"pooling"}


def test_space_list_tells_of_every_component(capsys):
    assert run(["space", "list", "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in reported["spaces"]} >= {"micro", "mobile", "imagenet"}
    (raft,) = [each for each in reported["components"] if each["name"] == "raft_mlp"]
    assert raft["kind"] == "token mixer" and raft["catalogue"] == ["M47"]
    assert raft["knobs"][1] == {
        "name": "raft_size",
        "rule": "a positive integer up to 1000000",
        "default": 2,
    }
    assert run(["space", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for each in reported["components"]:
        assert any(line.startswith(f"{each['name']}\t{each['summary']}\t") for line in lines)


@pytest.mark.usefixtures("any_costs")
def test_zoo_says_why_figures_differ(capsys):
    assert run(["zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("PartialNet_t0 = PATNet-T0\t") for line in lines)
    (line,) = [line for line in lines if line.startswith("poolformer_m48\t")]
    assert line.endswith("\tthe printed MACs hold the norms: 11.591G with them")


def test_an_interrupted_command_says_so(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_explorer.search_space.zoo.zoo_entry", interrupt)
    assert run(["zoo"]) == 1
    assert "interrupted; finished candidates are stored" in capsys.readouterr().err


def test_the_zoo_can_be_asked_for_some(capsys):
    for pattern in ("van_b*", "VAN-B", "van"):
        assert run(["zoo", pattern, "--json"]) == 0
        names = [each["name"] for each in json.loads(capsys.readouterr().out)]
        assert names == [f"van_b{size}" for size in range(5)]
    assert run(["zoo", "no_such"]) == 2
    assert (
        "a pattern must fit the name of a published network, but got 'no_such'"
        in capsys.readouterr().err
    )


def test_space_list_can_be_asked_for_a_kind_or_a_component(capsys):
    for kind in ("norm", "Norms"):
        assert run(["space", "list", kind]) == 0
        head, *rows = capsys.readouterr().out.splitlines()
        assert head.startswith("norm\t") and {"layer_norm", "batch_norm"} <= {
            row.partition("\t")[0] for row in rows
        }
    assert run(["space", "list", "mlp_mixer"]) == 2
    assert "token mixer" in capsys.readouterr().err
    assert run(["space", "list", "raft_mlp"]) == 0
    assert "\n  raft_size (a positive integer" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["space"]])
def test_without_a_command_the_help_is_shown_as_it_is(arguments, capsys):
    assert run(arguments) == 2
    assert "\n  " in capsys.readouterr().err
