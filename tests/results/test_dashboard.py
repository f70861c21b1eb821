"""The dashboard's content depends only on its address, and hostile input does no harm."""

import base64
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from markupsafe import Markup
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.latency.parts import part_times
from nas_explorer.results.analysis.columns import DecisionValues
from nas_explorer.results.analysis.effects import effects
from nas_explorer.results.dashboard.actions import act, drag, select
from nas_explorer.results.dashboard.detail import tip
from nas_explorer.results.dashboard.pages import COMMON, FIGURES, TEXTS, Reader
from nas_explorer.results.dashboard.parallel import AXES, Axis, heights, make_axes, read_box
from nas_explorer.results.dashboard.reach import near_range
from nas_explorer.results.dashboard.references import read_timm
from nas_explorer.results.dashboard.scatter import scatter
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.figures import importance
from nas_explorer.results.figures.filters import Among, Between, Inside, kept, read_filter
from nas_explorer.results.figures.markup import link, tag
from nas_explorer.results.figures.plots import short_path
from nas_explorer.results.figures.scatter_data import scatter_data
from nas_explorer.results.figures.snapshot import once_a_version
from nas_explorer.results.figures.view import View
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError

from .hostile import HOSTILE
from .records import columns_of


@pytest.fixture
def columns(candidates):
    return columns_of(candidates)


@pytest.fixture
def reader(source) -> Reader:
    return Reader(source)


# The address ------------------------------------------------------------------------------------

FILTERS = (
    Between(column="macs", low=1000.0, high=float("inf")),
    Among(column="stages.0.block.mixer", levels=("attention", "pooling")),
    Inside(x="macs", y="accuracy", logarithmic=(True, False), points=((1.0, 0.5), (2.0, 0.25))),
)


def test_an_address_reads_back_to_the_same_view():
    view = View(
        study="a & b",
        page="explore",
        x="macs",
        scales=("y",),
        extras=(),
        filters=FILTERS,
        candidate=7,
        sort="-accuracy",
        start=20,
    )
    assert View.from_query(view.to_query(), ["first", "a & b"]) == view
    assert View(study="s").to_query() == "?study=s"


AWKWARD = (1_004_861.0, 1 / 3, 0.1 + 0.2, 123_456_789_012.0, 2.0**60, 5e-324, -0.25, 1.7e308, 7.0)


@pytest.mark.parametrize("number", AWKWARD)
def test_no_bound_is_rounded_in_the_address(number):
    other = np.nextafter(number, 0)
    for kept_one in (
        Between(column="macs", low=-float("inf"), high=number),
        Between(column="macs", low=np.float64(number), high=float("inf")),
        Inside(x="a", y="b", logarithmic=(False, True), points=((number, other), (other, 2.0))),
    ):
        view = View(study="s", filters=(kept_one,))
        assert View.from_query(view.to_query(), ["s"]) == view
    assert ".0" not in Between(column="macs", low=7.0, high=1_004_861.0).to_text()


def test_a_bound_that_was_typed_keeps_what_it_kept_on_the_next_click(columns, reader):
    columns.metrics["macs"]["value"][3] = 1_004_861
    for _ in range(2):
        text = read_filter("macs:1004861..1004861").to_text()
        assert np.flatnonzero(kept([read_filter(text)], columns)).tolist() == [3]
    form = COMMON["form"](reader.read(f"?by=macs&filter={text}"))
    assert form.count('value="1004861"') == 2


def test_a_box_to_the_end_of_an_axis_keeps_the_last_one(reader):
    columns = reader.read("").snapshot.columns
    axes = make_axes(columns, ("accuracy", "macs"))
    place = next(i for i, axis in enumerate(axes) if axis.name == "macs")
    for ends, text in (
        ((-0.02, 1.02), "macs:.."),
        ((0.5, 1.0), "macs:2"),
        ((0.0, 0.5), "macs:..2"),
    ):
        (found,) = read_box(axes, {"range": {"x": [place - 0.1, place + 0.1], "y": ends}})
        assert found.to_text().startswith(text)
        assert kept([found], columns)[3 if ends[1] >= 1 else 0]


@pytest.mark.parametrize(
    "query", ["", "?", "?study=other&page=../x&candidate=-1&start=x&filter=%00&filter=a:b..c&x=%ff"]
)
def test_nonsense_in_an_address_is_left_out(query, reader):
    at = reader.read(query)
    assert at.view.study == "first" and at.view.page == "explore" and not at.view.filters
    assert (at.view.x, at.view.y, at.view.scales) == ("macs", "accuracy", ("x",))


