"""A study stores candidates, and Optuna's tools can read it."""

from dataclasses import replace

import optuna
import pytest
from nas_explorer.evaluators.latency.settings import BRIEF
from nas_explorer.evaluators.metrics import Metric
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.storage import StorageError, open_storage
from nas_explorer.results.study.studies import studies_of
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError


def names(url):
    return list(studies_of(open_storage(url, create=False), url))


def test_candidates_come_back_as_they_were_put_in(study, url, fill, make_candidate):
    complete = replace(
        make_candidate(0, accuracy=(0.9, 0.88, 0.92), macs=1000, params=10),
        seconds={"total": 1.5},
    )
    failed = replace(
        make_candidate(1, status="failed", macs=7), reason="non_finite: loss", traceback="line 1"
    )
    infeasible = replace(make_candidate(2, status="infeasible", params=9), reason="params<=5")
    running = make_candidate(3, status="running")
    fill(study, complete, failed, infeasible, running)
    for reader in (study, Study.open("first", url)):
        assert reader.candidates() == [complete, failed, infeasible, running]
        assert reader.running() == [running]
        assert [each.digest for each in reader.candidates()] == [
            each.architecture.digest for each in (complete, failed, infeasible, running)
        ]


def test_a_long_traceback_keeps_its_end(study, fill, make_candidate):
    failed = replace(make_candidate(0, status="failed"), traceback="x" * 90_000 + "end")
    fill(study, failed)
    (found,) = study.candidates()
    assert found.traceback is not None
    assert found.traceback.endswith("xend") and len(found.traceback) == 20_000


def test_optuna_sees_one_trial_per_candidate(study, url, fill, make_candidate):
    candidates = [
        make_candidate(0, accuracy=0.9, macs=1000, params=10),
        make_candidate(1, status="failed", macs=7),
        replace(make_candidate(2, status="infeasible", params=9), reason="params<=5"),
        make_candidate(3, status="running"),
        make_candidate(4, accuracy=float("nan"), macs=5),
    ]
    fill(study, *candidates)
    seen = optuna.load_study(study_name="first", storage=url)
    assert seen.metric_names == ["accuracy", "macs"]
    assert [each.name for each in seen.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [each.state.name for each in seen.trials] == [
        "COMPLETE",
        "FAIL",
        "PRUNED",
        "RUNNING",
        "FAIL",
    ]
    assert [each.number for each in seen.trials] == [0, 1, 2, 3, 4]
    assert [each.params for each in seen.trials] == [dict(each.decisions) for each in candidates]
    first, third = seen.trials[0], seen.trials[2]
    assert first.values == [0.9, 1000.0]
    assert first.user_attrs == {
        "digest": candidates[0].digest,
        "architecture": candidates[0].architecture.summary(),
        "params": 10,
    }
    assert third.user_attrs["reason"] == "params<=5" and third.user_attrs["params"] == 9
    assert [each.number for each in seen.best_trials] == [0]


def test_finished_candidates_are_listed_as_they_finished(study, url, make_candidate, fill):
    first, second, third = (make_candidate(i, accuracy=0.1 * i, macs=i) for i in range(3))
    fill(study, *(replace(each, status="running") for each in (first, second)))
    with study.exclusive():
        study.finish(second)
    later = Study.open("first", url)
    with later.exclusive():
        later.finish(first)
    fill(later, third)
    for reader in (later, Study.open("first", url)):
        assert reader.finished() == [second, first, third]
    assert study.finished() == [second, first, third], "read by a process that was there before"


def test_what_finished_is_never_overwritten(study, url, fill, make_candidate):
    candidate = make_candidate(0, accuracy=0.9, macs=1000)
    fill(study, candidate)
    with study.exclusive():
        study.finish(make_candidate(0, status="failed"))
    assert study.candidates() == [candidate]
    assert Study.open("first", url).candidates() == [candidate]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space_digest": "cd", "space_name": "mobile"}, "space micro .digest ab12ab12., but got"),
        (
            {"recipe": {"epochs": 5, "lr": 0.001}},
            "recipe.epochs 3, but got 5; give --epochs 3 to continue it, or use another",
        ),
        ({"objectives": ("accuracy",)}, "objectives"),
        ({"constraints": ("params<=5",)}, r"constraints \[\], but got \['params<=5'\]"),
        ({"seed": 1}, "seed 0, but got 1"),
        ({"data_fingerprint": "beef"}, "data_fingerprint feed, but got beef"),
    ],
)
def test_other_settings_are_refused(study, url, make_settings, changes, message):
    with pytest.raises(InputError, match=f"study 'first' was made with .*{message}") as error:
        Study.create_or_open("first", url, make_settings(**changes))
    assert "\n" not in str(error.value)


