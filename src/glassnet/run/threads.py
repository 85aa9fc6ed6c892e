"""How many threads, and running one function on all of them.

In: a number asked for, or nothing. Out: a number that this process may use. The default is what
the process may run on (affinity, and the quota of its control group), unless the environment
variable GLASSNET_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from glassnet.errors import GlassnetError

VARIABLE = "GLASSNET_NUM_THREADS"


def thread_count(asked: int | None = None) -> int:
    """The number asked for, else the environment's, else what the machine grants."""
    if asked is None:
        text = os.environ.get(VARIABLE, "").strip()
        if not text:
            return granted()
        try:
            asked = int(text)
        except ValueError:
            raise GlassnetError(f"{VARIABLE} is {text!r}; set it to a number of threads") from None
    if asked < 1:
        raise GlassnetError(f"{asked} threads were asked for; use 1 or more")
    return asked


def granted() -> int:
    """Processors of the affinity mask, but no more than the control group's quota allows."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota()))


def _quota() -> int:
    """Whole processors in the quota of this control group (version 2, then 1)."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return 1 << 20 if limit == "max" else max(1, round(int(limit) / int(period)))
    except (OSError, ValueError):
        pass
    folder = Path("/sys/fs/cgroup/cpu")
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return 1 << 20 if limit <= 0 else max(1, round(limit / period))
    except (OSError, ValueError):
        return 1 << 20


def run_on(count: int, work: Callable[[int], None]) -> None:
    """work(0) … work(count − 1), each on a thread of its own, the first on the caller's."""
    others = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(1, count)]
    for other in others:
        other.start()
    work(0)
    for other in others:
        other.join()
