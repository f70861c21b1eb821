"""The card of a full training, in Markdown.

The form is that of Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from ..export.header import VERSION
from ..export.overwrite_guard import CARD_SIGN
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
    lines += ["", "## By class", "", *class_table(result)]
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
    yield (
        f"validation accuracy {validation.text('accuracy')} on {validation.images:,} images, after "
        f"epoch {chosen['kept_epoch']} of {chosen['epochs']}, which was chosen on them"
    )
    if chosen["test"] is not None:
        test = SplitScores.from_json(chosen["test"])
        yield f"test accuracy {test.text('accuracy')} on {test.images:,} images"
    if len(result["trainings"]) > 1:
        for split in ("validation", "test"):
            if (text := seeds_text(result, split)) is not None:
                yield text
    yield f"most frequent class alone: {100 * result['data']['baseline']:.1f} %"
    if result["search_accuracy"] is not None:
        yield f"after the search's short training: {100 * result['search_accuracy']:.1f} %"
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
    """Return the mean accuracy over seeds with its 95 % interval (Student's t), or None."""
    from scipy import stats  # takes a second to import

    found = [each[split] for each in result["trainings"]]
    if None in found or len(found) < 2:
        return None
    values = [each["metrics"]["accuracy"]["value"] for each in found]
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    middle = mean(values)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (
        f"{split} accuracy of {len(values)} seeds: mean {100 * middle:.1f} % [{100 * low:.1f}, "
        f"{100 * high:.1f}] over seeds, deviation {100 * stdev(values):.2g} points"
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


def class_table(result: Mapping[str, Any]) -> list[str]:
    """Return the table of recalls by class and split."""
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
    read; empty for many classes."""
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
            "-" if each[split] is None else SplitScores.from_json(each[split]).text("accuracy")
            for split in ("validation", "test")
        ]
        ended = each["stopped_early"] or ""
        rows.append([str(each["seed"]), *cells, f"{each['kept_epoch']} of {each['epochs']}", ended])
    return _table(["seed", "validation", "test", "kept epoch", "ended early"], rows)


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
