"""The benchmark of the short training compares trainings of the same networks."""

import pytest

from ..benchmark_runs import run_benchmark


@pytest.mark.slow
def test_it_compares_the_product_with_a_plain_loop() -> None:
    found = run_benchmark("training.py", "--quick")
    assert found["networks"] == 2 and found["left_out"] == 0
    assert found["recipe"]["epochs"] == 1 and found["speedup_plain"] > 0
    assert found["speedup_today"] is None and -1 <= found["accuracy_difference"] <= 1
