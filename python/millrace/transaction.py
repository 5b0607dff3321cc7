"""Transactions: jobs and tables of your own in the store's file, in one commit; and a task's effects as one.

with app.transaction() as tx:
    tx.execute(add_order, ["lamp"])  # a statement with a `?` for each parameter
    ship.delay("lamp", tx=tx)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from millrace import options
from millrace.errors import Closed, ForkedChild, InvalidArgument, WrongState
from millrace.prepared import job_specs
from millrace.result import AsyncResult, ResultSet

if TYPE_CHECKING:
    from types import TracebackType

    from millrace import _core
    from millrace.app import Millrace
    from millrace.flows import Flow, FlowResults
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike

R = TypeVar("R")
T = TypeVar("T")

SqlValue = str | int | float | bytes | None

# The asynchronous transaction that the current code is inside.
_inside: ContextVar[AsyncTransaction | None] = ContextVar("millrace_transaction", default=None)


class Rows(Sequence[tuple[Any, ...]]):
    """What one statement answered: a sequence of rows, each a tuple.

    Attributes:
        columns: Names of the columns; empty if the statement gives no rows.
        rowcount: Rows that the statement inserted, changed or deleted.
        lastrowid: The row id of the last insert of the statement; 0 without one.
    """

    __slots__ = ("_rows", "columns", "lastrowid", "rowcount")

    def __init__(self, answer: tuple[tuple[str, ...], list[tuple[Any, ...]], int, int]) -> None:
        self.columns, self._rows, self.rowcount, self.lastrowid = answer

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __repr__(self) -> str:
        return f"<Rows: {len(self._rows)} rows, {self.rowcount} changed>"

    def one(self) -> tuple[Any, ...] | None:
        """The first row; None if there is none."""
        return self._rows[0] if self._rows else None


class _Base:
    def __init__(self, app: Millrace, timeout: Seconds, durability: DurabilityName | None) -> None:
        if durability is not None:
            options.check_durability(durability)
        self.app = app
        self._timeout_ms = options.to_ms("timeout", timeout)
        self._durability = durability
        self._native: _core.Transaction | None = None
        self._entered = False

    def __repr__(self) -> str:
        state = "open" if self._native is not None else "ended" if self._entered else "not begun"
        return f"<{type(self).__name__} on {self.app.store}: {state}>"

    def _open(self) -> _core.Transaction:
        if self._native is None:
            what = "has ended" if self._entered else "has not begun: use it in a `with` block"
            raise Closed(f"the transaction {what}")
        return self._native

    def _begin(self, *, thread_bound: bool) -> _core.Transaction:
        arguments: dict[str, Any] = {
            "timeout_ms": self._timeout_ms,
            "durability": self._durability,
            "thread_bound": thread_bound,
        }
        try:
            return self.app.engine.begin(**arguments)
        except ForkedChild:
            return self.app.reopened().begin(**arguments)

    def _take(self) -> _core.Transaction:
        native, self._native = self._open(), None
        return native

    def _check_app(self, app: Millrace) -> None:
        if app is not self.app:
            raise InvalidArgument(f"tx is a transaction of {self.app!r}; the job is for {app!r}")


class Transaction(_Base):
    """One commit of jobs and of your own tables in the store's file. From `app.transaction()`; use it with `with`.

    The block's end commits, an exception rolls back. From the first call on nobody else writes to the store, until the
    time-out at most: keep it short, and await nothing slow in it. Your tables (and indexes, views and triggers) have
    names that begin with `app_`; statements that touch anything else raise PermissionDenied. A statement that fails
    changes nothing, and the transaction goes on. Jobs enqueued without `tx=` inside the block are refused with
    WrongState: they would wait for it.
    """

    def __enter__(self) -> Transaction:
        if self._entered:
            raise WrongState("a transaction is used once: call app.transaction() for another one")
        self._native = self._begin(thread_bound=True)
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._native is None:
            return
        native = self._take()
        if kind is None:
            native.commit()
        else:
            native.rollback()

    def execute(self, sql: str, parameters: Sequence[SqlValue] = ()) -> Rows:
        """Runs one statement with `?` for each parameter.

        Raises:
            InvalidArgument: It is wrong, or a constraint fails. Nothing of it is left.
            PermissionDenied: It touches more than tables whose names begin with `app_`.
            Timeout: The transaction has been open for too long; it is rolled back.
        """
        return Rows(self._open().execute(sql, parameters))

    def executemany(self, sql: str, many: Iterable[Sequence[SqlValue]]) -> int:
        """Runs a statement for each element; answers how many rows were changed in all."""
        return sum(self.execute(sql, parameters).rowcount for parameters in many)

    def enqueue(self, job: JobLike[R]) -> AsyncResult[R]:
        """Adds a job, made by `task.s(...)`. Its id is final; it can start after the commit."""
        return self.enqueue_many([job])[0]

    def enqueue_many(self, jobs: Iterable[JobLike[Any]]) -> ResultSet[Any]:
        """Adds several jobs."""
        specs, pick = job_specs(jobs)
        return pick(self._add(specs))

    def enqueue_flow(self, flow: Flow) -> FlowResults:
        """Adds the jobs of a flow."""
        return flow.results(self._add(flow._checked()))

    def _add(self, specs: list[_core.JobSpec]) -> ResultSet[Any]:
        native = self._open()
        if not specs:
            return ResultSet((), self.app)
        return ResultSet.of_acks(self.app, native.enqueue(specs), [spec.queue for spec in specs])

    def rollback(self) -> None:
        """Ends the transaction without a trace, before the end of the block."""
        self._take().rollback()


class AsyncTransaction(_Base):
    """The same to be awaited: `async with app.atransaction() as tx`. It never blocks the event loop.

    Await nothing in the block that waits for others: they wait for you.
    """

    async def __aenter__(self) -> AsyncTransaction:
        if self._entered:
            raise WrongState("a transaction is used once: call app.atransaction() for another one")
        outer = _inside.get()
        if outer is not None and outer._native is not None and outer.app is self.app:
            raise WrongState("a transaction inside another one would wait for it without end")
        # A thread of its own: in a shared pool those who wait for the writer could take all threads.
        self._thread = ThreadPoolExecutor(1, "millrace-transaction")
        self._entered = True
        try:
            self._native = await self._call(lambda: self._begin(thread_bound=False))
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._token = _inside.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _inside.reset(self._token)
        try:
            if self._native is not None:
                native = self._take()
                # What was begun is ended even if the task is cancelled meanwhile.
                await asyncio.shield(self._call(native.commit if kind is None else native.rollback))
        finally:
            self._thread.shutdown(wait=False)

    def _call(self, function: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def execute(self, sql: str, parameters: Sequence[SqlValue] = ()) -> Rows:
        """As `Transaction.execute`."""
        native = self._open()
        return Rows(await self._call(lambda: native.execute(sql, parameters)))

    async def executemany(self, sql: str, many: Iterable[Sequence[SqlValue]]) -> int:
        """As `Transaction.executemany`."""
        native, each = self._open(), list(many)
        return await self._call(lambda: sum(native.execute(sql, one)[2] for one in each))

    async def enqueue(self, job: JobLike[R]) -> AsyncResult[R]:
        """As `Transaction.enqueue`."""
        return (await self.enqueue_many([job]))[0]

    async def enqueue_many(self, jobs: Iterable[JobLike[Any]]) -> ResultSet[Any]:
        """As `Transaction.enqueue_many`."""
        specs, pick = job_specs(jobs)
        return pick(await self._add(specs))

    async def enqueue_flow(self, flow: Flow) -> FlowResults:
        """As `Transaction.enqueue_flow`."""
        return flow.results(await self._add(flow._checked()))

    async def _add(self, specs: list[_core.JobSpec]) -> ResultSet[Any]:
        native = self._open()
        if not specs:
            return ResultSet((), self.app)
        acks = await self._call(lambda: native.enqueue(specs))
        return ResultSet.of_acks(self.app, acks, [spec.queue for spec in specs])

    async def rollback(self) -> None:
        """As `Transaction.rollback`."""
        native = self._take()
        await self._call(native.rollback)


def refuse_inside(app: Millrace) -> None:
    """Raises WrongState if the current code is inside an asynchronous transaction of the store."""
    outer = _inside.get()
    if outer is not None and outer._native is not None and outer.app is app:
        raise WrongState(
            "inside an open transaction this would wait for its end; give it the transaction (tx=tx), or end that first"
        )


def add_in(
    tx: Any, app: Millrace, specs: list[_core.JobSpec], durability: object
) -> ResultSet[Any]:
    """Adds jobs for a call that was given `tx`."""
    if durability is not None:
        raise InvalidArgument("durability cannot be given with tx: the transaction has one")
    if not hasattr(tx, "_check_app") or isinstance(tx, AsyncTransaction):
        raise options.wrong_type("tx", "from app.transaction() or self.transaction()", tx)
    tx._check_app(app)
    added: ResultSet[Any] = tx._add(specs)
    return added