@pytest.mark.parametrize(
    ("query", "reported"),
    [
        ("", ""),
        ("?study=first&candidate=3&other=&filter=macs:1..2", ""),
        ("?study=nope", "There is no study nope in this storage. This is first."),
        ("?study=first&studies=nope", "There is no study nope in this storage."),
        ("?candidate=99999", "There is no candidate 99999 in first."),
        ("?page=candidate&candidate=0&other=-1", "There is no candidate -1 in first."),
        ("?study=%3Cb%3E", "There is no study &lt;b&gt; in this storage. This is first."),
        ("?filter=macs", "Left out: a filter must read like "),
    ],
)
def test_what_is_not_there_is_reported(query, reported, reader):
    text = COMMON["not-there"](reader.read(query))
    assert text.startswith(reported) and bool(text) == bool(reported)
    assert len(COMMON["not-there"](reader.read(f"?study={'n' * 9_000}"))) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "macs",
        "macs:1",
        "macs:x..2",
        "macs:nan..",
        "macs:..inf",
        "a,b@1 2;x",
        "a,b@1 inf",
        "a@1 2",
    ],
)
def test_what_is_no_filter_gives_one_line(text):
    with pytest.raises(InputError, match="a filter must read like"):
        read_filter(text)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("macs:2e4..", [1, 2, 3, 5]),
        ("macs:..1e4", [0, 4]),
        ("status=failed|running", [4, 6]),
        ("macs,accuracy@5000 0.3;35000 0.3;35000 0.6;5000 0.6", [0, 2]),
        ("nothing:1..2", [0, 1, 2, 3, 4, 5, 6]),
        ("nothing=1", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_filters_keep_what_they_say(text, rows, columns):
    assert np.flatnonzero(kept([read_filter(text)], columns)).tolist() == rows


def test_a_line_drawn_on_logarithmic_axes_is_straight_there(columns):
    # From (1e4, 0.3) to (1e6, 0.9): on a logarithmic axis 0.59 high at 9e4, else 0.35.
    points = "10000 0.3;1000000 0.9;1000000 0.3"
    x = {
        "log": read_filter(f"log macs,accuracy@{points}"),
        "lin": read_filter(f"macs,accuracy@{points}"),
    }
    columns.metrics["accuracy"]["value"][5] = 0.5
    assert x["log"].mask(columns)[5] and not x["lin"].mask(columns)[5]


# What is done -----------------------------------------------------------------------------------


def test_a_click_chooses_and_a_box_filters(reader):
    view = reader.read("").view
    assert act(view, list, {"what": "click", "candidate": 3}).candidate == 3
    for nothing in ({"what": "click", "candidate": "x"}, {"what": "click"}, {}, None):
        assert act(view, list, nothing) == view
    box = {"range": {"x": [40_000, 9_000], "y": [0.3, 0.6]}}
    boxed = act(view, list, {"what": "scatter", "selected": box})
    assert boxed.filters == (
        Between(column="macs", low=9_000, high=40_000),
        Between(column="accuracy", low=0.3, high=0.6),
    )
    again = select(boxed, {"range": {"x": [1, 2], "y": [0.3, 0.6]}})
    assert len(again.filters) == 2 and again.filters[0].high == 2
    lasso = select(view, {"lassoPoints": {"x": [1, 2, 3], "y": [0.1, 0.2, 0.3]}})
    assert lasso.filters[0].logarithmic == (True, False)
    assert select(view, {}) == view


def test_the_form_offers_what_fits_the_column(reader):
    def form(query):
        return COMMON["form"](reader.read(query))

    assert form("").count("<input") == 0
    numbers = form("?by=macs&filter=macs:20000..")
    assert re.findall(r'type="number" step="any" value="(.*?)"', numbers) == ["20000", ""]
    words = form("?by=status&filter=status%3Dfailed|running")
    assert re.findall(r'value="(\w+)" checked', words) == ["failed", "running"]
    assert words.count("checkbox") == 6


def test_a_long_title_of_an_axis_is_divided_at_an_underscore():
    axis = Axis(
        name="x", title="mean_average_precision", low=0, high=1, logarithmic=False, labels=None
    )
    assert axis.lines == ["mean_average_", "precision"]


def test_a_box_over_parallel_axes_keeps_what_crosses_it(reader):
    at = reader.read("")
    columns = at.snapshot.columns
    axes = make_axes(columns, ("accuracy", "macs"))
    places = {axis.name: place for place, axis in enumerate(axes)}
    rows = np.flatnonzero(columns.comparable(("accuracy", "macs")))
    crossed = heights(columns, axes, rows)
    assert ((crossed >= -1e-9) & (crossed <= 1 + 1e-9)).all()
    place = places["macs"]
    high = crossed[:, place]
    # From the second to the third of the four, on the logarithmic axis.
    ends = [sorted(high)[1] - 1e-6, sorted(high)[2] + 1e-6]
    box = {"range": {"x": [place - 0.2, place + 0.2], "y": ends}}
    view = drag(at.view, axes, box)
    assert sorted(columns.value("macs")[kept(view.filters, columns)]) == pytest.approx([2e4, 3e4])
    assert drag(at.view, axes, {}) == at.view
    decision = next(axis for axis in axes if axis.labels)
    at_first = float(decision.at(0.0))
    x = places[decision.name]
    (found,) = read_box(axes, {"range": {"x": [x - 0.1, x + 0.1], "y": [at_first, at_first]}})
    assert found == Among(column=decision.name, levels=(decision.labels[0],))


# What is shown ----------------------------------------------------------------------------------


def test_the_scatter_shows_each_candidate_once_as_what_it_is(reader):
    at = reader.read("?candidate=2&filter=accuracy:0.45..")
    figure = FIGURES["explore"]["scatter"](at)
    drawn = {re.sub(r" \(.*", "", each.name): list(each.customdata) for each in figure.data}
    assert drawn == {
        "filtered out": [2],
        "dominated": [3],
        "front": [0, 1],
        "dominate 2": [0],
        "candidate 2": [2],
    }
    front = next(each for each in figure.data if each.name.startswith("front"))
    assert list(front.error_y.array) == pytest.approx([0.06, 0.02])
    both = FIGURES["explore"]["scatter"](reader.read("?x=macs&y=latency"))
    assert {"failed (1)", "infeasible (1)"}.isdisjoint(each.name for each in both.data)
    exact = FIGURES["explore"]["scatter"](reader.read("?x=macs&y=macs"))
    assert {"failed (1)", "infeasible (1)"} <= {each.name for each in exact.data}


def test_points_can_be_coloured_and_sized_by_any_column(reader):
    for query in ("colour=latency&size=macs", "colour=stages.0.block.mixer", "colour=status"):
        figure = FIGURES["explore"]["scatter"](reader.read(f"?{query}&filter=macs:1..1e9"))
        rest = [each for each in figure.data if not each.name.startswith(("front", "of these"))]
        rest = [each for each in rest if not str(each.marker.symbol).startswith(("x-thin", "line"))]
        assert sum(len(each.x) for each in rest) == 4, "the front too"


def test_the_front_has_the_colour_and_size_of_its_column(reader, columns):
    query = "?x=macs&colour=latency&size=macs&extras="
    every, front = FIGURES["explore"]["scatter"](reader.read(query)).data
    assert (every.name, front.name) == ("candidates (4)", "front (2)")
    assert list(every.customdata) == [0, 1, 2, 3] and list(every.marker.color) == [3, 1, 2, 5]
    assert list(every.marker.size) == pytest.approx([4, (16 + 400 / 3) ** 0.5, 9.1, 14.7], abs=0.1)
    assert list(front.customdata) == [0, 1] and front.marker.symbol == "diamond-open"
    assert list(front.marker.size) == pytest.approx([each + 7 for each in every.marker.size[:2]])
    assert front.hoverinfo == "skip", "the point below tells more"

    path = "stages.0.block.mixer"
    answers = columns.values_of(path)
    by_level = FIGURES["explore"]["scatter"](reader.read(f"?colour={path}&extras=")).data
    *levels, front = by_level
    reported = {number: each.name for each in levels for number in each.customdata}
    assert reported.keys() == {0, 1, 2, 3} and len({each.marker.color for each in levels}) > 1
    for number in (0, 1):
        assert reported[number].startswith(answers.labels[answers.codes_N[number]])
    assert front.marker.symbol == "diamond-open" and front.marker.size == 15


def test_what_lacks_a_metric_is_drawn_along_the_axis_that_it_has(reader):
    for query, axis, rest in (
        ("", "x", "without accuracy are ticks along macs. 1 have neither."),
        ("?x=accuracy&y=macs", "y", "without accuracy are ticks along macs. 1 have neither."),
        ("?extras=zoo", "x", ""),
    ):
        at = reader.read(f"{query or '?'}&candidate=5")
        figure = FIGURES["explore"]["scatter"](at)
        ticks = {
            re.sub(r" \(.*", "", each.name): each
            for each in figure.data
            if (each.yaxis if axis == "x" else each.xaxis) in ("y2", "x2")
        }
        assert figure.layout[f"{'yx'[axis == 'y']}axis2"].range == (0, 1)
        along = {name: (list(each[axis]), each.marker.symbol) for name, each in ticks.items()}
        assert along.pop("candidate 5") == ([90_000], "circle-open")
        if "zoo" in query:
            (name,) = along
            assert name == "zoo, as printed, no accuracy" and len(along[name][0]) > 50
        else:
            symbol = {"x": "line-ns-open", "y": "line-ew-open"}[axis]
            assert along == {
                "infeasible, no accuracy": ([90_000], symbol),
                "failed, no accuracy": ([5], symbol),
            }
            assert list(ticks["failed, no accuracy"].customdata) == [4]
        note = TEXTS["explore"]["scatter-note"](at)
        assert note.endswith(rest) and ("2 without" in note) == bool(rest)


def test_one_meaning_of_dominated_in_legend_note_rings_pane_and_tip(
    study, fill, make_candidate, url
):
    # In accuracy and MACs, candidate 0 dominates 1 and 2; in all three objectives it dominates only
    # 2, since 1 is faster.
    points = ((0.9, 10, 3.0), (0.8, 20, 1.0), (0.7, 20, 4.0), (0.95, 40, 5.0))
    made = [make_candidate(i, accuracy=a, macs=m, latency=t) for i, (a, m, t) in enumerate(points)]
    three = Study.create_or_open(
        "three", url, replace(study.settings, objectives=("accuracy", "macs", "latency"))
    )
    fill(three, *made)

    def names(at):
        drawn = FIGURES["explore"]["scatter"](at).data
        return {
            re.sub(r" \(.*", "", e.name): [*(() if e.customdata is None else e.customdata)]
            for e in drawn
        }

    reader = Reader(Source(url))
    at = reader.read("?study=three&candidate=1&extras=")
    drawn = names(at)
    assert drawn["front"] == [0, 1, 3] and drawn["dominated"] == [2]
    assert "best of these two" in drawn and "dominate 1" not in drawn
    (stairs,) = [e for e in FIGURES["explore"]["scatter"](at).data if "two" in e.name]
    assert list(stairs.x) == [10, 40] and stairs.line.dash == "dot"
    assert "3 on the front of accuracy, macs and latency" in TEXTS["explore"]["scatter-note"](at)
    assert TEXTS["explore"]["table"](at).count("complete, front") == 3
    for text in (TEXTS["explore"]["detail"](at), tip(at.source, at.snapshot, at.view)):
        assert "On the front of accuracy, macs and latency" in text
    at = reader.read("?study=three&candidate=2&extras=&filter=accuracy:0.75..0.85")
    assert names(at)["dominate 2"] == [1] and names(at)["front"] == [1]
    for text in (TEXTS["explore"]["detail"](at), tip(at.source, at.snapshot, at.view)):
        assert "Filtered out. Dominated in accuracy, macs and latency by 1 of those kept" in text
    assert "latency</th><td>4 ms" in text and made[2].architecture.outline()[:20] in text


def test_thousands_lie_on_a_canvas_and_none_is_lost(columns, reader):
    count = 900
    many = replace(
        columns,
        number_N=np.arange(count),
        status_N=np.zeros(count, np.int8),
        metrics={
            "macs": dict.fromkeys(("value", "low", "high"), np.arange(1.0, count + 1)),
            "accuracy": dict.fromkeys(("value", "low", "high"), np.linspace(0.9, 0.1, count)),
        },
        decisions={},
    )
    view = replace(reader.read("").view, extras=(), colour="macs")
    figure = scatter(
        many, view, (), scatter_data(many, view, ("accuracy", "macs")), np.empty(0, int)
    )
    (layer,) = figure.layout.meta["points"]
    assert figure.data[layer["trace"]].name == "candidates (900)"
    x, number, shade = (
        np.frombuffer(base64.b64decode(layer[name]), kind)
        for name, kind in (("x", np.float32), ("number", np.int32), ("shade", np.uint8))
    )
    assert x.tolist() == many.value("macs").tolist() and number.tolist() == list(range(count))
    assert (shade[0], shade[-1]) == (0, 63) and len(layer["palette"]) == 64
    assert figure.layout.xaxis.range == pytest.approx((-0.177, 3.131), abs=1e-3)  # log10, and 6 %
    assert list(figure.data[-1].customdata) == [0], "the front is drawn above"


def test_a_wrong_number_draws_nobody_else(study, fill, make_candidate, url):
    curve = [{"train_loss": 1.0, "validation_loss": 1.0, "validation_accuracy": 0.5}] * 2
    trained = make_candidate(1, accuracy=0.5, macs=1)
    accuracy = replace(trained.measurements["accuracy"], provenance={"learning_curve": curve})
    trained = replace(trained, measurements={**trained.measurements, "accuracy": accuracy})
    fill(study, make_candidate(0, accuracy=0.4, macs=2), trained)
    reader = Reader(Source(url))

    def show(query):
        at = reader.read(f"?page=candidate&{query}")
        return [FIGURES["candidate"][n](at) for n in ("curves", "costs", "network")], at

    figures, at = show("candidate=77&other=1")
    assert not any(figure.data for figure in figures)
    assert "no candidate 77" in TEXTS["candidate"]["summary"](at)
    assert "no candidate 77" in TEXTS["explore"]["detail"](at)
    (curves, *_), _ = show("candidate=0&other=1")
    assert [each.name for each in curves.data] == ["1"] and curves.layout.showlegend
    assert [each.text for each in curves.layout.annotations] == [
        "no learning curve of candidate 0 is stored"
    ]
    (curves, *_), at = show("candidate=1&other=77")
    assert [each.name for each in curves.data] == ["1"]
    assert "no candidate 77 to compare" in TEXTS["candidate"]["difference"](at)
    low, high = curves.layout.yaxis.range
    assert (low, high) == pytest.approx((0.45, 0.55)), "not from -50 % to 150 %"


def test_the_bare_address_opens_the_study_asked_for(study, make_settings, url):
    Study.create_or_open("second", url, make_settings(seed=1)).close()
    assert Reader(Source(url)).read("").view.study == "second", "that made last"
    source = Source(url, study="first")
    assert Reader(source).read("?page=compare").view.study == "first"
    source.look_again()
    assert Reader(source).read("").view.study == "first" and source.studies == ["first", "second"]


def test_the_parallel_axes_can_be_read_and_chosen(reader):
    at = reader.read("")
    axes = make_axes(at.snapshot.columns, ("accuracy", "macs"))
    assert len(axes) == AXES and [e.name for e in axes[-3:]] == ["accuracy", "macs", "latency"]
    figure = FIGURES["explore"]["parallel"](at)
    assert figure.layout.meta["axes"] == AXES and figure.layout.xaxis.tickangle == 0
    for lines in figure.layout.xaxis.ticktext:
        assert max(map(len, lines.split("<br>"))) <= 22
    at = reader.read("?axes=macs,stages.0.block.mixer,nothing")
    titles = FIGURES["explore"]["parallel"](at).layout.xaxis.ticktext
    assert list(titles) == ["s0 mixer", "macs"]
    boxes = re.findall(r'value="([^"]*)" checked', TEXTS["explore"]["axes"](at))
    assert sorted(boxes) == ["macs", "stages.0.block.mixer"]


def test_a_decision_of_many_values_names_as_many_as_fit(columns):
    labels = [f"a_component_of_a_long_name_{i}" for i in range(45)]
    many = replace(
        columns, decisions={"d": DecisionValues(levels=labels, codes_N=np.zeros(7, np.int32))}
    )
    (axis,) = make_axes(many, ("accuracy",), ("d",))
    assert len(axis.ticks) == 15 and max(len(text) for _, text in axis.ticks) <= 17
    assert axis.lines == ["d", "(1 of 3 named)"]
    flat = replace(columns, metrics={"macs": dict.fromkeys(("value",), np.full(7, 100.0))})
    (axis,) = make_axes(flat, ("macs",), ("macs",))
    assert axis.ticks == [(0.5, "100")] and axis.at(100.0) == 0.5


def test_cards_tell_how_far_it_is(reader):
    text = TEXTS["explore"]["cards"](reader.read(""))
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert (
        facts["complete"] == "4 of 7" and facts["running"] == "1" and facts["on the front"] == "2"
    )
    assert facts["best accuracy"].startswith("90.0 % ") and "candidate 1<" in facts["best accuracy"]
    assert facts["least macs"].startswith("10.0 k ")
    kept_ones = TEXTS["explore"]["cards"](reader.read("?filter=macs:2e4..3e4"))
    assert "2 of 7" in kept_ones and "20.0 k" in kept_ones


def test_a_study_without_results_says_what_is_running(study, fill, url, make_candidate):
    def text():
        return TEXTS["explore"]["cards"](Reader(Source(url)).read(""))

    assert "random searches the space micro for more accuracy, less macs on digits" in text()
    assert "No candidate has been proposed yet" in text()
    failed = replace(make_candidate(1, status="failed"), reason="<out of memory>")
    fill(study, make_candidate(0, status="running"), failed)
    outline = make_candidate(0).architecture.outline()
    assert f"candidate 0</a>: {outline}" in text() and "ended: &lt;out of memory&gt;" in text()


def test_nothing_beyond_chance_is_said_and_no_bar_is_full(columns, reader):
    rng = np.random.default_rng(0)
    count, view = 300, reader.read("?page=matters").view
    codes = {f"d{i}": rng.integers(0, 3, count).astype(np.int32) for i in range(20)}
    noise = rng.normal(0.5, 1e-5, count)

    def found(values):
        return effects(
            replace(
                columns,
                number_N=np.arange(count),
                status_N=np.zeros(count, np.int8),
                metrics={"accuracy": dict.fromkeys(("value", "low", "high"), values)},
                decisions={
                    k: DecisionValues(levels=["a", "b", "c"], codes_N=v) for k, v in codes.items()
                },
            ),
            "accuracy",
            np.ones(count, bool),
        )

    nothing = found(noise)
    assert not any(each.beyond for each in nothing.decisions)
    assert importance.importance_note(nothing, view).startswith("Nothing is beyond chance")
    figure = importance.importance(nothing)
    assert figure.layout.xaxis.range[0] == 0 and figure.layout.xaxis.range[1] >= 0.05
    levels = importance.levels(nothing, view).layout.xaxis
    assert levels.range[0] <= -0.005 and levels.tickformat == "+.1~%"
    some = found(noise + 1e-4 * (codes["d7"] == 1))
    assert [each.path for each in some.decisions if each.beyond] == ["d7"]
    assert importance.importance_note(some, view).startswith(
        "Beyond chance: d7 (1 of 20 decisions)"
    )
    few = FIGURES["matters"]["importance"](reader.read("?page=matters"))
    assert [e.text for e in few.layout.annotations] == ["4 complete candidates; it takes 20."]


def test_many_values_are_distinguished_or_said_to_be_grey(columns, reader):
    count, levels = 400, 31
    codes = np.minimum(np.random.default_rng(0).integers(0, 40, count), levels - 1)
    many = replace(
        columns,
        number_N=np.arange(count),
        status_N=np.zeros(count, np.int8),
        metrics={
            name: dict.fromkeys(("value", "low", "high"), sign * np.arange(1.0, count + 1))
            for name, sign in (("macs", 1), ("accuracy", -1))
        },
        decisions={
            "few": DecisionValues(levels=list("abcdefghij"), codes_N=codes % 10),
            "many": DecisionValues(levels=[f"level {i}" for i in range(levels)], codes_N=codes),
        },
    )
    view = replace(reader.read("").view, extras=())
    for name, shown in (("few", 10), ("many", 18)):
        at = replace(view, colour=name)
        figure = scatter(
            many, at, (), scatter_data(many, at, ("accuracy", "macs")), np.empty(0, int)
        )
        drawn = [each for each in figure.data if not each.name.startswith("front")]
        assert len(drawn) == shown and sum(len(each.x) for each in drawn) == count
        assert len({(each.marker.color, each.marker.symbol) for each in drawn}) == shown
        first = "14 other values" if name == "many" else "a "
        assert drawn[0].name.startswith(first) or name == "few", "below the others"


def test_text_from_outside_stays_text(reader):
    at = reader.read("?candidate=4")
    for make in (make for texts in (COMMON, *TEXTS.values()) for make in texts.values()):
        text = make(at)
        assert isinstance(text, Markup) and "<script" not in text and "<img" not in text
    assert "&lt;/script&gt;" in TEXTS["explore"]["detail"](at)
    assert tag("p", HOSTILE, title='"><b>') == Markup('<p title="{}">{}</p>').format(
        '"><b>', HOSTILE
    )
    address = parse_qs(re.search(r'href="\?([^"]*)"', link("x", View(study=HOSTILE)))[1])
    assert address["study"] == [HOSTILE]


def test_a_candidate_shows_its_parts_and_where_its_cost_is(reader, candidates):
    at = reader.read("?page=candidate&candidate=1&other=3")
    cost = architecture_cost(candidates[1].architecture)
    for query, total in (("", cost.macs), ("&weight=params", cost.params)):
        bars = FIGURES["candidate"]["costs"](reader.read(f"?candidate=1{query}")).data
        assert sum(sum(each.x) for each in bars) == total
    timed = FIGURES["candidate"]["costs"](reader.read("?candidate=1&weight=time"))
    total = sum(part_times(candidates[1].architecture).values())
    assert sum(sum(each.x) for each in timed.data) == pytest.approx(total)
    drawn = FIGURES["candidate"]["network"](at)
    nodes = sum(len(each.x) for each in drawn.data if each.name)
    assert nodes == 1 + len(candidates[1].architecture.parts())
    assert TEXTS["candidate"]["parts"](at).count("<tr>") == 1 + nodes
    differing = TEXTS["candidate"]["difference"](at)
    assert "90.0 % [85.0, 92.0]" in differing and "0.778" in differing
    for path, value in candidates[1].decisions.items():
        same = candidates[3].decisions.get(path) == value
        assert (f">{short_path(path)}<" in differing) != same


def test_a_failure_shows_its_traceback_and_nobody_nothing(reader):
    assert "<pre" in TEXTS["candidate"]["summary"](reader.read("?candidate=4"))
    for query in ("", "?candidate=99&other=98"):
        at = reader.read(query)
        for make in (*FIGURES["candidate"].values(), *TEXTS["candidate"].values()):
            assert make(at) is not None


def test_the_table_is_sorted_and_comes_in_parts(reader, monkeypatch):
    monkeypatch.setattr("nas_explorer.results.dashboard.table_part.ROWS", 3)

    def numbers(query):
        text = TEXTS["explore"]["table"](reader.read(query))
        return [int(each) for each in re.findall(r'data-key="row (\d+)"', text)]

    assert numbers("?sort=macs") == [4, 0, 2]
    assert numbers("?sort=-macs") == [5, 3, 1]
    assert numbers("?sort=macs&start=6") == [6], "what is not known comes last"
    assert numbers("?sort=accuracy&filter=macs:..3e4&start=3") == [4]


def test_a_study_is_kept_up_with(study, fill, candidates, url):
    fill(study, candidates[0], candidates[1])
    source = Source(url)
    first = source.snapshot("first")
    assert len(first.columns) == 2 and source.snapshot("first", fresh=True) is first
    fill(study, *candidates[2:])
    assert source.snapshot("first") is first
    second = source.snapshot("first", fresh=True)
    assert len(second.columns) == 7 and second.version == first.version + 1
    assert source.snapshot("first", fresh=True) is second, "one that still runs is nothing new"


def test_a_replaced_record_is_read_again(study, fill, candidates, url):
    fill(study, *candidates)
    source = Source(url)
    before = source.snapshot("first")
    place = before.columns.row(0)
    with study.exclusive():
        again = Measurement(metric="accuracy", value=0.25)
        study.remeasure(study.find(0), [again])
    after = source.snapshot("first", fresh=True)
    assert after.version == before.version + 1
    assert before.columns.value("accuracy")[place] != 0.25
    assert after.columns.value("accuracy")[place] == 0.25
    assert source.snapshot("first", fresh=True) is after


EARLY = ("none", "running", "failed before costs", "failed before accuracy")


@pytest.fixture
def early(make_candidate):
    """Candidates of a study without complete ones."""
    costs = {"macs": 10, "params": 20}
    kinds = ((), ("running", {}), ("failed", {}), ("failed", costs))

    def make(what):
        kind = kinds[EARLY.index(what)]
        made = [make_candidate(i, status=kind[0], **kind[1]) for i in range(3) if kind]
        failed = kind and kind[0] == "failed"
        return [replace(e, reason="too big", traceback="line 1") for e in made] if failed else made

    return make


@pytest.mark.parametrize("what", EARLY)
def test_every_page_shows_a_study_in_which_none_is_complete(
    what, early, study, fill, url, make_candidate
):
    fill(study, *early(what))
    source = Source(url)
    for extra in ("", "&extras=", "&extras=intervals,infeasible,zoo&colour=macs&size=accuracy"):
        for page in FIGURES:
            at = Reader(source).read(f"?page={page}&candidate=0&other=1&studies=first{extra}")
            for make in (*FIGURES[page].values(), *TEXTS[page].values(), *COMMON.values()):
                assert make(at) is not None
    at = Reader(source).read("")
    figure = FIGURES["explore"]["scatter"](at)
    names = [each.name for each in figure.data]
    assert names == (["failed, no accuracy (3)"] if what == EARLY[3] else [])
    assert [each.text for each in figure.layout.annotations] == (
        [] if names else ["No candidate has these metrics yet."]
    )
    if "failed" in what:
        assert COMMON["status"](at) == "3 failed"
        assert TEXTS["explore"]["table"](at).count("<td>failed</td>") == 3
        assert "too big" in TEXTS["explore"]["detail"](Reader(source).read("?candidate=1"))
        note = TEXTS["explore"]["scatter-note"](at)
        assert ("3 without accuracy" if what == EARLY[3] else "3 have neither") in note
    fill(study, make_candidate(len(at.snapshot.columns), accuracy=0.5, macs=10))
    source.snapshot("first", fresh=True)
    figure = FIGURES["explore"]["scatter"](Reader(source).read(""))
    assert "front (1)" in [each.name for each in figure.data]
    assert not figure.layout.annotations


def test_what_is_remembered_may_be_asked_for_by_many_at_once(reader):
    snapshot = reader.read("").snapshot
    remembered = once_a_version(lambda _, number: number)

    def ask(start):
        return all(remembered(snapshot, each % 97) == each % 97 for each in range(start, 20_000))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(ask, range(4)))
    finally:
        sys.setswitchinterval(interval)


