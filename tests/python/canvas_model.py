"""Random canvases, and what they answer: by a plain evaluator that knows nothing of jobs."""

from __future__ import annotations

import random
from typing import Any

from millrace import chain, chord, group

# A canvas as data: ("task", name, number), ("chain", parts), ("group", parts) or ("chord", header, body).
Tree = tuple[Any, ...]


class Boom(ValueError):
    """What the failing task raises."""


def bump(x: Any = 0, n: int = 0) -> Any:
    """Adds a number to all numbers in nested lists."""
    return [bump(each, n) for each in x] if isinstance(x, list) else x + n


def total(x: Any = 0, n: int = 0) -> int:
    """The sum of all numbers in nested lists."""
    return sum(total(each) for each in x) + n if isinstance(x, list) else x + n


def twice(x: Any = 0, n: int = 0) -> list[Any]:
    """A list of the value and the value with a number added."""
    return [x, bump(x, n)]


def const(n: int = 0) -> int:
    """The number itself."""
    return n


def boom(x: Any = None, n: int = 0) -> Any:
    """Fails."""
    raise Boom(f"boom {n}")


FUNCTIONS = {"bump": bump, "total": total, "twice": twice, "const": const, "boom": boom}
TAKES = ("bump", "total", "twice")


def tasks_of(app: Any) -> dict[str, Any]:
    """The functions as tasks of the application."""
    app.register_error(Boom)
    return {name: app.task(name=f"model.{name}")(each) for name, each in FUNCTIONS.items()}


# --- Making ---------------------------------------------------------------------------------------


def make_tree(
    rand: random.Random, *, depth: int = 4, given: bool = False, fails: float = 0.0
) -> Tree:
    """A random canvas; `given` says whether something stands before it."""
    kind = rand.choice(["task", "chain", "group", "chord"]) if depth > 0 else "task"
    if kind == "task":
        return make_task(rand, given=given, fails=fails)
    if kind == "chain":
        first = make_tree(rand, depth=depth - 1, given=given, fails=fails)
        rest = [
            make_tree(rand, depth=depth - 1, given=True, fails=fails)
            for _ in range(rand.randint(1, 3))
        ]
        return ("chain", [first, *rest])
    parts = [
        make_tree(rand, depth=depth - 1, given=given, fails=fails)
        for _ in range(rand.choice([0, 1, 2, 2, 3, 4] if depth < 4 else [1, 2, 3]))
    ]
    if kind == "group":
        return ("group", parts)
    return ("chord", parts, make_tree(rand, depth=depth - 1, given=True, fails=fails))


def make_task(rand: random.Random, *, given: bool, fails: float) -> Tree:
    """A random task."""
    if rand.random() < fails:
        return ("task", "boom", rand.randint(1, 9))
    if given and rand.random() < 0.9:
        return ("task", rand.choice(TAKES), rand.randint(0, 9))
    return ("task", "const", rand.randint(0, 9))


def canvas_of(tree: Tree, tasks: dict[str, Any], rand: random.Random) -> Any:
    """The canvas; how a chain is written is left to chance."""
    kind = tree[0]
    if kind == "task":
        task = tasks[tree[1]]
        return task.si(n=tree[2]) if tree[1] == "const" else task.s(n=tree[2])
    if kind == "group":
        return group([canvas_of(each, tasks, rand) for each in tree[1]], app=tasks["bump"].app)
    if kind == "chord":
        header = [canvas_of(each, tasks, rand) for each in tree[1]]
        body = canvas_of(tree[2], tasks, rand)
        return chord(header, body, app=tasks["bump"].app)
    parts = [canvas_of(each, tasks, rand) for each in tree[1]]
    # With groups of none or one the two ways differ, as in Celery: `group(a) | b` is a chord, whose body gets a list,
    # and in chain(group(a), b) the group stands for its task.
    small = any(each[0] == "group" and len(members_of(each)) < 2 for each in tree[1])
    if rand.random() < 0.5 or small or len(parts) == 1:
        return chain(*parts)
    made = parts[0]
    for part in parts[1:]:
        made = made | part
    return made


# --- Evaluating -----------------------------------------------------------------------------------


def answer(tree: Tree) -> Any:
    """What the canvas answers as a whole. Raises Boom."""
    return value_of(members_of(tree)[0] if stands_for_member(tree) else tree, None)


def stands_for_member(tree: Tree) -> bool:
    """Whether the canvas is a group whose only member ends in a group: its result is that one's."""
    members = members_of(tree) if tree[0] == "group" else []
    return len(members) == 1 and ends_in_group(members[0])


def ends_empty(tree: Tree) -> bool:
    """Whether an end of the canvas is an empty group, whose result is known before anything has run."""
    if tree[0] == "chain":
        return ends_empty(steps_of(tree)[-1])
    if tree[0] == "chord":
        return ends_empty(tree[2])
    members = members_of(tree) if tree[0] == "group" else []
    return is_empty(tree) or any(ends_empty(each) for each in members)


def value_of(tree: Tree, x: Any) -> Any:
    """What a part answers to what stands before it."""
    kind = tree[0]
    if kind == "task":
        function = FUNCTIONS[tree[1]]
        if tree[1] == "const":
            return function(tree[2])
        return function(n=tree[2]) if x is None else function(x, tree[2])
    if kind == "group":
        return [value_of(each, x) for each in members_of(tree)]
    if kind == "chord":
        return value_of(tree[2], [value_of(each, x) for each in members_of(("group", tree[1]))])
    for step in steps_of(tree):
        x = value_of(step, x)
    return x


def steps_of(tree: Tree) -> list[Tree]:
    """The steps of a chain: inner chains in their place, groups of one as that one.

    Only a group of one that follows a first group of none or several is a group still.
    """
    steps: list[Tree] = []
    for position, each in enumerate(tree[1]):
        members = members_of(each) if each[0] == "group" else [each]
        kept = position == 1 and tree[1][0][0] == "group" and len(members_of(tree[1][0])) != 1
        step = members[0] if len(members) == 1 and not kept else each
        steps += steps_of(step) if step[0] == "chain" else [step]
    return steps


def is_empty(tree: Tree) -> bool:
    """Whether it is a group without tasks."""
    return tree[0] == "group" and not members_of(tree)


def members_of(tree: Tree) -> list[Tree]:
    """The tasks of a group, those of groups within it in their place."""
    found: list[Tree] = []
    for each in tree[1]:
        found += members_of(each) if each[0] == "group" else [each]
    return found


def ends_in_group(tree: Tree) -> bool:
    """Whether the last step of a chain is a group, or the body of a chord is one."""
    if tree[0] == "chain":
        return ends_in_group(steps_of(tree)[-1])
    if tree[0] == "chord":
        return ends_in_group(tree[2])
    return tree[0] == "group"
