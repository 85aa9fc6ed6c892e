"""Timing contenders side by side.

In: named functions that do equal work. Out: for each the seconds of every turn. All take a turn,
one after the other, again and again, so that whatever else the machine does meets all of them.
Threads of BLAS and OpenMP wait for more work in a busy loop before they sleep: where a contender
may use several cores, a pause before every turn keeps those of the one before out of it.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """The seconds of one contender's turns."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def settled(self) -> bool:
        """Whether the last third of the turns moved the median by less than `SETTLED`."""
        before = statistics.median(self.seconds[: max(1, len(self.seconds) * 2 // 3)])
        return abs(self.median / before - 1.0) < SETTLED

    def per(self, count: float) -> dict[str, float]:
        """Microseconds, if a turn did `count` units of work."""
        return {
            "min_us": self.least / count * 1e6,
            "median_us": self.median / count * 1e6,
            "turns": len(self.seconds),
        }


SETTLED = 0.01  # of a median
MOST = 4  # times as many turns as asked for, until all medians have settled
PAUSE = 0.1  # seconds; OpenBLAS waits for up to a thirtieth of one


def alternate(
    work: Mapping[str, Work], turns: int, seconds: float = 60.0, pause: float = 0.0
) -> dict[str, Times]:
    """Time each function `turns` times in alternation, after a turn that is not timed, and on
    until all medians have settled, up to `MOST` times as often; fewer times, though at least
    twice, where that takes longer than `seconds`."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for one in work.values():
        one()
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    try:
        for turn in range(MOST * turns):
            for name, one in work.items():
                time.sleep(pause)
                start = time.perf_counter()
                one()
                found[name].append(time.perf_counter() - start)
            if turn and time.perf_counter() - started > seconds:
                break
            if turn + 1 >= turns and all(Times(tuple(own)).settled for own in found.values()):
                break
    finally:
        gc.enable()
    return {name: Times(tuple(all_of)) for name, all_of in found.items()}
