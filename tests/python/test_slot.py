"""Interrupting the job that runs in a slot, at each moment of its life."""

import asyncio

import pytest
from millrace.errors import SoftTimeLimitExceeded
from millrace.worker.slot import Slot


@pytest.fixture(params=[False, True], ids=["thread", "signal"])
def slot(request):
    made = Slot(use_signal=request.param)
    yield made
    made.close()


def test_a_coroutine_that_is_interrupted_before_it_begins_does_not_begin(slot):
    begun = []

    async def work(n: int) -> int:
        begun.append(n)
        return n

    slot.enter(1, is_async=True)
    slot.interrupt(
        1, SoftTimeLimitExceeded
    )  # nothing is raised here, in the middle of the worker's own code
    with pytest.raises(SoftTimeLimitExceeded):
        slot.run_coroutine(work(1))
    slot.leave()
    slot.enter(2, is_async=True)
    assert slot.run_coroutine(work(2)) == 2
    slot.interrupt(2, SoftTimeLimitExceeded)  # too late
    slot.leave()
    assert begun == [2]


def test_a_coroutine_that_runs_is_cancelled(slot):
    async def work() -> None:
        slot.interrupt(3, SoftTimeLimitExceeded)
        await asyncio.sleep(3600)

    slot.enter(3, is_async=True)
    with pytest.raises(SoftTimeLimitExceeded):
        slot.run_coroutine(work())
    slot.leave()


def test_another_job_is_not_interrupted(slot):
    slot.enter(4)
    slot.interrupt(5, SoftTimeLimitExceeded)
    slot.leave()


def test_a_function_that_runs_is_interrupted(slot):
    def work() -> None:
        slot.enter(6)
        try:
            slot.interrupt(6, SoftTimeLimitExceeded)
            while True:
                pass
        finally:
            slot.leave()

    with pytest.raises(SoftTimeLimitExceeded):
        work()
