"""The contract of every model file format in the table."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from nas_explorer.results.export import runtime_files
from nas_explorer.results.export.base import ExportError, Opened
from nas_explorer.results.export.export import export_model, format_for
from nas_explorer.results.export.formats import FORMATS, MARK, Format, installed, register_format
from nas_explorer.results.export.header import read_facts, read_header
from nas_explorer.results.export.networks import trained_network
from nas_explorer.results.export.overwrite_guard import check_ours, is_ours, targets
from nas_explorer.results.export.safetensors_file import SafetensorsFile
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import FirstChooser

from ..helpers import trained

ARCHITECTURE = (
    load_space("micro").bind(channels=1, resolution=8, classes=10).walk(FirstChooser()).architecture
)
FACTS = {"study": "a study", "numbers": [1, 2.5, None], "name": "ü, 'quoted'\n"}
every_format = pytest.mark.parametrize("ending", FORMATS)
every_written_format = pytest.mark.parametrize("ending", installed())


@every_format
def test_the_table_says_what_the_class_is(ending: str) -> None:
    entry = FORMATS[ending]
    cls = entry.load()
    assert (cls.ending, cls.beside, cls.paired) == (ending, entry.beside, entry.paired)
    assert cls.name and 0 <= cls.tolerance <= 1e-2


@pytest.mark.slow
@every_written_format
def test_a_file_is_the_network_and_says_which(
    ending: str, tmp_path: Path, one_onnx_table: None
) -> None:
    path, weights = tmp_path / f"net{ending}", trained(ARCHITECTURE)
    export_model(ARCHITECTURE, path, weights=weights, metadata=FACTS, seed=0)
    assert sorted(tmp_path.iterdir()) == sorted(targets(path))
    cls = FORMATS[ending].load()
    header = cls.read_header(path)
    assert MARK in header and read_header(header) == ARCHITECTURE.canonical
    assert FACTS.items() <= read_facts(header).items()
    images = torch.randn(3, *ARCHITECTURE.input)
    with torch.no_grad():
        expected = trained_network(ARCHITECTURE, weights)(images)
        given = cls().open(path).run(images)
    assert (given - expected).abs().max() <= max(cls.tolerance, 1e-6) * expected.abs().max()
    check_ours(path)
    path.write_bytes(b"another's")
    assert not is_ours(path)


class Other(SafetensorsFile):
    """A new format with the contents of a known one."""

    def open(self, path: Path) -> Opened:
        known = path.with_suffix(".safetensors")
        known.write_bytes(path.read_bytes())
        try:
            return super().open(known)
        finally:
            known.unlink()


class Forgetful(Other):
    """A format that loses the metadata."""

    ending = ".forgetful"

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        return super().encode(network, {**header, "metadata": "{}"})


class Mute(Other):
    """A format that cannot read a header."""

    ending = ".mute"

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        raise KeyError("header")


@pytest.mark.parametrize("cls", [Forgetful, Mute])
def test_a_format_that_loses_what_a_file_says_is_refused(
    cls: type[SafetensorsFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Format(place=cls, is_marked=lambda path: False)
    monkeypatch.setitem(FORMATS, cls.ending, entry)
    with pytest.raises(ExportError, match="header"):
        export_model(
            ARCHITECTURE, tmp_path / f"net{cls.ending}", weights=None, metadata=FACTS, seed=0
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ending", "says"), [("npz", "like .onnx"), (".md", "card"), (".onnx", "must be free")]
)
def test_an_ending_that_cannot_be_had_is_refused(ending: str, says: str) -> None:
    before = dict(FORMATS)
    with pytest.raises(InputError, match=says):
        register_format(type("New", (SafetensorsFile,), {"ending": ending}))
    assert before == FORMATS


def test_what_a_runtime_is_known_to_run_wrongly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_files, "wrong_in", lambda *_: "norm batch_norm: off by 0.5")
    with pytest.raises(InputError, match=r"mnn \S+ is known to be wrong with norm batch_norm: off"):
        format_for(ARCHITECTURE, Path("net.mnn"))
