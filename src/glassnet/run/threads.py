"""Determines the number of threads, and runs one function on all of them.

In: a number of threads, or None. Out: the number that this process may use. The default is the
environment variable GLASSNET_NUM_THREADS; else the number of available processors (affinity, and
the quota of the control group), at most OMP_NUM_THREADS and the limits set with threadpoolctl, so
that joblib's workers and `threadpool_limits` are respected.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError

VARIABLE = "GLASSNET_NUM_THREADS"
MOST = 256  # each takes memory of its own; the result is the same with fewer
SHARED = "OMP_NUM_THREADS"  # joblib sets it for its workers; "2,1" is for nested regions


def thread_count(asked: int | None = None) -> int:
    """Return the number of threads: `asked`, else GLASSNET_NUM_THREADS, else the available
    processors within the limits of other libraries; at most MOST. Raises GlassnetError for
    other values."""
    if asked is None:
        text = os.environ.get(VARIABLE, "").strip()
        if not text:
            return max(1, min(available_processors(), *_limits()))
        try:
            asked = int(text)
        except ValueError:
            raise GlassnetError(f"{VARIABLE} is {text!r}; set it to a number of threads") from None
    given: Any = asked
    if not isinstance(given, Integral) or given < 1:
        raise GlassnetError(f"{given!r} threads were requested; use 1 or more")
    return min(int(given), MOST)


def available_processors() -> int:
    """Return the number of processors in the affinity mask, at most the control group's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not available on every system
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota()))


def _limits() -> list[int]:
    """Return the limits that OMP_NUM_THREADS and threadpoolctl set for this process."""
    first = os.environ.get(SHARED, "").partition(",")[0].strip()
    found = [int(first)] if first.isdigit() and int(first) > 0 else []
    if "threadpoolctl" in sys.modules:
        found += [int(pool["num_threads"] or 1) for pool in _pools().info()]
    return [*found, 1 << 20]


@cache
def _pools() -> Any:
    """Return the thread pools known to threadpoolctl; searching for them takes a while."""
    return sys.modules["threadpoolctl"].ThreadpoolController()


def _quota() -> int:
    """Return the number of processors in the quota of this control group (version 2, then 1)."""
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
    """Run work(0) … work(count − 1), each on its own thread, the first on the caller's."""
    others = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(1, count)]
    for other in others:
        other.start()
    try:
        work(0)
    finally:  # after Ctrl-C too: the memory that the threads write to must stay alive
        for other in others:
            other.join()
