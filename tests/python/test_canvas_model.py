"""Random canvases answer the same under a plain evaluator, in the caller's process, and by workers."""

import os
import random

import pytest
from canvas_model import (
    Boom,
    answer,
    canvas_of,
    ends_empty,
    make_tree,
    stands_for_member,
    tasks_of,
)
from millrace import maybe_signature
from millrace.errors import ChordError
from millrace.serializer import dumps, loads
from millrace.testing import Harness
from worker_support import PATIENCE_S, running

SEED = int(os.environ.get("MILLRACE_SEED") or random.randrange(2**32))
CANVASES = 150


def made(rand, tasks, *, fails=0.0, depth=4):
    tree = make_tree(rand, depth=depth, fails=fails)
    canvas = canvas_of(tree, tasks, rand)
    canvas._app = tasks["bump"].app  # it may consist of empty groups alone
    return tree, canvas


def outcome(call):
    try:
        return call()
    except Boom:
        return Boom
    except ChordError as error:
        return ChordError if "boom" in str(error) else error


@pytest.mark.parametrize("fails", [0.0, 0.08])
def test_eager_mode_and_a_worker_answer_as_the_evaluator(app, fails):
    print(f"MILLRACE_SEED={SEED}")
    rand = random.Random(SEED)
    tasks = tasks_of(app)
    with Harness(app) as harness:
        for _ in range(CANVASES):
            tree, canvas = made(rand, tasks, fails=fails)
            expected = outcome(lambda tree=tree: answer(tree))
            result = canvas.apply_async()
            harness.run_all()
            worked = outcome(lambda result=result: result.get(0))
            eager = outcome(lambda canvas=canvas: canvas.clone().apply().get())
            if expected is Boom:
                assert eager is Boom, tree
                assert worked in (Boom, ChordError) or ends_empty(tree), tree
            else:
                assert worked == eager == expected, tree


def test_the_json_form_is_the_same_canvas(app):
    print(f"MILLRACE_SEED={SEED}")
    rand = random.Random(SEED)
    tasks = tasks_of(app)
    with Harness(app) as harness:
        for _ in range(CANVASES // 3):
            tree, canvas = made(rand, tasks)
            again = maybe_signature(loads(dumps(canvas)), app=app)
            assert loads(dumps(again)) == loads(dumps(canvas)), tree
            result = again.apply_async()
            harness.run_all()
            assert result.get(0) == answer(tree), tree


def test_what_is_frozen_is_what_runs(app):
    print(f"MILLRACE_SEED={SEED}")
    rand = random.Random(SEED)
    tasks = tasks_of(app)
    with Harness(app) as harness:
        for _ in range(CANVASES // 3):
            tree, canvas = made(rand, tasks)
            frozen = canvas.freeze()
            result = canvas.apply_async()
            harness.run_all()
            assert result.get(0) == answer(tree), tree
            if not stands_for_member(tree):
                assert result.as_tuple() == frozen.as_tuple(), tree
                assert frozen.get(0) == answer(tree), tree


def test_workers_in_threads(app):
    print(f"MILLRACE_SEED={SEED}")
    rand = random.Random(SEED)
    tasks = tasks_of(app)
    with running(app, concurrency=4):
        trees = [made(rand, tasks, depth=3) for _ in range(CANVASES // 3)]
        results = [(tree, canvas.apply_async()) for tree, canvas in trees]
        for tree, result in results:
            assert result.get(PATIENCE_S) == answer(tree), tree
