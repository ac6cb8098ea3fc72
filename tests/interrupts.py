"""An interrupted run stops the control planes it started, those of xdist's workers too.

xdist kills a worker that has not ended 10 s after it was told to.  The worker itself interrupts its tests after 5 s,
a second time where Ctrl-C had reached it already, and exits 10 s later, whatever its fixtures are at.
"""

import os
import signal

from execnet.gateway_base import WorkerGateway
from xdist.workermanage import NodeManager

_STOP_SECONDS = 120.0
"""For all that a worker's fixtures started, on a busy machine."""

_GRACE_SECONDS = 5.0
"""For a worker that has nothing left to do."""


def stop_in_order(*, worker: bool) -> None:
    """Have an interrupt, or SIGTERM as from timeout(1), end this process once its fixtures stopped what they started.

    Further ones do not cut a worker's fixtures short: the second is execnet's own.
    """
    NodeManager.EXIT_TIMEOUT = _STOP_SECONDS
    WorkerGateway._terminate_execution = _terminate  # type: ignore[method-assign]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _first if worker else signal.default_int_handler)


def _first(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _terminate(self: WorkerGateway) -> None:
    pool = self._execpool
    pool.trigger_shutdown()
    if not pool.waitall(_GRACE_SECONDS):
        os.kill(os.getpid(), signal.SIGINT)
        pool.waitall(_STOP_SECONDS)
