"""Threads share the work and change no bit; programs run at once and after a fork; how many
threads there are."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.graph.types import Dim
from glassnet.run import threads as threads_module
from glassnet.run.program import Plan
from glassnet.run.threads import VARIABLE, available_processors, run_on, thread_count
from glassnet.tracing import trace
from tests.data import HANG
from tests.engine.check import numbers
from tests.engine.networks import arguments, dense
from tests.engine.variants import call, difference, loops, thresholds


@pytest.mark.parametrize("threads", [2, 3, 4, 7])
@pytest.mark.parametrize(("widths", "batch"), [((33, 50, 1), 70), ((20, 17, 130), 67)])
def test_training_on_any_number_of_threads(
    widths: tuple[int, ...], batch: int, threads: int
) -> None:
    plan = dense(widths, Dim("n"), "adam")
    args = arguments(plan, batch, steps=3)
    with thresholds(threads=0):
        program = loops(plan)
        alone = call(program, args, 3, threads=1)
        shared = call(program, args, 3, threads=threads)
    for one, many in zip(alone, shared, strict=True):
        assert not difference(one, many)


def test_small_work_stays_on_one_thread() -> None:
    x = numbers("float32", 4, 4)
    program = loops(Plan(trace(lambda x: x @ x, x)))
    started: list[int] = []
    before = threading.Thread.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda t: (started.append(1), before(t))[1])
        program.run({"x": x}, threads=4)
        assert not started
        with thresholds(threads=0):
            program.run({"x": x}, threads=4)
    assert len(started) == 3


def test_one_program_run_by_several_python_threads_at_once() -> None:
    plan = dense((10, 20, 3), 32, "momentum")
    args = [arguments(plan, 32, steps=20, seed=seed) for seed in range(6)]
    program = loops(plan)
    with thresholds():
        wanted = [call(program, a, 20) for a in args]
        found: list[list[np.ndarray]] = [[] for _ in args]

        def work(i: int) -> None:
            for _ in range(5):
                found[i] = call(program, args[i], 20)

        workers = [threading.Thread(target=work, args=(i,)) for i in range(len(args))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for one, other in zip(wanted, found, strict=True):
        assert not any(difference(a, b) for a, b in zip(one, other, strict=True))


def test_a_program_first_run_by_several_threads_at_once_is_built_once() -> None:
    x = numbers("float32", 30, 30)
    program = loops(Plan(trace(lambda x: ops.tanh(x @ x), x)))
    gate = threading.Barrier(4)
    results: list[np.ndarray] = []

    def work() -> None:
        gate.wait()
        results.extend(program.run({"x": x}))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    assert not any(difference(results[0], other) for other in results[1:])


def wait_for(child: int) -> int | None:
    """The exit status of a child; it is killed when it takes too long."""
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_forked_child_computes_the_same(threads: int) -> None:
    plan = dense((10, 20, 3), 32, "sgd")
    args = arguments(plan, 32, steps=5)
    with thresholds(threads=0):
        program = loops(plan)
        wanted = call(program, args, 5, threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            code = 2
            with contextlib.suppress(BaseException):
                again = call(program, args, 5, threads)  # the parent's code
                fresh = call(loops(plan), args, 5, threads)  # compiled in the child
                same = [
                    not difference(a, b) and not difference(a, c)
                    for a, b, c in zip(wanted, again, fresh, strict=True)
                ]
                code = 0 if all(same) else 1
            os._exit(code)
        assert wait_for(child) == 0
        assert not any(
            difference(a, b) for a, b in zip(wanted, call(program, args, 5, threads), strict=True)
        )


# -- how many threads ----------------------------------------------------------------------------


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    assert thread_count() == available_processors() >= 1
    assert available_processors() <= len(os.sched_getaffinity(0))
    assert thread_count(3) == 3
    monkeypatch.setenv(VARIABLE, "5")
    assert thread_count() == 5
    assert thread_count(2) == 2
    monkeypatch.setenv(VARIABLE, " ")
    assert thread_count() == available_processors()


def test_more_threads_than_memory_serves_are_the_most() -> None:
    assert thread_count(256) == thread_count(257) == thread_count(10**400) == 256


@pytest.mark.parametrize("text", ["two", "1.5", "0", "-1"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(GlassnetError, match=r"set it to a number of threads|use 1 or more"):
        thread_count()
    with pytest.raises(GlassnetError, match="0 threads were requested; use 1 or more"):
        thread_count(0)


@pytest.mark.parametrize(
    ("text", "wanted"), [("1", 1), ("3,2", 3), ("9", 4), ("", 4), ("0", 4), ("all", 4)]
)
def test_the_limit_of_openmp_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, text: str, wanted: int
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    monkeypatch.setattr(threads_module, "available_processors", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert thread_count() == wanted
    assert thread_count(7) == 7  # who asks for a number gets it
    monkeypatch.setenv(VARIABLE, "6")
    assert thread_count() == 6


def test_limits_of_threadpoolctl_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads_module, "available_processors", lambda: 4)
    threads_module._pools.cache_clear()  # pyright: ignore[reportPrivateUsage]
    if not threadpoolctl.threadpool_info():
        pytest.skip("no pools to limit")
    with threadpoolctl.threadpool_limits(4):
        assert thread_count() > 0
        with threadpoolctl.threadpool_limits(1):
            assert thread_count() == 1
            assert thread_count(3) == 3
        assert thread_count() == min(p["num_threads"] for p in threadpoolctl.threadpool_info())


def test_workers_of_joblib_share_the_processors() -> None:
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        found = joblib.Parallel()(joblib.delayed(thread_count)() for _ in range(2))
    assert found == [1, 1]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),  # rounded: half of a processor is worth a thread
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "odd"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_the_quota_of_the_control_group_limits_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], wanted: int
) -> None:
    """Files of version 2 and of version 1, on a machine of 64 processors."""
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    place = Path("/sys/fs/cgroup")
    monkeypatch.setattr(threads_module, "Path", lambda p: tmp_path / Path(p).relative_to(place))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    for name in (VARIABLE, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    assert thread_count() == available_processors() == wanted


def test_affinity_limits_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert thread_count() == 1


def test_every_part_runs_once_and_the_first_on_the_caller() -> None:
    seen: dict[int, int] = {}
    run_on(4, lambda i: seen.setdefault(i, threading.get_ident()))
    assert sorted(seen) == [0, 1, 2, 3]
    assert seen[0] == threading.get_ident()
    assert len(set(seen.values())) >= 2
