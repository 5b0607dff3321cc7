"""Steps about the user's own transactions, one at a time: a part of the scenario runner."""

from typing import Any

from millrace import _core
from model_steps import Step


class TransactionSteps:
    """Mixed into the runner, which has these."""

    engine: _core.Engine
    transaction: _core.Transaction

    def spec(self, job: Step) -> _core.JobSpec:
        raise NotImplementedError

    def added(self, jobs: list[Step], acks: _core.Acks) -> list[Step]:
        raise NotImplementedError

    def op_begin(self, step: Step) -> Any:
        self.transaction = self.engine.begin(timeout_ms=step.get("timeout_ms", 20_000))

    def op_execute(self, step: Step) -> Any:
        columns, rows, changes, _ = self.transaction.execute(
            step["sql"], step.get("parameters", [])
        )
        return {"columns": list(columns), "rows": [list(row) for row in rows], "changes": changes}

    def op_tx_enqueue(self, step: Step) -> Any:
        acks = self.transaction.enqueue([self.spec(job) for job in step["jobs"]])
        return self.added(step["jobs"], acks)

    def op_commit(self, _: Step) -> Any:
        self.transaction.commit()

    def op_rollback(self, _: Step) -> Any:
        self.transaction.rollback()
