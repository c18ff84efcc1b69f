"""Requests to stop: Ctrl-C and the signals that schedulers send."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

Pause = Callable[[], None]  # called between steps of long work: what it raises ends the work

# SIGUSR1 is what schedulers send ahead of the end of a job; Windows has none.
REQUESTS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)


def never() -> None:
    """The pause of work that goes to its end."""


class Stopped(Exception):
    """Someone asked for the end of a work that is done again from its beginning."""


def pause_where(stop: Callable[[], bool]) -> Pause:
    """A pause that raises `Stopped` once `stop` says so."""

    def pause() -> None:
        if stop():
            raise Stopped

    return pause


class StopRequest:
    """True once a signal has asked to stop; the second signal ends the process at once.

    The handler sets a flag and nothing else: whoever works looks at it between two steps.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    def __call__(self) -> bool:
        return bool(self)

    @property
    def exit_code(self) -> int:
        """What the process says when it stopped as asked: 130, 143, or 0 for SIGUSR1."""
        return 128 + self.signal if self.signal in (signal.SIGINT, signal.SIGTERM) else 0

    def __enter__(self) -> "StopRequest":
        if _in_main_thread():
            for number in REQUESTS:
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number


@contextmanager
def exit_on_termination() -> Iterator[None]:
    """SIGTERM raises SystemExit(143) inside, so that files are closed and pipes flushed."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_main_thread() -> bool:
    # Python lets no other thread set handlers.
    return threading.current_thread() is threading.main_thread()
