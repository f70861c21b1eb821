"""The engine on Ray Tune: workers on this machine or on the nodes of a Ray cluster."""

import logging
import math
import os
import pickle
import re
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from ...search_space.errors import InputError, WorkError
from .base import Engine, Job, JobSource, Outcome, WorkerFactory
from .children import environment
from .outcomes import check_waiting, outcome_of
from .ray_guard import children, guarded

try:
    import ray
    from ray import tune
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.tune.experiment import Trial
    from ray.tune.search import Searcher

    from .ray_host import Host
except ImportError as error:
    raise InputError(f"the engine 'ray' needs the package ray[tune], but {error}") from error

# No files, output or telemetry per trial; workers do not change into trial folders; and we handle
# Ctrl-C, since Tune would wait for running trials.
_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

# On a loaded machine a worker needs minutes to import torch; Ray's limit is one minute.
# And Ray (2.60) runs its workers at niceness 15: beside any other work, trainings would hardly
# continue and latencies would be too long.
_START = {"RAY_worker_register_timeout_seconds": "300", "RAY_worker_niceness": "0"}

# The node manager ends if its agents do not start within 15 s; 30 s later Ray reports that the node
# did not start. Both times are constants of Ray (2.60; agent_register_timeout_ms and
# raylet_start_wait_time_s are other times), so on a loaded machine Ray is started again.
_STARTS = 3
_ADDRESS = re.compile(r"auto|[^:/]+:\d{1,5}")
_CONNECT_SECONDS = 5.0
_MODE = "RAY_AUTH_MODE"
_OBJECT_STORE_BYTES = 100_000_000  # jobs and outcomes are a few kilobytes
_ATTEMPTS = 3  # starts of a job whose actors or nodes are lost, before its outcome is a failure


class RayEngine(Engine):
    """Runs the jobs as trials of Ray Tune, in actors that are reused from trial to trial.

    Ray is started for the run, on this machine or by joining the cluster at ``address``, and
    stopped after it. If the caller has already initialised Ray, it is used and not stopped.

    A job whose actor or node is lost runs again on another one, with up to three starts before its
    outcome is a failure: the candidate itself runs in a child process of the actor, so that it is
    hardly the cause. A search hands a job out once more after such a failure, for a fourth start.
    """

    name: ClassVar[str] = "ray"

    def __init__(
        self,
        *,
        workers: int = 1,
        time_limit: float | None = None,
        address: str | None = None,
        gpus_per_worker: float = 0.0,
    ) -> None:
        """Set the number and the place of the workers.

        Args:
            workers: Candidates measured at the same time, one CPU each; from 1.
            time_limit: Seconds a candidate may take, more than 0; None for no limit.
            address: ``HOST:PORT`` of a running cluster, or ``auto``; None for this machine alone.
            gpus_per_worker: Least share of a GPU for each worker, from 0; with 0 a worker sees no
                GPU. Where the cluster has several GPUs, the workers are spread over them.

        Raises:
            InputError: If a value is out of its range.
        """
        super().__init__(workers=workers, time_limit=time_limit)
        if not gpus_per_worker >= 0:
            raise InputError(f"GPUs per worker must be at least 0, but got {gpus_per_worker:g}")
        if address is not None and not _ADDRESS.fullmatch(address):
            raise InputError(f"a Ray address must be 'auto' or HOST:PORT, but got {address!r}")
        self.address = address
        self.gpus_per_worker = gpus_per_worker

    @classmethod
    def create(  # noqa: D102
        cls, *, workers: int, time_limit: float | None, address: str | None, gpus_per_worker: float
    ) -> Self:
        return cls(
            workers=workers,
            time_limit=time_limit,
            address=address,
            gpus_per_worker=gpus_per_worker,
        )

    def run(self, source: JobSource, factory: WorkerFactory) -> None:  # noqa: D102
        if source.done:
            return
        feed = _Feed(source)
        constants = {"factory": pickle.dumps(factory), "time_limit": self.time_limit}
        with (
            environment(_QUIET),
            self._session() as started,
            tempfile.TemporaryDirectory(prefix=f"nas-ray-{os.getpid()}-") as folder,
            guarded(folder, started),
        ):
            tuner = tune.Tuner(
                tune.with_resources(Host, {"cpu": 1, "gpu": self._gpu_share()}),
                param_space=constants,
                tune_config=tune.TuneConfig(
                    search_alg=feed,
                    num_samples=-1,
                    max_concurrent_trials=self.workers,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    storage_path=folder,
                    verbose=0,
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    callbacks=[_Errors(feed)],
                ),
            )
            tuner.fit()
        feed.check()

    def _gpu_share(self) -> float:
        """Return the share of a GPU for each worker, with the workers spread over all GPUs.

        Raises:
            InputError: If the workers need a GPU, and Ray has none.
        """
        if not self.gpus_per_worker:
            return 0.0
        gpus = int(ray.cluster_resources().get("GPU", 0))
        if not gpus:
            where = "on this machine" if self.address is None else f"at {self.address!r}"
            raise InputError(f"Ray must have a GPU for workers on a GPU, but has none {where}")
        return max(self.gpus_per_worker, 1 / math.ceil(self.workers / gpus))

    @contextmanager
    def _session(self) -> Generator[set[int]]:
        """Start or join Ray for the context; yield the processes started for it."""
        if ray.is_initialized():
            yield set()
            return
        before = children(os.getpid())
        alone = self.address is None
        try:
            _check_reachable(self.address)
            if alone:
                start(num_cpus=self.workers, object_store_memory=_OBJECT_STORE_BYTES)
            else:
                _init(address=self.address)
        except Exception as error:  # Ray raises no narrower class if a node fails to start
            if alone:
                raise WorkError(f"Ray must start on this machine, but {_line(error)}") from error
            hint = "" if _MODE in os.environ else f" ({_MODE}=token where it asks for one)"
            rule = f"Ray must be running at {self.address!r}{hint}"
            raise InputError(f"{rule}, but {_line(error)}") from error
        try:
            yield children(os.getpid()) - before
        finally:
            ray.shutdown()


