"""A small search from the first command to the exported file."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from nas_explorer.cli.main import run
from nas_explorer.cli.search import read_config
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.walk.choosers import FirstChooser
from nas_explorer.search_space.zoo import ZOO

SMALL = {
    "summary": "a few tiny networks",
    "input": {"channels": 1, "resolution": "data", "classes": 10, "min": 8, "max": 16},
    "stem": {"conv": {"stride": 2}},
    "stages": [
        {
            "width": [8, 12, 16],
            "depth": [1, 2],
            "block": {"metaformer": {"mixer": ["identity", "pooling", "separable_conv"]}},
        }
    ],
    "head": "pooled",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


def search(budget, *more):
    return ["search", "--space", "small.yaml", "--epochs", "1", "--budget", str(budget), *more]


def network(width):
    """Return the JSON of a network of the space, or of another one if the width is not its own."""
    drawn = space_from_data(SMALL).walk(FirstChooser()).architecture.to_json()
    return {**drawn, "stages": [{**drawn["stages"][0], "width": width}]}


def spoil_the_weights(folder, digest):
    """Replace the weights that the search kept by others, with the same header."""
    from nas_explorer.results.export.weights import CHECKSUM, read_weights, save_weights

    (path,) = folder.glob(f"runs/*.weights/{digest}.safetensors")
    weights, header = read_weights(path)
    spoilt = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    reported = {key: text for key, text in header.items() if key not in (CHECKSUM, "format")}
    save_weights(path, spoilt, reported)


def stopped_while_it_proves(number, sent, folder, monkeypatch):
    """Export, and send a signal while a hidden temporary file exists."""
    from nas_explorer.results.export import export

    before, handler = {*folder.iterdir()}, signal.getsignal(signal.SIGTERM)

    def prove(*_):
        assert any(path.name.startswith(".nas-") for path in folder.iterdir())
        os.kill(os.getpid(), sent)
        time.sleep(5)

    with monkeypatch.context() as patch:
        patch.setattr(export, "prove", prove)
        assert run(["export", number, "-o", "stopped.safetensors"]) == 1
    assert {*folder.iterdir()} == before
    assert signal.getsignal(signal.SIGTERM) == handler


@pytest.mark.slow
def test_from_search_to_file(folder, capsys, monkeypatch):
    assert run(search(3, "--workers", "1", "--searcher", "tpe")) == 0
    shown = capsys.readouterr()
    assert "[3/3]" in shown.err
    assert "% of the work" in shown.out
    assert "nas report" in shown.out

    assert run(["front", "--json", "--csv", "front.csv"]) == 0
    front = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader((folder / "front.csv").open()))
    assert [each["number"] for each in front] == [int(row["number"]) for row in rows]
    assert run(["front", "--csv", "-"]) == 0
    assert list(csv.DictReader(capsys.readouterr().out.splitlines())) == rows
    assert run(["front", "--csv", "-", "--json"]) == 2
    assert "leave out one" in capsys.readouterr().err

    number = str(front[0]["number"])
    timed = front[0]["measurements"]["latency"]["provenance"]  # latency decides nothing here
    assert (timed["layout_by"], timed["windows"]) == ("warmup", 1)
    assert run(["show", number]) == 0
    assert front[0]["digest"] in capsys.readouterr().out
    assert run(["measure", front[0]["digest"][:10], "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["measurements"]
    assert measured["params"]["value"] == front[0]["measurements"]["params"]["value"]

    assert run(["report", "-o", "report.html"]) == 0
    assert front[0]["digest"][:8] in (folder / "report.html").read_text()

    capsys.readouterr()
    assert run(["export", number, "-o", "model.safetensors"]) == 0
    reported = capsys.readouterr().out
    assert "short schedule" in reported
    for what, name in (("Parameters", "params"), ("Multiply-adds", "macs")):
        count = f"{front[0]['measurements'][name]['value']:,}"
        assert f"{what}: {count} recorded, {count} recounted in the file\n" in reported
    from nas_explorer.results import load_model

    assert load_model(folder / "model.safetensors").architecture.digest == front[0]["digest"]

    card = (folder / "model.safetensors.md").read_text()
    assert "recomputed on the validation split\n" in reported
    assert re.search(r"- accuracy checked: [\d.]+ % recorded, [\d.]+ % recomputed", card)
    assert "\n- mean: " in card and "\n- classes: 0, 1, 2, " in card
    assert re.search(
        r"Accuracy from files: ([\d.]+ %) .* \1 through prepare\(\), \1 through tim", reported
    )
    assert re.search(r"\n- accuracy: [\d.]+ % \[[\d.]+, [\d.]+\] \(95 % interval\)\n", card)
    assert re.search(r"\n- macs: [\d,]+ MAC\n", card)
    metadata = json.loads((folder / "model.json").read_text())["metadata"]
    latency = metadata["measurements"]["latency"]
    device, timed = latency["conditions"]["device_name"], latency["conditions"]
    assert {"batch", "threads", "runtime", "layout_by", "torch"} <= timed.keys()
    assert f" (95 % interval), device_name {device}, device cpu, batch {timed['batch']}" in card
    assert latency["unit"] == "ms" and latency["low"] <= latency["value"] <= latency["high"]
    assert run(["export", number, "-o", "model.py", "--untrained"]) == 0
    reported = capsys.readouterr().out
    assert "Wrote model.py.safetensors (" in reported and "Weights: untrained" in reported
    assert "Accuracy: not checked, since the file does not hold the search's weights" in reported
    for each in (signal.SIGTERM, signal.SIGINT):
        stopped_while_it_proves(number, each, folder, monkeypatch)
        assert capsys.readouterr() == ("", "nas: interrupted; the model file was not written\n")
    spoil_the_weights(folder, front[0]["digest"])
    assert run(["export", number, "-o", "spoilt.safetensors"]) == 1
    assert "must have its recorded accuracy, " in capsys.readouterr().err
    assert not (folder / "spoilt.safetensors").exists()

    # The same command has nothing left to do; a larger budget continues.
    assert run(search(3, "--workers", "1")) == 0
    assert ": 0 candidates" in capsys.readouterr().out
    assert run(search(4, "--workers", "1")) == 0
    assert ": 1 candidate" in capsys.readouterr().out


@pytest.mark.slow
def test_what_a_space_names_in_vain_is_said_once(folder, capsys):
    vain = {"metaformer": {"mixer": {"identity": None, "attention": {"head_dim": 7}}}}
    space = {**SMALL, "stages": [{**SMALL["stages"][0], "block": vain}]}
    (folder / "small.yaml").write_text(yaml.safe_dump(space))
    line = "stages.0.block.metaformer.mixer: 'attention' can never be built here: head_dim must"
    for command in ("show", "check"):
        assert run(["space", command, "small.yaml"]) == 0
        assert capsys.readouterr().out.count(line) == 1
        assert run(["space", command, "small.yaml", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["never_built"][0].startswith(line)
    assert run(search(2, "--workers", "1", "--objectives", "macs,params")) == 0
    assert capsys.readouterr().err.count(line) == 1


def test_a_config_file_has_the_keys_of_the_command_line(folder):
    keys = {"from": "earlier", "seed-zoo": True, "architectures": ["net.json"]}
    (folder / "config.yaml").write_text(yaml.safe_dump(keys))
    assert read_config(folder / "config.yaml") == {
        "from_study": "earlier",
        "seed_zoo": True,
        "architectures": ["net.json"],
    }


@pytest.mark.slow
def test_a_search_begins_with_given_networks_and_then_the_front_of_another(folder, capsys):
    (folder / "nets.json").write_text(json.dumps([network(8), network(12), network(9)]))
    assert run(search(2, "--workers", "1", "--study", "one", "--architectures", "nets.json")) == 0
    shown = capsys.readouterr()
    assert "First candidates: 2 (nets.json number 1, nets.json number 2)\n" in shown.err
    assert (
        "Left out of the first candidates: nets.json number 3 (from stem on): not in space 'small'"
        in shown.err
    )
    two = ("--workers", "1", "--study", "two", "--objectives", "params")
    assert run(search(1, *two, "--from", "one")) == 0
    assert "Front of study one in params: 1 candidate\n" in capsys.readouterr().err
    found = {}
    for study in ("one", "two"):
        assert run(["show", "0", "--study", study, "--json"]) == 0
        found[study] = json.loads(capsys.readouterr().out)
    assert found["one"]["architecture"]["stages"][0]["width"] == 8
    assert found["two"]["digest"] == found["one"]["digest"]
    assert run(search(2, *two)) == 0  # goes on without the option
    assert "2 in all" in capsys.readouterr().out
    assert run(search(3, *two, "--seed-zoo")) == 2
    assert (
        f"none; {len(ZOO)} of {len(ZOO)} published networks: not in space"
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_config_file_holds_any_option_and_constraints_are_kept(folder, capsys):
    options = {"space": "small.yaml", "budget": 2, "epochs": 1, "workers": 1, "study": "mine"}
    (folder / "config.yaml").write_text(yaml.safe_dump(options))
    assert run(["search", "--config", "config.yaml", "--constraint", "params<=1500"]) == 0
    assert "Study mine: 2 candidates" in capsys.readouterr().out
    assert run(["front", "--json"]) == 0
    front = json.loads(capsys.readouterr().out)
    assert front and all(each["measurements"]["params"]["value"] <= 1500 for each in front)
    (folder / "config.yaml").write_text(yaml.safe_dump({"bugdet": 1}))
    assert run(["search", "--config", "config.yaml"]) == 2
    assert "did you mean 'budget'" in capsys.readouterr().err
    (folder / "config.yaml").write_text(yaml.safe_dump({"budget": "many"}))
    assert run(["search", "--config", "config.yaml"]) == 2
    assert "budget must be a whole number" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_same_candidates(folder, capsys):
    def digests(study):
        assert run(["front", "--json", "--study", study]) == 0
        capsys.readouterr()
        from nas_explorer.results.study.study import Study

        found = Study.open(study, "sqlite:///runs/nas.db").candidates()
        return [(each.number, each.digest, each.value("accuracy")) for each in found]

    command = [sys.executable, "-m", "nas_explorer.cli", *search(6, "--study", "killed")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/6]"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)
    assert run(search(6, "--study", "killed")) == 0
    assert run(search(6, "--study", "whole")) == 0
    assert digests("killed") == digests("whole")