def test_the_same_settings_open_the_same_study(study, url, fill, make_settings, make_candidate):
    fill(study, make_candidate(0, accuracy=0.9, macs=1))
    again = Study.create_or_open("first", url, make_settings(space={"summary": "other words"}))
    assert len(again.candidates()) == 1
    assert again.settings == make_settings()


def test_settings_come_back_from_json(make_settings):
    settings = make_settings(constraints=("params<=5",))
    assert StudySettings.from_json(settings.to_json()) == settings


def test_settings_of_a_newer_version_are_refused(make_settings):
    with pytest.raises(InputError, match="format must be 1, but got 2"):
        StudySettings.from_json({**make_settings().to_json(), "format": 2})


def test_settings_of_which_a_part_is_missing_are_refused(make_settings):
    cut = make_settings().to_json()
    del cut["searcher"]
    with pytest.raises(InputError, match="must be complete, but 'searcher' is missing"):
        StudySettings.from_json(cut)


def test_an_earlier_study_says_which_layout_it_timed(make_settings):
    earlier = make_settings(evaluation={"latency": {"batch": 1, "channels_last": False}})
    now = make_settings(evaluation={"latency": {"batch": 1, "layout": "best"}})
    assert earlier.difference(now) == ("evaluation.latency.layout", "contiguous", "best")


def test_the_contract_of_a_latency_that_does_not_count_is_no_setting(make_settings):
    """Earlier versions stated the full contract, whatever was timed."""
    full, brief = ({"latency": {"batch": 1, "repeats": 20}}, {"latency": {"batch": 1, **BRIEF}})
    earlier, now = (make_settings(evaluation=each) for each in (full, brief))
    assert earlier.difference(now) is None
    other = {"latency": {**brief["latency"], "batch": 2}}
    assert earlier.difference(make_settings(evaluation=other)) == ("evaluation.latency.batch", 1, 2)
    bounds = {"constraints": ("latency<=5",)}
    earlier, now = (make_settings(evaluation=each, **bounds) for each in (full, brief))
    assert earlier.difference(now) == ("evaluation.latency.repeats", 20, 10)


def test_a_latency_in_a_named_runtime_is_a_setting_only_where_it_counts(make_settings):
    named = {"latency@openvino": {"batch": 1, "runtime": "openvino"}}
    both, one = (
        make_settings(evaluation=each) for each in ({"device": "cpu", **named}, {"device": "cpu"})
    )
    assert both.difference(one) is None and one.difference(both) is None
    bound = {"constraints": ("latency@openvino<=5",)}
    now = make_settings(evaluation=named, **bound)
    other = {"latency@openvino": {"batch": 2, "runtime": "openvino"}}
    assert now.difference(make_settings(evaluation=other, **bound)) == (
        "evaluation.latency@openvino.batch",
        1,
        2,
    )


def test_a_metric_that_counts_keeps_its_unit_and_direction(make_settings):
    def described(unit, direction):
        metric = Metric(
            name="flash", unit=unit, direction=direction, tier="exact", summary="of the weights"
        )
        return make_settings(constraints=("flash<=3",), metrics=(metric.to_json(),))

    earlier = described("kB", "minimize")
    assert earlier.difference(described("kB", "minimize")) is None
    assert earlier.difference(make_settings(constraints=("flash<=3",))) is None
    assert earlier.difference(described("B", "minimize")) == ("unit of flash", "kB", "B")
    assert earlier.difference(described("kB", "maximize"))[0] == "direction of flash"


