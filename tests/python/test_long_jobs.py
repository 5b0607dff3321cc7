"""Checkpoints. What a crash does to them is in test_processes.py."""

from millrace import Retry
from millrace.testing import Harness


def test_a_checkpoint_is_handed_to_the_next_attempt(app):
    seen = []

    @app.task(bind=True, max_retries=2)
    def import_all(self):
        start = self.request.checkpoint or {"next": 0}
        seen.append(start["next"])
        self.checkpoint({"next": start["next"] + 10})
        self.checkpoint({"next": start["next"] + 20})
        if self.request.retries < 2:
            raise Retry("again", delay_ms=0)
        return "done"

    with Harness(app) as harness:
        result = import_all.delay()
        assert harness.run_all() == 3
        assert result.get(0) == "done"
        assert seen == [0, 20, 40]
        assert result.details().checkpoint is None


def test_a_checkpoint_is_any_json(app):
    @app.task(bind=True)
    def odd(self):
        self.checkpoint(object())

    with Harness(app) as harness:
        error = odd.delay()
        harness.run_all()
        assert isinstance(error.get(0, propagate=False), TypeError)


def test_outside_a_worker_it_does_nothing(app):
    @app.task(bind=True)
    def task(self):
        self.checkpoint({"a": 1})
        return self.request.checkpoint

    assert task() is None
