"""The card of a full training, in Markdown.

The form is that of Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from ...evaluators.accuracy.data.constant_score import CONSTANTS
from ...evaluators.accuracy.metric_value import MetricValue
from ...evaluators.base import metric
from ...evaluators.targets import WORDS, stated_target
from ..export.header import VERSION
from ..export.overwrite_guard import CARD_SIGN
from ..numbers import format_difference, format_value
from .split_scores import SplitScores, score_text

_MOST_CLASSES = 30
"""Most classes whose confusion matrix is printed."""


def card_text(result: Mapping[str, Any]) -> str:
    """Return the card of a result, as ``result.json`` holds it."""
    lines = [f"{CARD_SIGN}{VERSION} -->", f"# {result['network']}, fully trained", ""]
    lines += [f"- {line}" for line in summary_lines(result)]
    lines += ["", "## Network", "", f"- stages: {result['outline']}"]
    lines += [f"- digest: {result['digest']}"]
    data = result["data"]
    lines += ["", "## Data", ""]
    lines += [f"- {key}: {data[key]}" for key in ("name", "training", "validation", "fingerprint")]
    lines += [f"- images: {data['channels']}x{data['resolution']}x{data['resolution']}"]
    lines += ["", "## Scores", "", *_scores(result)]
    title = f"## By {WORDS[stated_target(data)]}"
    lines += ["", title, "", *output_table(result)]
    confusion = confusion_lines(result)
    if confusion:
        lines += ["", "## Confusion matrix", "", *confusion]
    lines += ["", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in result["recipe"].items()]
    lines += [f"- device: {result['device']}", f"- start: {start_text(result)}"]
    if (found := result["chosen"]["inheritance"]) is not None and found["fresh_parts"]:
        lines += [f"- parts that are not wholly inherited: {', '.join(found['fresh_parts'])}"]
    lines += ["", "## Seeds", "", *_seeds(result)]
    lines += ["", "## Environment", ""]
    lines += [f"- {name}: {value}" for name, value in result["environment"].items()]
    return "\n".join(lines) + "\n"


def summary_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the main figures in lines of text."""
    chosen = result["chosen"]
    validation = SplitScores.from_json(chosen["validation"])
    main = validation.main_name
    what = main.replace("_", " ")
    yield (
        f"validation {what} {validation.text(main)} on {validation.images:,} images, after "
        f"epoch {chosen['kept_epoch']} of {chosen['epochs']}, which was chosen on them"
    )
    if chosen["test"] is not None:
        test = SplitScores.from_json(chosen["test"])
        yield f"test {what} {test.text(main)} on {test.images:,} images"
    if len(result["trainings"]) > 1:
        for split in ("validation", "test"):
            if (text := seeds_text(result, split)) is not None:
                yield text
    alone = CONSTANTS[validation.target].removeprefix("the ")
    named = "" if main == "accuracy" else f"{what} "
    yield f"{alone} alone: {named}{format_value(main, result['data']['baseline'])}"
    before = result.get("search_score", result.get("search_accuracy"))  # the latter in older files
    if before is not None:
        yield f"after the search's short training: {named}{format_value(main, before)}"
    yield start_text(result)
    yield reading_text(result)


def start_text(result: Mapping[str, Any]) -> str:
    """Return where the weights came from, in one line."""
    found = result["chosen"]["inheritance"]
    return "all parameters fresh (from scratch)" if found is None else found["text"]


def reading_text(result: Mapping[str, Any]) -> str:
    """Return how often the test split has been read, in one line."""
    total = result["readings_of_data"]
    times = "time" if total == 1 else "times"
    found = result["test_reading"]
    counted = f"the storage counts {total} {times} for this data set in all"
    if found is None:
        return f"the test split was not read; {counted}"
    again = ", asked for explicitly" if found["asked_again"] else ""
    return f"reading {found['number']} of the test split for this {found['of']}{again}; {counted}"


