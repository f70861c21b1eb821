import json
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.evaluators.runtimes.nas_ruler import decoded, encoded
from nas_explorer.evaluators.runtimes.ruler_process import Ruler, RulerError

from .runtime_doubles import misbehaving

IMAGES = np.zeros((1, 1, 2, 2), dtype=np.float32)
QUICK = LatencySettings(warmup_seconds=0.0, min_seconds=0.01, max_seconds=0.01)


@pytest.mark.parametrize(
    ("mode", "do", "says"),
    [
        ("old", "hello", r"must speak protocol 1, but speaks 0: copy the script again"),
        ("other", "hello", r"hello must repeat runtime 'lookup', but got 'openvino'"),
        ("dies", "hello", r"ended with code 255: ssh: connect to host pi: No route to host"),
        ("garbage", "run", r"must be a JSON object in one line, but got b'Welcome to the board!"),
        ("hangs", "run", r"must reply to 'run' within 5 s, but said nothing for 0.2 s"),
        ("stale", "run", r"the reply to 'run' must have id 2, but got 1"),
        ("scores", "run", r"scores must be an array, but got "),
        (
            "slow",
            "time",
            r"must fit into the \d+ ms of the request, but got '2e\+07 ms'",
        ),
        ("fast", "time", r"passes of candidate must fill the rounds, but take 1e-08 ms in all"),
        ("none", "time", r"a pass of candidate must take a time, but took 0.0 ms"),
        ("nan", "time", r"a pass of candidate must take a time, but took nan ms"),
    ],
)
def test_a_ruler_that_misbehaves_is_ended_with_a_reason(
    tmp_path: Path, mode: str, do: str, says: str
) -> None:
    ruler = Ruler("lookup", command=misbehaving(tmp_path, mode), silence=0.2, patience=5.0)
    with pytest.raises(RulerError, match=says) as caught:
        ruler.hello()
        if do == "run":
            ruler.run("candidate", IMAGES)
        ruler.time({"candidate": IMAGES, "sentinel": IMAGES}, QUICK)
    assert caught.value.lost and "\n" not in str(caught.value)


def test_heartbeats_do_not_extend_the_time_of_a_request(tmp_path: Path) -> None:
    ruler = Ruler("lookup", command=misbehaving(tmp_path, "beats"), silence=5.0, patience=0.2)
    ruler.hello()
    with pytest.raises(RulerError, match=r"must reply to 'run' within 0.2 s, but took longer"):
        ruler.run("candidate", IMAGES)


def test_a_command_that_is_none_is_an_error() -> None:
    with pytest.raises(RulerError, match=r"^/nowhere/ruler must run, but: "):
        Ruler("lookup", command="/nowhere/ruler")


def test_arrays_are_sent_as_they_are() -> None:
    array = np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 7
    sent = json.loads(json.dumps(encoded(array)))
    assert sent["shape"] == [1, 2, 3]
    np.testing.assert_array_equal(decoded(sent), array)
    with pytest.raises(ValueError, match="reshape"):
        decoded({**sent, "shape": [1, 2, 4]})
