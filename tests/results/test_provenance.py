"""The provenance of measurements as text with units."""

from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.provenance import described


def test_numbers_to_predict_are_not_called_classes():
    prepared = {"size": 8, "classes": ["age", "weight"], "target": "regression"}
    found = described(Measurement(metric="r2", value=0.5, provenance={"preparation": prepared}))
    assert found["preparation"].startswith("size 8, numbers to predict age, weight")


def test_names_are_words_and_numbers_have_units():
    provenance = {
        "device_name": "AMD EPYC",
        "core_mhz": 2450.0,
        "temperature_c": 41.0,
        "power_w": 70.25,
        "warmup_seconds": 0.04,
        "seconds": 1.3245407,
        "image": [1, 8, 8],
        "load_average": [1.03226, 0.5],
        "timing": {"median": 2.94731, "passes": 26, "stable": True},
        "data": {"name": "digits", "resolution": None, "validation": 0.2, "root": "/home/me"},
        "resolution": 8,
        "fingerprint": "263d12b4d872d94f912a9b1e3a32d02787c2",
        "stopped_early": None,
        "seed": 2278724051,
        "learning_curve": [{"train_loss": 1.0}],
    }
    assert described(Measurement(metric="latency", value=3.0, provenance=provenance)) == {
        "device name": "AMD EPYC",
        "core": "2450 MHz",
        "temperature": "41 °C",
        "power": "70.25 W",
        "warmup": "0.04 s",
        "time": "1.325 s",
        "image": "1 x 8 x 8",
        "load average": "1.032, 0.5",
        "timing": "median 2.947 ms, passes 26, stable yes",
        "data": "digits, validation 20 %",
        "resolution": "8 pixels",
        "fingerprint": "263d12b4d872",
        "seed": "2278724051",
    }
