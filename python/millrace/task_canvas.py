"""The part of `Task` that makes signatures of it, and that runs it in the caller's process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from millrace.prepared import PreparedJob

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.canvas.maps import chunks, xmap, xstarmap
    from millrace.canvas.signature import Signature
    from millrace.parameters import Payload
    from millrace.request import Request
    from millrace.result.eager import EagerResult

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _signature_type() -> type[Signature[Any]]:
    # Asked once: an import in each call would cost as much as the signature.
    from millrace.canvas.signature import Signature

    return Signature


class TaskCanvas(Generic[P, R]):
    """Not used by itself."""

    app: Millrace
    name: str

    # --- Signatures -------------------------------------------------------------------------------

    # The second form is for part of the arguments, before which a canvas puts results; the first shows
    # editors the names.
    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """A signature with these arguments, for a canvas, a flow, a schedule or `app.enqueue_many`."""
        return _signature_type()(self, args, kwargs, app=self.app)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """The same, and it takes no results of others: these are all the arguments, and type checkers check them."""
        return _signature_type()(self, args, kwargs, immutable=True, app=self.app)

    def signature(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **more: Any,
    ) -> Signature[R]:
        """A signature with arguments as `apply_async` takes them, and with its options."""
        return _signature_type()(
            self, args, kwargs, {**(options or {}), **more}, immutable=immutable, app=self.app
        )

    subtask = signature

    def signature_from_request(
        self,
        request: Request | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        **extra_options: Any,
    ) -> Signature[R]:
        """A signature with the arguments and the options of a job: by default of the one that runs.

        Args:
            request: The job.
            args: Instead of its positional arguments.
            kwargs: Instead of its keyword arguments.
            queue: Instead of its queue.
            **extra_options: Options beside its own.
        """
        from millrace.canvas.copies import copied_arguments, copied_options

        job = cast("Any", self).request if request is None else request
        own_args, own_kwargs = copied_arguments(job)
        options = copied_options(job)
        if queue is not None:
            options["queue"] = queue
        return self.signature(
            own_args if args is None else args,
            own_kwargs if kwargs is None else kwargs,
            {**options, **extra_options},
        )

    subtask_from_request = signature_from_request

    def map(self, it: Iterable[Any]) -> xmap:
        """A signature of one job that calls the task with each of these, one after the other; answers the list."""
        from millrace.canvas.maps import xmap

        return xmap(self, it, app=self.app)

    def starmap(self, it: Iterable[Sequence[Any]]) -> xstarmap:
        """The same with several positional arguments for each call."""
        from millrace.canvas.maps import xstarmap

        return xstarmap(self, it, app=self.app)

    def chunks(self, it: Iterable[Sequence[Any]], n: int) -> chunks:
        """A canvas of jobs that call the task with `n` of these each; answers a list of lists."""
        from millrace.canvas.maps import chunks

        return chunks(self, it, n, app=self.app)

    # --- In this process --------------------------------------------------------------------------

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        link: Any = None,
        link_error: Any = None,
        task_id: str | None = None,
        retries: int = 0,
        throw: bool | None = None,
        logfile: str | None = None,
        loglevel: Any = None,
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Runs the task in this process, at once, with its retries and callbacks. Nothing is enqueued.

        Args:
            args: Positional arguments.
            kwargs: Keyword arguments.
            link: Callbacks; applied with the result, in this process too.
            link_error: Errbacks.
            task_id: The id that it sees as its own.
            retries: How many retries it is to believe it has behind it.
            throw: Raise its error instead of answering it; default the setting `task_eager_propagates`.
            logfile: No effect.
            loglevel: No effect.
            headers: Shown to the task.
            **options: Options of `apply_async`; those without meaning here have no effect.
        """
        del logfile, loglevel
        from millrace.canvas.eager import apply_task

        return apply_task(
            cast("Any", self),
            tuple(args or ()),
            dict(kwargs or {}),
            {**options, "link": link, "link_error": link_error, "headers": headers},
            task_id=task_id,
            retries=retries,
            throw=throw,
        )

    # --- For the plan of a canvas -----------------------------------------------------------------

    def prepare_partial(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], taken: int, **job_options: Any
    ) -> PreparedJob[R]:
        """As `prepare`, for a job that takes so many arguments from others, which stand before these."""
        from millrace import publish

        task = cast("Any", self)
        if self.app.strict_typing if task.typing is None else task.typing:
            task.parameters.bind(
                *([None] * taken), *args, **kwargs
            )  # a TypeError if they do not fit
        payload: Payload = {"$args": list(args), "$kwargs": dict(kwargs)} if args else dict(kwargs)
        fields = publish.fields_of(task, args, kwargs, job_options)
        return PreparedJob(self.app, task.encode(payload, fields))
