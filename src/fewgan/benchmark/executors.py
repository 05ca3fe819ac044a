"""Who runs the cells: processes of this machine, or the cluster engine. Both answer to `map`.

Every cell has a process of its own. It is killed, runs out of memory or crashes alone, its peak of
memory is its own, and nothing that one cell leaves behind reaches the next. (The standard pool of
processes tears all its workers down when one dies, and shares them between tasks.)
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from multiprocessing.connection import wait
from typing import Any, Protocol, TypeVar

from fewgan.benchmark.cells import available_cores
from fewgan.errors import InputError

T = TypeVar("T")
Work = Callable[[T, int], None]
INTERRUPTED = 130
RETRIES = 3  # of a cell whose cluster worker died
KNOCK = 10.0  # seconds for a cluster to answer
FAREWELL = 120.0  # seconds for the cluster's workers to save when interrupted
PASSED_ON = ("FEWGAN_HOME", "FEWGAN_OFFLINE")  # environment that a cluster's workers need too


class Executor(Protocol):
    """Runs work on many things at once."""

    def map(self, work: Work[T], things: Sequence[T]) -> Generator[tuple[T, str], None, None]:
        """Call `work(thing, threads)` for each, and yield each thing as it comes to its end.

        Beside it stands how its process died, empty when it did not. When the caller stops
        listening, what is running is asked to save and end, and is waited for.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds; nothing can be run any more."""
        ...


class Processes:
    """Spawned processes of this machine, a fixed number at a time.

    Args:
        workers: How many; the cores are shared out among them.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.threads = max(1, min(available_cores() // workers, _most_threads()))
        self._context = multiprocessing.get_context("spawn")

    def map(self, work: Work[T], things: Sequence[T]) -> Generator[tuple[T, str], None, None]:
        """See `Executor.map`."""
        waiting = deque(things)
        running: dict[Any, tuple[Any, T]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    process = self._start(work, waiting[0])
                    running[process.sentinel] = process, waiting.popleft()
                for sentinel in wait(list(running)):
                    process, thing = running.pop(sentinel)
                    process.join()
                    yield thing, _obituary(process.exitcode)
        finally:
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.join()

    def close(self) -> None:
        """See `Executor.close`: the processes are gone already."""

    def _start(self, work: Work[T], thing: T) -> Any:
        # A library reads its number of threads when it is loaded: before the child's first line.
        with _environment({"OMP_NUM_THREADS": str(self.threads)}), _deaf_to_ctrl_c():
            process = self._context.Process(target=_in_child, args=(work, thing, self.threads))
            process.start()
        return process


def _most_threads() -> int:
    """What `OMP_NUM_THREADS` allows; all cores where it says nothing."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(said) if said.isdecimal() and int(said) else available_cores()


def _in_child(work: Work[T], thing: T, threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(thing, threads)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _end_with_parent() -> None:
    """Save and end when the process that collects the results is gone."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _obituary(exitcode: int) -> str:
    """How a process died, in words; empty when it ended by itself."""
    if exitcode == 0:
        return ""
    if exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"its process was killed ({name}; SIGKILL is often a lack of memory)"
    what = "was interrupted" if exitcode == INTERRUPTED else f"ended with exit code {exitcode}"
    return f"its process {what}"


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start children that Ctrl-C does not reach: the parent asks each of them to end, once.

    A terminal sends Ctrl-C to parent and children alike, and the second request to end would stop
    a child that is saving.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _knock(address: str) -> None:
    """Make sure that something listens at `host:port`, for which the engine would wait minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), KNOCK).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"no cluster answers at --address {address} ({error}): start one with ray start --head"
        ) from None


class Cluster:
    """Tasks of the cluster engine Ray, on the machines that it has.

    Args:
        address: Of the cluster (`host:port`, or `auto` for the one that this machine is part of).
        workers: Cells at a time; as many as the cluster has GPUs, or else cores, when left out.

    Raises:
        InputError: The engine is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        if find_spec("ray") is None:
            raise InputError("--address needs the cluster engine: pip install 'fewgan[cluster]'")
        _knock(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address=address, runtime_env={"env_vars": passed}, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"no cluster answers at --address {address}: {reason}") from None
        self.ray: Any = ray
        there = ray.cluster_resources()
        cores, gpus = int(there.get("CPU", 1)), int(there.get("GPU", 0))
        self.workers = workers or gpus or cores
        # A cell runs on one machine, so it can have no more cores than the largest has.
        largest = max(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"])
        self.threads = max(1, min(cores // self.workers, largest))
        self.gpus = min(1.0, gpus / self.workers)

    def map(self, work: Work[T], things: Sequence[T]) -> Generator[tuple[T, str], None, None]:
        """See `Executor.map`."""
        task = self.ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_retries=RETRIES, max_calls=1
        )(work)
        waiting: deque[T] = deque(things)
        running: dict[Any, T] = {}
        # The engine tells of dead workers on standard output, which is for the result.
        with contextlib.redirect_stdout(sys.stderr):
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        thing = waiting.popleft()
                        running[task.remote(thing, self.threads)] = thing
                    done, _ = self.ray.wait(list(running))
                    for future in done:
                        yield running.pop(future), self._obituary(future)
            finally:
                self._end(list(running))

    def _end(self, running: list[Any]) -> None:
        """Ask what is running to save and end, and wait for it."""
        for future in running:
            self.ray.cancel(future)
        if running:
            self.ray.wait(running, num_returns=len(running), timeout=FAREWELL)

    def close(self) -> None:
        """Leave the cluster."""
        with contextlib.redirect_stdout(sys.stderr):
            self.ray.shutdown()

    def _obituary(self, future: Any) -> str:
        try:
            self.ray.get(future)
        except self.ray.exceptions.RayError as error:
            return f"its worker died: {str(error).splitlines()[0]}"
        return ""
