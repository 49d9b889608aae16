"""How a worker's process ends: in good order on the first signal, at once on the second, and in any case in time."""

import asyncio
import logging
import os
import signal
import threading
from contextlib import suppress

from workers.sandbox.watch import descendants

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Waits for a signal; from then on the process has `seconds` left."""

    def __init__(self, seconds: float) -> None:
        """Nothing is watched before `watch`."""
        self._seconds = seconds
        self.asked = asyncio.Event()

    def watch(self) -> None:
        """Begin to listen to signals."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._begin, number)

    def _begin(self, number: signal.Signals) -> None:
        log.info("ending", extra={"signal": number.name, "within": self._seconds})
        for each in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(each)
            signal.signal(each, lambda number, _: end_now(128 + number))
        # A thread, because what has to be ended may be the loop itself, or a thread that the interpreter waits for.
        watchdog = threading.Timer(self._seconds, end_now, (0,))
        watchdog.daemon = True
        watchdog.start()
        self.asked.set()


def end_now(status: int) -> None:
    """End the process and everything that it started."""
    for pid in reversed([*descendants(os.getpid())][1:]):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    os._exit(status)
