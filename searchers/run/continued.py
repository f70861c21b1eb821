"""The study that a search continues, or makes."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from ...results.settings import StudySettings
from ...results.study.study import Study
from ...search_space.errors import InputError, WorkError
from ..names import EARLIER_DEFAULT
from .options import SearchOptions


def continued(options: SearchOptions, settings: StudySettings) -> tuple[StudySettings, str]:
    """Return the settings and the name of the study.

    Where no searcher, no scheduler, no first candidates or no scores were chosen, a study that is
    there keeps its own.
    """
    earlier = () if options.searcher else (replace(settings, searcher=EARLIER_DEFAULT),)
    for each in (settings, *earlier):
        name = options.study or default_name(each)
        try:
            study = Study.open(name, options.storage)
        except (InputError, WorkError):
            continue
        own = study.settings
        study.close()
        searcher = options.searcher or own.searcher
        scheduler = own.scheduler if options.scheduler is None else settings.scheduler
        first = settings.first if options.names_first else own.first
        scores = options.scores or own.scores
        kept = {"searcher": searcher, "scheduler": scheduler, "first": first, "scores": scores}
        return replace(settings, **kept), name
    return settings, options.study or default_name(settings)


def default_name(settings: StudySettings) -> str:
    """Return a study name that depends on the settings alone, so that a repeated command
    continues.
    """
    # Digests identify space and data, wherever they are; the last two keys only describe reading.
    described = ("space", "data", "metrics", "plugins", "scores")
    meant = {key: value for key, value in settings.to_json().items() if key not in described}
    if not settings.scheduler:  # names are those from before there were schedulers
        del meant["scheduler"]
    meant["first"] = [each["digest"] for each in settings.first]
    if not settings.first:  # likewise
        del meant["first"]
    text = json.dumps(meant, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:4]
    source = Path(settings.data["name"].partition(":")[2] or settings.data["name"]).name
    return f"{settings.space_name}-{source}-{digest}"