def seeds_text(result: Mapping[str, Any], split: str) -> str | None:
    """Return the mean main score over seeds with its 95 % interval (Student's t), or None."""
    from scipy import stats  # takes a second to import

    found = [each[split] for each in result["trainings"]]
    if None in found or len(found) < 2:
        return None
    name = SplitScores.from_json(found[0]).main_name
    values = [each["metrics"][name]["value"] for each in found]
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    middle = mean(values)
    high = min(1.0, middle + half)
    low = max(0.0, middle - half) if metric(name).share else middle - half
    score = score_text(name, MetricValue(value=middle, low=low, high=high))
    return (
        f"{split} {name.replace('_', ' ')} of {len(values)} seeds: mean {score} over seeds, "
        f"deviation {format_difference(name, stdev(values))}"
    )


def _scores(result: Mapping[str, Any]) -> list[str]:
    """Return the table of metrics by split."""
    splits = _splits(result)
    names = list(splits["validation"].metrics)
    lines = _table(
        ["metric", *splits],
        [
            [name, *(each.text(name) if name in each.metrics else "-" for each in splits.values())]
            for name in names
        ],
    )
    return [*lines, "", "Brackets hold 95 % intervals over the choice of images."]


def output_table(result: Mapping[str, Any]) -> list[str]:
    """Return the table of recalls by class and split; of metrics by number or label and split."""
    if stated_target(result["data"]) == "classes":
        return _class_table(result)
    splits = _splits(result)
    rows = [
        [str(name), *(_output_text(each, place) for each in splits.values())]
        for place, name in enumerate(result["data"]["classes"])
    ]
    return _table([WORDS[stated_target(result["data"])], *splits], rows)


_SHORT_NAMES = {"mean_average_precision": "average precision", "macro_f1": "F1"}
"""Names of metrics of one label."""


def _output_text(scores: SplitScores, place: int) -> str:
    """Return the metrics of one number or label."""
    found = [
        f"{_SHORT_NAMES.get(name, name)} {score_text(name, each)}"
        for name, each in scores.outputs[place].items()
    ]
    if scores.counts:
        found.append(f"{scores.counts[place]:,} of {scores.images:,} images with it")
    return "; ".join(found) or "one value"


def _class_table(result: Mapping[str, Any]) -> list[str]:
    splits = _splits(result)
    rows = [
        [
            str(name),
            *(
                f"{score_text('accuracy', each.recalls[place])} of {each.counts[place]:,}"
                if each.counts[place]
                else "no images"
                for each in splits.values()
            ),
        ]
        for place, name in enumerate(result["data"]["classes"])
    ]
    return _table(["recall of", *splits], rows)


def confusion_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the confusion matrix of the test split, or of the validation split if it was not
    read; empty for many classes, and for numbers and labels."""
    if stated_target(result["data"]) != "classes":
        return []
    classes = [str(each) for each in result["data"]["classes"]]
    if len(classes) > _MOST_CLASSES:
        return []
    split, scores = list(_splits(result).items())[-1]
    rows = [[name, *map(str, row)] for name, row in zip(classes, scores.confusion, strict=True)]
    return [*_table([f"{split}: true class, then predicted", *classes], rows)]


def _seeds(result: Mapping[str, Any]) -> list[str]:
    rows: list[list[str]] = []
    for each in result["trainings"]:
        cells = [
            "-" if each[split] is None else _main_text(SplitScores.from_json(each[split]))
            for split in ("validation", "test")
        ]
        ended = each["stopped_early"] or ""
        rows.append([str(each["seed"]), *cells, f"{each['kept_epoch']} of {each['epochs']}", ended])
    return _table(["seed", "validation", "test", "kept epoch", "ended early"], rows)


def _main_text(scores: SplitScores) -> str:
    return scores.text(scores.main_name)


def _splits(result: Mapping[str, Any]) -> dict[str, SplitScores]:
    found = {split: result["chosen"][split] for split in ("validation", "test")}
    return {name: SplitScores.from_json(each) for name, each in found.items() if each is not None}


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown; foreign text stays in its cell."""
    safe = [[" ".join(cell.split()).replace("|", "/") for cell in row] for row in (titles, *rows)]
    head, *body = safe
    return [_row(head), _row(["---"] * len(head)), *map(_row, body)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
