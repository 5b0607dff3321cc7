"""An application, its tasks and a worker in hand, for the tests of the canvas's names."""

from types import SimpleNamespace

from millrace.testing import Harness


def harnessed(app):
    """(harness, tasks): the harness runs what is enqueued when it is told to."""
    seen = []

    @app.task(name="add")
    def add(x, y=0):
        return x + y

    @app.task(name="mul")
    def mul(x, y):
        return x * y

    @app.task(name="total")
    def total(numbers):
        return sum(numbers)

    @app.task(name="same")
    def same(value=None):
        return value

    @app.task(name="fail")
    def fail(*_args):
        raise ValueError("it failed")

    @app.task(name="note")
    def note(*args):
        seen.append(list(args))
        return list(args)

    @app.task(name="on_error")
    def on_error(request, error, trace):
        seen.append((request.id, request.name, error, trace))

    @app.task(name="on_error_id")
    def on_error_id(job_id):
        seen.append(job_id)

    @app.task(name="whoami", bind=True)
    def whoami(self, *_args):
        place = self.request.place
        return {
            "id": self.request.id,
            "root": place.root_id or self.request.id,
            "group": place.group_id,
            "index": place.group_index,
            "chord": place.chord_id,
            "stamps": dict(place.stamps),
            "nesting": place.nesting,
        }

    tasks = (add, mul, total, same, fail, note, on_error, on_error_id, whoami)
    names = {each.name: each for each in tasks}
    return Harness(app), SimpleNamespace(app=app, seen=seen, **names)