@pytest.mark.parametrize("objectives", [(), ("macs", "macs"), ("speed",)])
def test_objectives_must_be_different_metrics(make_settings, objectives):
    with pytest.raises(InputError):
        make_settings(objectives=objectives)


def test_the_study_searched_last_is_the_latest(study, url, make_settings):
    second = Study.create_or_open("second", url, make_settings())
    assert names(url) == ["second", "first"]
    assert Study.open(None, url).name == "second"
    with study.exclusive():
        pass
    assert names(url) == ["first", "second"]
    assert Study.open(None, url).name == "first"
    assert second.candidates() == []


def test_an_unknown_study_lists_the_known(study, url):
    with pytest.raises(InputError, match="study must be one of first, but got 'frist'; did you"):
        Study.open("frist", url)


def test_a_storage_without_a_study_says_so(url):
    with pytest.raises(StorageError, match="storage must exist"):
        Study.open(None, url)
    optuna.create_study(
        storage=f"sqlite:///{url.rsplit('/', 2)[0].removeprefix('sqlite:///')}/o.db"
    )
    with pytest.raises(InputError, match="must hold a study"):
        Study.open(None, url.replace("runs/nas.db", "o.db"))


def test_a_study_of_another_program_is_left_alone(study, url, make_settings):
    optuna.create_study(storage=url, study_name="theirs")
    assert names(url) == ["first"]
    with pytest.raises(InputError, match="another program"):
        Study.create_or_open("theirs", url, make_settings())


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_a_name_must_be_readable(url, make_settings, name):
    with pytest.raises(InputError, match="study's name"):
        Study.create_or_open(name, url, make_settings())


def test_any_readable_name_will_do(url, make_settings, fill, make_candidate):
    for name in ("../up", "ÄÖ 试验", "a" * 200, "{x}%20'\"<b>"):
        study = Study.create_or_open(name, url, make_settings())
        fill(study, make_candidate(0, accuracy=0.5, macs=1))
        assert len(Study.open(name, url).candidates()) == 1


def test_a_candidate_is_found_by_number_or_digest(study, fill, make_candidate):
    candidates = [make_candidate(i, accuracy=0.5, macs=1) for i in range(6)]
    fill(study, *candidates)
    assert study.find("4") == candidates[4]
    for each in candidates:
        assert study.find(each.digest.upper()) == each
    prefix = next(each.digest[:5] for each in candidates if not each.digest[:5].isdecimal())
    assert study.find(prefix).digest.startswith(prefix)
    for unknown in ("", "99", "zz", "9" * 5000):
        with pytest.raises(InputError, match="a number or a unique prefix of a digest"):
            study.find(unknown)


def test_a_prefix_of_two_digests_is_refused(study, fill, make_candidate):
    letters: dict[str, Candidate] = {}
    for seed in range(100):
        each = make_candidate(seed, accuracy=0.5, macs=1)
        other = letters.setdefault(each.digest[0], each)
        if other is not each and each.digest[0] in "abcdef":
            fill(study, replace(other, number=0), replace(each, number=1))
            with pytest.raises(InputError, match=r"which 2 digests match: 0 \(.*\), 1 \("):
                study.find(each.digest[0])
            return
    pytest.fail("no two digests begin alike")


def test_the_front_is_a_table(study, fill, make_candidate):
    fill(
        study,
        make_candidate(0, accuracy=0.5, macs=10),
        make_candidate(1, accuracy=0.9, macs=30),
        make_candidate(2, accuracy=0.4, macs=20),
    )
    frame = study.front()
    assert list(frame["number"]) == [1, 0]
    assert list(frame["accuracy"]) == [0.9, 0.5]


def test_candidates_are_read_from_many(study, fill, make_candidate, monkeypatch):
    monkeypatch.setattr("nas_explorer.results.study.records._NUMBERS_PER_QUERY", 2)
    candidates = [make_candidate(i, accuracy=0.5, macs=1) for i in range(5)]
    fill(study, *candidates)
    study._finished.clear()
    assert study.candidates() == candidates
