"""How many threads: what was asked for, the environment, the machine; refusals."""

from __future__ import annotations

import os

import pytest

from glassnet.errors import GlassnetError
from glassnet.run import threads


def test_what_is_asked_for_comes_first(monkeypatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert threads.thread_count(2) == 2
    assert threads.thread_count() == 3


def test_the_default_is_what_the_process_may_use(monkeypatch) -> None:
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: 1 << 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
    assert threads.thread_count() == 3
    monkeypatch.setattr(threads, "_quota", lambda: 2)
    assert threads.thread_count() == 2


@pytest.mark.parametrize("text", ["many", "1.5"])
def test_an_environment_that_is_no_number_is_refused(monkeypatch, text) -> None:
    monkeypatch.setenv(threads.VARIABLE, text)
    with pytest.raises(GlassnetError, match=f"GLASSNET_NUM_THREADS is '{text}'"):
        threads.thread_count()


@pytest.mark.parametrize("asked", [0, -1])
def test_fewer_than_one_is_refused(asked) -> None:
    with pytest.raises(GlassnetError, match="use 1 or more"):
        threads.thread_count(asked)


def test_every_thread_works_once() -> None:
    seen: list[int] = []
    threads.run_on(5, seen.append)
    assert sorted(seen) == [0, 1, 2, 3, 4]
