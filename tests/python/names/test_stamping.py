"""Stamps, and the visitor that decides them."""

import pytest
from millrace import chain, chord, group, serializer
from millrace.canvas import StampingVisitor


class Recorder(StampingVisitor):
    """Notes what it is called for, and stamps each part with where it is."""

    def __init__(self):
        self.calls = []

    def on_signature(self, sig, **headers):
        self.calls.append(("signature", sig.task))
        return {"task": sig.task}

    def on_group_start(self, group, **headers):
        self.calls.append(("group_start", len(group.tasks)))
        return {"in_group": True}

    def on_group_end(self, group, **headers):
        self.calls.append(("group_end", len(group.tasks)))

    def on_chain_start(self, chain, **headers):
        self.calls.append(("chain_start", len(chain.tasks)))
        return {"in_chain": True}

    def on_chain_end(self, chain, **headers):
        self.calls.append(("chain_end", len(chain.tasks)))

    def on_chord_body(self, sig, **header):
        self.calls.append(("chord_body", sig.body.task))
        return {"in_body": True}

    def on_callback(self, callback, **header):
        self.calls.append(("callback", callback.task))
        return {"is_callback": True}

    def on_errback(self, errback, **header):
        self.calls.append(("errback", errback.task))
        return {"is_errback": True}


def test_stamps_reach_the_job(t):
    sig = t.whoami.s()
    assert sig.stamp(customer="ann", order=5) is sig
    assert sorted(sig.options["stamped_headers"]) == ["customer", "order"]
    assert sig.options["customer"] == "ann"
    assert t.run(sig).get(0)["stamps"] == {"customer": "ann", "order": 5}


def test_on_signature(t):
    visitor = Recorder()
    sig = t.whoami.s()
    sig.stamp(visitor)
    assert visitor.calls == [("signature", "whoami")]
    assert t.run(sig).get(0)["stamps"] == {"task": "whoami"}
    with pytest.raises(TypeError, match="abstract"):
        StampingVisitor()


def test_on_chain_start_and_end(t):
    visitor = Recorder()
    sig = chain(t.add.s(1, 1), t.whoami.s())
    sig.stamp(visitor)
    assert visitor.calls == [
        ("chain_start", 2),
        ("signature", "add"),
        ("signature", "whoami"),
        ("chain_end", 2),
    ]
    assert t.run(sig).get(0)["stamps"] == {"in_chain": True, "task": "whoami"}


def test_on_group_start_and_end(t):
    visitor = Recorder()
    sig = group(t.whoami.s(), t.whoami.s())
    sig.stamp(visitor)
    assert visitor.calls[0] == ("group_start", 2)
    assert visitor.calls[-1] == ("group_end", 2)
    assert t.run(sig).get(0)[1]["stamps"] == {"in_group": True, "task": "whoami"}


def test_on_chord_header_and_body(t):
    visitor = Recorder()
    sig = chord([t.whoami.s()], t.whoami.s())
    sig.stamp(visitor)
    assert visitor.calls == [
        ("group_start", 1),
        ("signature", "whoami"),
        ("group_end", 1),
        ("chord_body", "whoami"),
        ("signature", "whoami"),
    ]
    result = t.run(sig)
    assert result.parent.get(0)[0]["stamps"] == {"in_group": True, "task": "whoami"}
    assert result.get(0)["stamps"] == {"in_group": True, "in_body": True, "task": "whoami"}


def test_on_chord_header_start_and_end_can_be_overridden(t):
    class Headers(Recorder):
        def on_chord_header_start(self, sig, **header):
            self.calls.append(("header_start", len(sig.tasks)))
            return {"in_header": True}

        def on_chord_header_end(self, sig, **header):
            self.calls.append(("header_end", len(sig.tasks)))

    visitor = Headers()
    sig = chord([t.whoami.s()], t.same.s())
    sig.stamp(visitor)
    assert visitor.calls[0] == ("header_start", 1)
    assert ("header_end", 1) in visitor.calls
    assert t.run(sig).get(0)[0]["stamps"] == {"in_header": True, "task": "whoami"}


def test_on_callback_and_errback(t):
    visitor = Recorder()
    sig = t.add.s(1, 1).set(link=[t.whoami.s()], link_error=[t.whoami.s()])
    sig.stamp(visitor)
    assert visitor.calls == [
        ("callback", "whoami"),
        ("signature", "whoami"),
        ("errback", "whoami"),
        ("signature", "whoami"),
        ("signature", "add"),
    ]
    (link,), (errback,) = sig.options["link"], sig.options["link_error"]
    assert link.options["is_callback"] is True
    assert errback.options["is_errback"] is True
    assert "is_callback" not in errback.options
    t.run(sig)
    (callback,) = t.harness.enqueued("whoami")  # the errback is gone
    assert serializer.loads(callback.result)["stamps"] == {"is_callback": True, "task": "whoami"}


def test_stamp_links_stamps_the_links_alone(t):
    sig = t.add.s(1, 1).set(link=t.note.s())
    sig.stamp_links(None, customer="ann")
    assert "stamped_headers" not in sig.options
    assert sig.options["link"][0].options["customer"] == "ann"


def test_append_stamps(t):
    sig = t.whoami.s()
    sig.stamp(customer="ann")
    sig.stamp(customer="bob")
    assert sig.options["customer"] == "bob"
    sig.stamp(append_stamps=True, customer="cem")
    assert sig.options["customer"] == ["bob", "cem"]
    assert sig.options["stamped_headers"] == ["customer"]


def test_a_visitor_may_set_options_beside_its_stamps(t):
    class Sorted(StampingVisitor):
        def on_signature(self, sig, **headers):
            return {"priority": 3, "customer": "ann", "stamped_headers": ["customer"]}

    sig = t.whoami.s()
    sig.stamp(Sorted())
    result = t.run(sig)
    assert result.details().spec.priority == 3
    assert result.get(0)["stamps"] == {"customer": "ann"}


def test_options_of_a_call_do_not_change_stamps(t):
    sig = t.whoami.s()
    sig.stamp(customer="ann")
    result = sig.apply_async(customer="bob")
    t.harness.run_all()
    assert result.get(0)["stamps"] == {"customer": "ann"}
