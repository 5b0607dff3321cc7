"""Where a canvas ends early, and where its shape decides what the next task gets."""

from millrace import Ignore, chain, chord, group
from millrace.result import GroupResult


def test_a_group_of_one_after_a_first_group_answers_a_list(t):
    pair, one = group(t.add.s(1, 1), t.add.s(2, 2)), group(t.total.s())
    assert t.run(pair | one).get(0) == [6]
    assert t.run(chain(pair, one)).get(0) == [6]
    assert t.run(chain(pair, one, t.total.s())).get(0) == 6
    assert t.run(chain(pair, one, group(t.total.s(), t.total.s()))).get(0) == [6, 6]
    assert t.run(chain(pair, one, chord([t.total.s()], t.total.s()))).get(0) == 6
    assert chain(pair, one).apply().get() == [6]


def test_ignore_ends_a_chain(t):
    seen = []

    @t.app.task(name="skip", bind=True)
    def skip(self, *args, state=None):
        if state is not None:
            self.update_state(state=state, meta={"why": "late"})
        raise Ignore

    @t.app.task(name="follow")
    def follow(*args):
        seen.append(args)
        return "followed"

    for steps in (
        (t.add.s(1, 1), skip.s(), follow.s(), follow.s()),
        (skip.s(), follow.si(5)),
        (skip.s(), group(follow.s(), follow.s())),
    ):
        result = t.run(chain(*steps))
        assert result.get(0) in (None, [None, None])
        last = result.results[0] if isinstance(result, GroupResult) else result
        assert (last.state, last.ready(), last.successful()) == ("IGNORED", True, False)
    linked = skip.apply_async(link=follow.s(), link_error=follow.s())
    t.harness.run_all()
    assert linked.state == "IGNORED"
    assert seen == []
    own = t.run(skip.s(state="FAILURE"))
    assert (own.state, own.info, own.failed()) == ("FAILURE", {"why": "late"}, True)
    assert t.run(chord([t.add.s(1, 1), skip.s()], t.same.s())).get(0) == [2, None]
    assert t.run(chain(t.note.si("nothing"), follow.si(1))).get(0) == "followed"
    ignored = chain(t.add.s(1, 1), skip.s(), follow.s()).apply()
    assert (ignored.state, seen) == ("IGNORED", [(1,)])
