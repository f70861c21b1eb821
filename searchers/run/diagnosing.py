"""Diagnostics of candidates that a search has trained, from their kept weights."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ...evaluators.base import CandidateError
from ...evaluators.diagnostics import load_diagnostic
from ...evaluators.measure_diagnostics import measure_diagnostics
from ...evaluators.measure_scores import Scored
from ...evaluators.scores import ALL
from ...evaluators.targets import Target, stated_target
from ...results.candidate import Candidate
from ...results.study.storage_url import DEFAULT_STORAGE
from ...results.study.study import Study
from ...search_space.errors import InputError, WorkError
from .ledger import Ledger
from .python_search import load_study
from .scoring import lacking_scores
from .search import recorded_time
from .study_plan import Listener, Training

_log = logging.getLogger(__name__)


def diagnose(
    network: Candidate | int | str | Path,
    diagnostics: str | Collection[str] = ALL,
    *,
    study: Study | str | None = None,
    data: str | None = None,
    storage: str | Path = DEFAULT_STORAGE,
) -> Scored:
    """Return diagnostics of a trained network, with its exact costs; nothing is stored.

    Args:
        network: A candidate, its number or a prefix of its digest, or a ``.safetensors`` file.
        diagnostics: Names such as ``"filter_entropy,skip_ratio"``, or ``"all"``.
        study: The study of a candidate, or its name; None: the latest.
        data: Name of the data of a file; those of a candidate are known.
        storage: Storage of a study given by name.

    Raises:
        CandidateError: If the costs of the network cannot be counted.
        InputError: If an argument cannot be used, or the data have changed.
        WorkError: If the search kept no weights of the candidate.
    """
    from ...results.final.diagnosed import data_of, trained_candidate, trained_file

    if not isinstance(network, Candidate) and str(network).endswith(".safetensors"):
        return measure_diagnostics(trained_file(Path(str(network)), data), diagnostics)
    if data is not None:
        raise InputError(f"data must be given with a file alone, but got {data!r}")
    opened = study if isinstance(study, Study) else load_study(study, storage)
    found = network if isinstance(network, Candidate) else opened.find(str(network))
    return measure_diagnostics(trained_candidate(opened, found, data_of(opened)), diagnostics)


def lacking_diagnostics(
    study: Study, diagnostics: Sequence[str], numbers: Collection[int]
) -> list[Candidate]:
    """Return those of the numbered candidates that lack the present version of a diagnostic.

    They are returned without values of earlier versions. One that has the reason for having none
    does not lack it.
    """
    target = stated_target(study.settings.data)
    current = [_current(each, diagnostics, target) for each in study.candidates()]
    return lacking_scores(current, diagnostics, numbers)


def _current(candidate: Candidate, diagnostics: Sequence[str], target: Target) -> Candidate:
    """Return a candidate without the values of earlier versions of diagnostics."""
    known = candidate.measurements
    earlier = {
        name
        for name in diagnostics
        if name in known
        and (now := load_diagnostic(name).version_for(target))
        and known[name].provenance.get("version", now) != now
    }
    kept = {name: each for name, each in known.items() if name not in earlier}
    return replace(candidate, measurements=kept) if earlier else candidate


def diagnose_candidates(
    study: Study,
    training: Training,
    diagnostics: Sequence[str],
    numbers: Sequence[int],
    ledger: Ledger,
    listener: Listener = lambda candidate, reason: None,
) -> dict[int, str]:
    """Compute and store the diagnostics that candidates lack; return the reasons of failures.

    A diagnostic that a network does not have is stored as its reason, and not tried again. Values
    of an earlier version of a diagnostic are replaced.

    Args:
        study: The study.
        training: How its candidates are trained.
        diagnostics: Names of diagnostics.
        numbers: The candidates.
        ledger: Ledger of the time of this run.
        listener: Called after each candidate.

    Raises:
        InputError: If another process searches the study, or its data have changed.
    """
    from ...results.final.diagnosed import data_of, trained_candidate

    failed: dict[int, str] = {}
    with study.exclusive(), recorded_time(study, ledger, training.engine):
        lacking = lacking_diagnostics(study, diagnostics, numbers)
        data = data_of(study) if lacking else None
        for each in lacking:
            assert data is not None
            wanted = [e for e in diagnostics if e not in {*each.measurements, *each.undefined}]
            try:
                with ledger.clock.doing("scoring"):
                    found = measure_diagnostics(trained_candidate(study, each, data), wanted)
            except (CandidateError, InputError, WorkError) as error:
                failed[each.number] = str(error)
                _log.warning("diagnostics of candidate %d: %s", each.number, error)
                listener(each, str(error))
                continue
            measured = {
                name: found.measurements[name] for name in wanted if name in found.measurements
            }
            changed = replace(
                each,
                measurements={**each.measurements, **measured},
                undefined={**each.undefined, **found.undefined},
            )
            with ledger.clock.doing("storing"):
                study.revise(changed, ledger.read())
            listener(changed, None)
    return failed
