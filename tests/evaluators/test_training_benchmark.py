"""The benchmark of the short training compares trainings of the same networks."""

from typing import Any

import pytest

from ..benchmark_runs import load_benchmark, run_benchmark


@pytest.mark.slow
def test_it_compares_the_product_with_a_plain_loop() -> None:
    found = run_benchmark("training.py", "--quick", "--at-once", "2")
    assert found["networks"] == 2 and found["left_out"] == 0
    assert found["recipe"]["epochs"] == 1 and found["speedup_plain"] > 0
    assert found["speedup_today"] is None and -1 <= found["accuracy_difference"] <= 1
    assert found["at_once"] == 2 and found["speedup_at_once"] > 0 < found["speedup_plain_at_once"]


def test_processes_at_once_train_each_network_once() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.trained: list[tuple[str, int]] = []

        def train(self, network: str, seed: int) -> dict[str, Any]:
            self.trained.append((network, seed))
            return {"error": "no such mixer"} if network == "?" else {"seconds": 1.0}

    trainers, script = [Trainer(), Trainer()], load_benchmark("training.py")
    script.seconds_at_once(trainers, "abcde")
    assert [each.trained[0] for each in trainers] == [("a", 0)] * 2  # to set up the device
    rest = sorted(pair for each in trainers for pair in each.trained[1:])
    assert rest == list(zip("abcde", range(5), strict=True))
    for networks in ("?ab", "ab?"):
        with pytest.raises(SystemExit, match="was not trained: no such mixer"):
            script.seconds_at_once([Trainer(), Trainer()], networks)