def test_studies_are_compared_on_one_scale(study, fill, make_candidate, make_settings, url):
    fill(study, *(make_candidate(i, accuracy=0.5 + i / 10, macs=10 + i) for i in range(3)))
    second = Study.create_or_open("<second>", url, make_settings(seed=1, searcher="tpe"))
    fill(second, *(make_candidate(i, accuracy=0.6 + i / 10, macs=5 + i) for i in range(4)))
    at = Reader(Source(url)).read("?page=compare&study=first&studies=%3Csecond%3E&studies=none")
    lines = [each for each in FIGURES["compare"]["distributions"](at).data if each.name]
    assert [each.name for each in lines] == ["first (3)", "&lt;second&gt; (4)"]
    assert list(lines[0].x) == pytest.approx([0.3, 0.4, 0.5])
    assert list(lines[1].y) == [0.25, 0.5, 0.75, 1.0]
    volumes = [each.y[-1] for each in FIGURES["compare"]["growth"](at).data]
    assert 0 < volumes[0] < volumes[1] <= 1
    text = TEXTS["compare"]["compare-table"](at)
    assert "seed: 0 / 1" in text or "searcher: random / tpe" in text
    assert "&lt;second&gt;" in text and "<second>" not in text
    timed = FIGURES["compare"]["growth"](Reader(Source(url)).read("?study=first&over=time"))
    assert "time" in timed.layout.xaxis.title.text
    assert [len(each.x) for each in FIGURES["compare"]["fronts"](at).data] == [3, 4]


