"""Full training of a chosen network, and its one reading of the test split."""

import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import load_test_split
from ...evaluators.accuracy.full_recipe import full_recipe
from ...evaluators.accuracy.inherit import Source
from ...evaluators.accuracy.recipe import AUGMENTATIONS, Recipe
from ...evaluators.accuracy.recipes.checks import check_options
from ...evaluators.accuracy.training.losses import check_recipe
from ...evaluators.device_name import choose_device
from ...search_space.errors import InputError, known_name
from ..export.proof import Proof
from ..export.weights import checksum
from ..study.readings import Reading, ReadingLog, now
from .files import Content, check_folder, read_result, restore_files, write_files
from .options import FinalOptions
from .sources import find_source, with_teacher
from .split_scores import SplitScores, split_scores
from .subject import Subject, find_subject
from .trainings import Listener, Trainer, Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A full training that is ready to run, after all checks of the user's input."""

    options: FinalOptions
    """Its options."""
    subject: Subject
    """Network and data."""
    recipe: Recipe
    """Recipe of the trainings."""
    trainer: Trainer
    """The trainer."""
    folder: Path
    """Folder of the results."""
    reading: Reading
    """The reading of the test split that is to be made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Finalized:
    """The result of a full training."""

    folder: Path
    """Folder of the model, the card and the curve."""
    result: Mapping[str, Any]
    """Everything that the card states, as JSON values; also in ``result.json``."""

    @property
    def model(self) -> Path:
        """File of the weights with the best validation accuracy, which ``load_model`` reads."""
        return self.folder / "model.safetensors"

    @property
    def card(self) -> Path:
        """The card, in Markdown."""
        return self.folder / "card.md"

    @property
    def validation(self) -> SplitScores:
        """Scores of the model on the validation split."""
        return SplitScores.from_json(self.result["chosen"]["validation"])

    @property
    def test(self) -> SplitScores | None:
        """Scores of the model on the test split; None if it was not read."""
        found = self.result["chosen"]["test"]
        return None if found is None else SplitScores.from_json(found)

    def export(
        self, path: str | Path, *, any_resolution: bool = False, batch: int | None = None
    ) -> Proof:
        """Write the model as a file; the ending decides the format, as for ``Study.export``.

        Raises:
            InputError: If the file cannot be written, or the format cannot hold the network.
            ExportError: If the file does not reproduce the network.
        """
        from ..export.export import export_model
        from ..export.header import read_facts, read_header
        from ..export.weights import read_weights

        weights, header = read_weights(self.model)
        return export_model(
            read_header(header),
            path,
            weights=weights,
            metadata=read_facts(header),
            seed=0,
            any_resolution=any_resolution,
            batch=batch,
        )


def prepare(options: FinalOptions) -> Prepared:
    """Return a full training that is ready to run.

    Raises:
        InputError: If an input of the user cannot be used, or the test split has been read.
        WorkError: If the search kept no weights of the candidate that they are requested of.
    """
    subject = find_subject(options)
    source = find_source(options, subject)
    data, device = subject.data, choose_device(options.device)
    recipe = full_recipe(
        data.recipe,
        len(data.train_labels),
        epochs=options.epochs,
        class_weights=options.class_weights,
        warm=source is not None,
        target=data.target,
        augmentation=_augmentation(options, subject),
    )
    recipe, teacher = _with_options(recipe, options.recipe)
    check_recipe(recipe, data)
    check_options(recipe, data, (), teacher)
    key = _key(
        {
            "network": subject.architecture.digest,
            "fingerprint": data.fingerprint,
            "recipe": recipe.to_json(),
            "seed": options.seed,
            "device": device,
            "start": None if source is None else checksum(source.weights, {}),
        }
    )
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", subject.label)[:40]
    folder = Path(options.output or Path("runs", "final", f"{plain}-{key[:8]}"))
    run = f"{key}-{options.seeds}"
    check_folder(folder, key=key, run=run, test=options.test)
    reading = Reading(
        scope=subject.scope,
        number=0,
        data=subject.data_key,
        run=run,
        what=subject.label,
        when=now(),
    )
    trainer = Trainer(
        architecture=subject.architecture,
        data=data,
        recipe=recipe,
        source=source,
        teacher=teacher,
        seed=options.seed,
        device=device,
        folder=folder,
        key=key,
    )
    prepared = Prepared(
        options=options,
        subject=subject,
        recipe=recipe,
        trainer=trainer,
        folder=folder,
        reading=reading,
    )
    if options.test and finished(prepared) is None:
        _with_log(options, lambda log: log.check(reading, again=options.read_test_again))
    return prepared


def _augmentation(options: FinalOptions, subject: Subject) -> str:
    """Return the augmentation that is asked for, else that of the study."""
    if options.augmentation is not None:
        return known_name("augmentation", options.augmentation, AUGMENTATIONS)
    studied = {} if subject.study is None else subject.study.settings.recipe
    return str(studied.get("augmentation", "auto"))


def _with_options(recipe: Recipe, options: Mapping[str, Any]) -> tuple[Recipe, Source | None]:
    """Return a recipe with options, and their teacher; they replace the fields they exclude."""
    named, teacher = with_teacher(options)
    replaced = {"drop_path": 0.0} if "stochastic_depth" in named else {}
    return replace(recipe, options=named, **replaced), teacher


def finished(prepared: Prepared) -> Finalized | None:
    """Return the stored result of the same run, or None."""
    found = read_result(prepared.folder)
    if found is None or found["run"] != prepared.reading.run:
        return None
    if prepared.options.test and found["chosen"]["test"] is None:
        return None
    restore_files(prepared.folder, found)
    return Finalized(folder=prepared.folder, result=found)


def run(prepared: Prepared, listener: Listener) -> Finalized:
    """Train, read the test split, and write the files; what is finished already is only read.

    Raises:
        InputError: If the test split has been read meanwhile, a file cannot be written, or another
            process runs in the folder.
        WorkError: If a training fails.
    """
    if (found := finished(prepared)) is not None:
        return found
    with _alone(prepared.folder):
        return finished(prepared) or _run(prepared, listener)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Make a folder, and hold its lock, which ends with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", blocking=False):
            yield
    except Timeout:
        raise InputError(
            f"a folder must be of one nas finalize at a time, but another runs in {str(folder)!r}"
        ) from None


def _run(prepared: Prepared, listener: Listener) -> Finalized:
    options, trainer = prepared.options, prepared.trainer
    trainings = [trainer.training(number, listener) for number in range(options.seeds)]
    tests: list[SplitScores] = []
    reading: Reading | None = None
    if options.test:
        tests, reading = _with_log(options, lambda log: _read_test(prepared, trainings, log))
    of_data = _with_log(options, lambda log: log.of_data(prepared.reading.data))
    content = Content(
        run=prepared.reading.run,
        subject=prepared.subject,
        recipe=prepared.recipe,
        device=trainer.device,
        trainings=trainings,
        tests=tests,
        reading=reading,
        readings_of_data=len(of_data),
    )
    result = write_files(prepared.folder, content)
    if reading is not None:  # last: a run killed before goes on with its reading
        ended, scores = reading, {tests[0].main_name: [each.main.value for each in tests]}
        _with_log(options, lambda log: log.end(ended, scores))
    return Finalized(folder=prepared.folder, result=result)


def _read_test(
    prepared: Prepared, trainings: list[Training], log: ReadingLog
) -> tuple[list[SplitScores], Reading]:
    """Count a reading of the test split, read it, and return the scores of all trainings."""
    data = prepared.subject.data
    permit, reading = log.begin(prepared.reading, again=prepared.options.read_test_again)
    test = load_test_split(data.spec, permit=permit, cache=image_cache())
    if test.classes != data.classes or test.images.shape[1:] != data.train_images.shape[1:]:
        raise InputError("the test split must have the classes and the form of the training images")
    scores = [
        split_scores(
            prepared.trainer.logits(each, test.images),
            test.labels,
            data.classes,
            seed=each.seed,
            target=data.target,
        )
        for each in trainings
    ]
    return scores, reading


def _with_log(options: FinalOptions, work: Callable[[ReadingLog], Any]) -> Any:
    log = ReadingLog(options.storage)
    try:
        return work(log)
    finally:
        log.close()


def _key(facts: Mapping[str, Any]) -> str:
    stated = {**facts, "torch": torch.__version__}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


def finalize(options: FinalOptions, listener: Listener = lambda step: None) -> Finalized:
    """Train a chosen network in full, and read the test split once; see ``FinalOptions``."""
    return run(prepare(options), listener)
