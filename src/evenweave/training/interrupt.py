"""Ctrl-C and SIGTERM as a request: the step is finished, a checkpoint saved, then the run ends."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType
from typing import Any


class Interrupt:
    """Context in which the first SIGINT or SIGTERM raises `asked`, and a second one ends the run at once.

    Outside the main thread, where Python allows no handlers, it does nothing.

    Args:
        say: print that the run is stopping; of several ranks one does.
        settle: seconds in which further signals are the same request: `torchrun` passes Ctrl-C on to ranks
            that the terminal has already told.
    """

    def __init__(self, *, say: bool = True, settle: float = 0.0) -> None:
        self.asked = False
        self._say, self._settle = say, settle
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            if time.monotonic() - self._since >= self._settle:
                raise KeyboardInterrupt
            return
        self.asked, self._since = True, time.monotonic()
        if self._say:
            print("\nstopping after this step; once more to stop at once", file=sys.stderr, flush=True)