# Published networks -----------------------------------------------------------------------------


def test_tables_of_timm_are_joined_by_network_and_size(tmp_path):
    results, costs = tmp_path / "results.csv", tmp_path / "benchmark.csv"
    results.write_text(
        "model,top1,param_count,img_size\n"
        'a.one,80.5,"1,014.45",224\na.two,79.0,"1,014.45",224\nb,70.0,2.5,160\n'
    )
    costs.write_text("model,infer_img_size,infer_gmacs,infer_macts,param_count\na,224,4.1,11.5,9\n")
    found = {each.name: each for each in read_timm([results, costs])}
    assert found["a.one"].values == pytest.approx(
        {"accuracy": 0.805, "params": 1_014_450_000, "macs": 4.1e9, "activations": 11.5e6}
    )
    assert found["a.two"].values["macs"] == pytest.approx(4.1e9)
    assert "macs" not in found["b"].values and found["b"].note == "160 pixels"


def test_published_networks_are_drawn_beside_the_candidates(reader):
    query = "?x=macs&y=macs&extras=zoo"
    (stars,) = [
        e for e in FIGURES["explore"]["scatter"](reader.read(query)).data if "zoo" in e.name
    ]
    assert len(stars.x) > 50 and min(stars.x) > 1e6


@pytest.mark.parametrize(
    ("own", "others", "logarithmic", "ends"),
    [
        ([1e4, 1e6], [1e5, 9e6], True, None),
        # 4 to 6, a decade is near: up to 7, where 5e6 is and 1e8 is not; 6 % more at each end.
        ([1e4, 1e6], [5e6, 1e8], True, (4 - 0.162, 6.699 + 0.162)),
        ([1e5], [1e9], True, (4.5, 5.5)),
        ([0.5, 0.7], [0.9, 0.95], False, None),
        ([1.0, 3.0], [4.0, 40.0], False, (1 - 0.18, 4.18)),
        ([], [1.0], True, None),
        ([np.nan, 0.0], [1.0], True, None),
        ([1e4], [], True, None),
    ],
)
def test_axes_reach_over_the_study_and_what_is_near(own, others, logarithmic, ends):
    found = near_range(np.array(own), np.array(others), logarithmic=logarithmic)
    assert found == (ends and pytest.approx(ends, abs=1e-3))


def test_published_networks_beyond_are_counted(reader):
    known = sum("macs" in each.values for each in reader.read("").source.references(("zoo",)))
    for query, beyond in (
        *(("?extras=zoo", True), ("?extras=zoo&scales=", True)),
        *(("?", False), ("?extras=zoo,far", False)),
    ):
        at = reader.read(query)
        layout = FIGURES["explore"]["scatter"](at).layout
        reported = f"filters all figures and tables. {known} published networks are beyond the axes"
        assert (reported in TEXTS["explore"]["scatter-note"](at)) == beyond
        assert (layout.xaxis.range is not None) == beyond and layout.yaxis.range is None
        assert ('value="far"' in TEXTS["explore"]["controls"](at)) == ("zoo" in query)


@pytest.mark.parametrize("text", ["", "name,top1\na,1\n", "model,x\na,1\n", "model,top1\na,high\n"])
def test_what_is_no_table_of_timm_gives_one_line(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    for path in (tmp_path / "a.csv", tmp_path / "none.csv"):
        with pytest.raises(InputError, match="a table of timm's results must have") as error:
            read_timm([path])
        assert "\n" not in str(error.value)
