"""Work that a device does beside play: single calls, and long jobs in slices."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")

SLICE_EVERY_S = 0.25
"""Long work goes on at least this often, whoever plays."""


@dataclass
class _Job:
    """slice_s: how long its last slice took."""

    slices: Generator[Any, None, Any]
    future: Future[Any]
    slice_s: float = 0.0


class Chores:
    """Handed in from any thread, done by one. wake: tells that one of something new. clock: in seconds."""

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self._wake, self._clock = wake, clock
        self._lock = threading.Lock()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._jobs: deque[_Job] = deque()
        self._ended: Exception | None = None
        self._sliced_at = clock()

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Have ``function`` run once."""
        future: Future[Result] = Future()
        with self._lock:
            if self._ended is None:
                self._calls.append((function, future))
        return self._handed_in(future)

    def job(self, slices: Generator[Any, None, Result]) -> Future[Result]:
        """Have a generator run to its end, in turn with other jobs; cancelling the future closes it."""
        future: Future[Result] = Future()
        with self._lock:
            if self._ended is None:
                self._jobs.append(_Job(slices, future))
        future.add_done_callback(lambda _: self._wake())
        return self._handed_in(future)

    @property
    def called(self) -> bool:
        """Whether a call waits."""
        return bool(self._calls)

    def run_call(self) -> bool:
        """Run the oldest call; False when there is none."""
        if not self._calls:
            return False
        function, future = self._calls.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function())
            except Exception as error:
                future.set_exception(error)
        return True

    def slice_fits(self, wait: float | None) -> bool:
        """Whether a slice of the next job is over in ``wait`` seconds (None: any time), or has waited long enough."""
        with self._lock:
            job = self._jobs[0] if self._jobs else None
        if job is None:
            return False
        disturbs = wait is not None and wait <= job.slice_s and not job.future.cancelled()
        return not disturbs or self._clock() - self._sliced_at > SLICE_EVERY_S

    def run_slice(self) -> None:
        """Do a slice of the next job, or close it where it was cancelled."""
        job = self._jobs.popleft()
        begin = self._clock()
        try:
            if job.future.cancelled():
                job.slices.close()
                return
            next(job.slices)
        except StopIteration as end:
            _settle(job.future, end.value, None)
        except Exception as error:
            _settle(job.future, None, error)
        else:
            self._sliced_at = self._clock()
            job.slice_s = self._sliced_at - begin
            self._put_back(job)

    def end(self, error: Exception) -> None:
        """Nothing is done any more: what is left, and what will come, fails with ``error``. May be called twice."""
        with self._lock:
            self._ended = self._ended or error
            calls, jobs = list(self._calls), list(self._jobs)
            self._calls.clear()
            self._jobs.clear()
        for _, future in calls:
            _settle(future, None, error)
        for job in jobs:
            self._drop(job, error)

    def _put_back(self, job: _Job) -> None:
        with self._lock:
            ended = self._ended
            if ended is None:
                self._jobs.append(job)
        if ended is not None:
            self._drop(job, ended)

    def _handed_in(self, future: Future[Result]) -> Future[Result]:
        if self._ended is not None:
            _settle(future, None, self._ended)
        self._wake()
        return future

    def _drop(self, job: _Job, error: Exception) -> None:
        job.slices.close()
        _settle(job.future, None, error)


def _settle(future: Future[Any], value: Any, error: Exception | None) -> None:
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
