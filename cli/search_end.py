"""What ``nas search`` prints at its end."""

from typing import TYPE_CHECKING

from .shared import shown, study_option

if TYPE_CHECKING:
    from ..results.candidate import Candidate
    from ..searchers.run.search import Prepared, Summary


def print_end(prepared: "Prepared", summary: "Summary") -> None:
    """Print the front, the time by activity, and the next commands."""
    from ..evaluators.units import plural
    from ..results.study.run_time import duration
    from .fronts import fidelity_text, resolution_text
    from .show import print_front

    study = prepared.study
    front = print_front(study)
    before = "" if summary.finished == summary.fresh else f" more, {summary.finished} in all,"
    print(
        f"Study {study.name}: {plural(summary.fresh, 'candidate')}{before} in "
        f"{duration(summary.time.wall)}"
    )
    _print_time(prepared, summary)
    if summary.cut_short:
        print(
            f"The time limit of {duration(prepared.options.max_time or 0)} is reached; the same "
            "command continues the search."
        )
    _print_epochs(prepared)
    if summary.duplicates:
        print(f"Duplicate proposals, found in the record: {summary.duplicates}")
    if summary.exhausted:
        which = " that satisfies the constraints" if prepared.options.constraints else ""
        print(f"The space has no further architecture{which}.")
    if front:
        best = front[0]
        main = study.settings.main_metric
        trained = best.value(main) is not None
        if trained:
            _print_baseline(prepared, main, front)
            if text := resolution_text(study):
                print(text)
            print(fidelity_text(study))
        untrained = "" if trained else " --untrained"
        print(
            "Next: nas dashboard | nas report -o report.html | "
            f"nas show {best.number} | nas export {best.number} -o model.safetensors{untrained} | "
            f"nas finalize {best.number}"
            f" (each with {study_option(study.name)})"
        )


def _print_baseline(prepared: "Prepared", main: str, front: "list[Candidate]") -> None:
    """Print the best main score of the front, and that of predictions that see no image."""
    from ..evaluators.accuracy.data.constant_score import CONSTANTS

    alone, constant = prepared.data.baseline, CONSTANTS[prepared.data.target]
    beginning = constant.removeprefix("the ")
    what = "" if main == "accuracy" else f"{main} "
    best = max(value for each in front if (value := each.value(main)) is not None)
    print(
        f"{beginning[0].upper()}{beginning[1:]} alone: {what}{shown(main, alone)}; best of the "
        f"front: {shown(main, best)}"
    )
    if best <= alone:
        print(f"No network is better than {constant}: train longer (--epochs).")


def _print_epochs(prepared: "Prepared") -> None:
    """Print the epochs of training of the study, and the epochs saved by early stopping."""
    from ..evaluators.units import plural

    candidates = prepared.study.candidates()
    spent = sum(each.epochs for each in candidates)
    if not spent:
        return
    whole = prepared.study.settings.recipe.get("epochs", 0)
    stopped = sum(each.status == "stopped" and each.epochs < whole for each in candidates)
    trained = sum(each.epochs > 0 for each in candidates)
    saved = f" of {whole * trained:,}: {plural(stopped, 'candidate')} stopped early"
    stops = bool(prepared.study.settings.scheduler)
    print(f"Training: {plural(spent, 'epoch')}{saved if stops else ''}")


def _print_time(prepared: "Prepared", summary: "Summary") -> None:
    """Print where the time of this run went, and that of all runs if there were more."""
    from ..results.study.run_time import duration, in_all, time_text

    worked = time_text(summary.time.workers)
    if worked:
        print(f"Workers ({prepared.workers}): {worked}")
    share = f" ({100 * summary.overhead:.1f} % of the work)" if worked else ""
    print(f"Searching process{share}: {time_text(summary.time.search)}")
    everything = in_all(prepared.study.times())
    if everything is not None and everything.runs > 1:
        print(
            f"All {everything.runs} runs, {duration(everything.wall)} together: workers: "
            f"{time_text(everything.workers)}; searching process: {time_text(everything.search)}"
        )
