"""What hangs on a result: children, graphs."""

import io

import pytest
from millrace import chain, group
from millrace.errors import IncompleteStream


def test_children_collect_and_leaf(t):
    result = t.run(chain(t.add.s(1, 1), t.add.s(1), t.add.s(1)))
    first = result.parent.parent
    assert first.children == [result.parent]
    assert result.children == []
    assert [(node.id, value) for node, value in first.collect()] == [
        (first.id, 2),
        (result.parent.id, 3),
        (result.id, 4),
    ]
    assert first.get_leaf() == 4
    assert list(first.iterdeps()) == [
        (None, first),
        (first, result.parent),
        (result.parent, result),
    ]
    waiting = t.add.delay(1, 1)
    with pytest.raises(IncompleteStream):
        list(waiting.iterdeps())
    assert list(waiting.iterdeps(intermediate=True)) == [(None, waiting)]


def test_children_are_what_a_task_enqueues(t, app):
    @app.task
    def spawns():
        return [t.add.delay(1, 1).id, group(t.add.s(2, 2)).apply_async()[0].id]

    result = t.run(spawns.s())
    assert sorted(child.id for child in result.children) == sorted(result.get(0))


def test_graph(t):
    result = t.run(chain(t.add.s(1, 1), t.add.s(1)))
    graph = result.parent.graph
    assert len(graph) == 2
    assert graph[result.parent] == [result]
    assert list(graph) == [result.parent, result]
    assert graph.topsort() == [result, result.parent]
    assert graph.edges() == [result.parent]
    assert dict(graph.items())[result] == []
    out = io.StringIO()
    result.parent.build_graph(formatter=lambda node: node.name).to_dot(out)
    assert out.getvalue().startswith("digraph dependencies {")
    assert '"add" -> "add";' in out.getvalue()
    assert result.id in repr(graph)