def start(**options: Any) -> None:
    """Start Ray on this machine, with retries; ``options`` are those of ``ray.init``.

    Raises:
        Exception: Ray's own error, if several attempts fail.
    """
    for left in reversed(range(_STARTS)):
        try:
            with environment(_START):
                _init(address="local", include_dashboard=False, **options)
            return
        except Exception:  # Ray raises no narrower class if a node fails to start
            ray.shutdown()  # ends what was started
            if not left:
                raise


def _init(**options: Any) -> None:
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nothing listens at ``HOST:PORT``, which Ray reports only after minutes."""
    if address is not None and address != "auto":
        host, port = address.rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Feed(Searcher):
    """Passes the source's jobs to Tune, and their outcomes back, in the driver's main thread.

    Tune would attribute an exception raised in a notification to the trial, so the exception is
    kept and raised at Tune's next request.
    """

    def __init__(self, source: JobSource) -> None:
        super().__init__()
        self._source = source
        self._jobs: dict[str, Job] = {}
        self._lost: list[Job] = []
        self._losses = Counter[int]()
        self._error: Exception | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        self.check()
        job = self._lost.pop(0) if self._lost else self._next_job()
        if job is None:
            if self._jobs:  # even if the source is done, since their nodes may be lost
                return None
            check_waiting(done=self._source.done, under_way=False)
            finished: Any = Searcher.FINISHED  # a str, against the base's own annotation
            return finished
        self._jobs[trial_id] = job
        return {"job": pickle.dumps(job)}

    def _next_job(self) -> Job | None:
        return None if self._source.done else self._source.next_job()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if result is not None:
            self._take(trial_id, lambda number: outcome_of(number, result["event"]))

    def on_trial_error(self, trial_id: str, error: Exception) -> None:
        """Run the job of a lost actor or node again; record any other error of an actor."""
        number = self._jobs[trial_id].number
        if _is_loss(error):
            self._losses[number] += 1
            if self._losses[number] < _ATTEMPTS:
                self._lost.append(self._jobs.pop(trial_id))
                return
        losses = self._losses[number]
        self._take(trial_id, lambda number: _outcome_of_error(number, error, losses))

    def check(self) -> None:
        """Raise the exception kept from storing an outcome."""
        if self._error is not None:
            raise self._error

    def _take(self, trial_id: str, outcome: Callable[[int], Outcome]) -> None:
        job = self._jobs.pop(trial_id)
        try:
            self._source.take(outcome(job.number))
        except Exception as error:
            self._error = self._error or error

    # Tune saves its searcher with the experiment; ours has nothing to save.
    def __getstate__(self) -> dict[str, Any]:
        return {}

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Errors(tune.Callback):
    """Passes on the error of a trial, which Tune does not report to its searcher."""

    def __init__(self, feed: _Feed) -> None:
        self._feed = feed

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        assert trial.pickled_error_file is not None, "a trial that failed has kept its error"
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
        self._feed.on_trial_error(trial.trial_id, error)


def _is_loss(error: Exception) -> bool:
    """Whether an actor or its node was lost, other than by lack of memory or at its start."""
    gone = isinstance(error, RayActorError) and not error.actor_init_failed
    return gone and not isinstance(error, OutOfMemoryError)


def _outcome_of_error(number: int, error: Exception, losses: int) -> Outcome:
    """Return the outcome of a job whose actor or node died ``losses`` times; raise other errors."""
    if isinstance(error, OutOfMemoryError):
        reason = "out_of_memory: Ray ended the candidate's actor, since its node ran out of memory"
    elif _is_loss(error):
        reason = f"worker_died: the candidate's Ray actor or node was lost {losses} times"
    else:
        raise error
    return Outcome(number=number, status="failed", reason=reason, traceback=str(error))
