"""The host of one worker process, which runs inside a Ray actor.

The worker is a child of the actor, as it is a child of the main process in the local engine. So
crashes and time limits work alike in both, and need no new actor. This module is loaded in the
actor and imports nothing heavy but Ray.
"""

from typing import Any

from ray import tune

from .outcomes import START_ATTEMPTS
from .process import Event, NotStarted, WorkerProcess, wait_for


class Host(tune.Trainable):
    """Runs one job per trial; the actor and its worker process are kept between trials."""

    def setup(self, config: dict[str, Any]) -> None:
        """Start the worker process.

        Args:
            config: ``factory`` and ``job`` (pickled), ``time_limit`` (s, or none).
        """
        self._config = config
        self._start()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Accept the next job."""
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the job; its event is the trial's only result."""
        event = self._process.collect() if self._process.alive else None
        not_started = 0
        while event is None and not self._process.idle:
            if not self._process.alive:
                self._start()
            event = self._next_event()
            if isinstance(event, NotStarted):
                not_started += 1
                event = event if not_started == START_ATTEMPTS else None
        if event is None:
            self._process.give(self._config["job"])
        while event is None:
            event = self._next_event()
        return {"event": event, "done": True}

    def cleanup(self) -> None:
        """End the worker process."""
        self._process.kill()

    def _start(self) -> None:
        self._process = WorkerProcess(
            factory=self._config["factory"], time_limit=self._config["time_limit"]
        )

    def _next_event(self) -> Event | None:
        wait_for([self._process])
        return self._process.collect()
