from pathlib import Path

import pytest
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.measure import measure
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.zoo import zoo_entry

DIGEST = zoo_entry("van_b0").architecture.digest


def file(folder: Path, *lines: str) -> str:
    path = folder / "phone.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("key", [f"{DIGEST[:12]},", ",VAN-B0"])
def test_a_latency_comes_from_the_file(tmp_path: Path, key: str) -> None:
    given = file(tmp_path, "digest,name,ms,low,high", f"{key},12.5,12.1,13", "0123456789,,3,,")
    found = measure("van_b0", metrics="params", latency_from=given)["latency"]
    assert (found.value, found.low, found.high, found.unit) == (12.5, 12.1, 13.0, "ms")
    assert found.provenance["device_name"] == "phone"
    assert found.provenance["runtime"] == "recorded"


def test_a_network_that_is_not_in_the_file_has_no_latency(tmp_path: Path) -> None:
    given = file(tmp_path, "digest,ms", "0123456789,3")
    with pytest.raises(
        CandidateError, match=rf"not_defined: phone.csv has no line for {DIGEST[:12]}"
    ):
        measure("van_b0", latency_from=given)
    undefined: dict[str, str] = {}
    found = measure("van_b0", runtime="recorded", latency_from=given, undefined=undefined)
    assert "latency" not in found and "has no line" in undefined["latency"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "must name the columns .* but phone.csv has ''"),
        (("digest;ms", "0123456789;3"), "must name the columns .* has 'digest;ms'"),
        (("digest,ms,ms", "0123456789,3,4"), "each once"),
        (("digest,ms", "0123456789,3,14"), "line 2 of phone.csv has more"),
        (("digest,ms", "", "0123456789,1_0"), "ms must be a number, but line 3 .* has '1_0'"),
        (("digest,ms",), "must have lines"),
        (("Digest, MS", ",3"), r"line 2 of phone.csv has digest '' and name ''"),
        (("digest,ms", "012345,3"), "8 to 64 hexadecimal digits"),
        (("digest,ms", "0123456789,"), "must have ms, but line 2 of phone.csv has none"),
        (("digest,ms", "0123456789,3ms"), "ms must be a number, but line 2 .* has '3ms'"),
        (("digest,ms", "0123456789,0"), "must be above 0"),
        (("digest,ms,low", "0123456789,3,4"), "has 3 ms in 4 to 3"),
        (("digest,ms", "0123456789,3", "01234567,4"), "line 3 of phone.csv is a second one"),
        (("name,ms", "van_b,3"), "van_b0"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_refused(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        measure("van_b0", latency_from=file(tmp_path, *lines))
    assert "\n" not in str(caught.value)
