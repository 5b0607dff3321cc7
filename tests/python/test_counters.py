"""What happened to the jobs of each task, as numbers."""

from millrace.errors import Retry
from millrace.testing import Harness


def test_counters_of_each_task(app):
    @app.task(name="well", queue="a")
    def well() -> None: ...

    @app.task(name="badly", queue="b", max_retries=1, bind=True)
    def badly(self) -> None:
        if self.request.retries == 0:
            raise Retry("once more", delay_ms=0)
        raise ValueError

    with Harness(app) as harness:
        well.delay_many([()] * 5)
        badly.delay()
        revoked = well.apply_async(countdown=60)
        harness.run_all()
        revoked.revoke()
        app.close()  # the last of them are written at the end
        found = {(each.queue, each.task): each for each in app.counters()}
        assert set(found) == {("a", "well"), ("b", "badly")}
        good, bad = found["a", "well"], found["b", "badly"]
        assert (good.enqueued, good.started, good.completed, good.cancelled) == (6, 5, 5, 1)
        assert (bad.enqueued, bad.started, bad.retried, bad.failed) == (1, 2, 1, 1)
        assert sum(good.wait_ms) == sum(good.run_ms) == 5
        assert good.run_ms[0] == 5  # the clock stood still
        assert [each.task for each in app.counters("b")] == ["badly"]
        assert app.counters("none") == []


async def test_the_awaitable_twin(app):
    assert await app.aio.counters() == []
