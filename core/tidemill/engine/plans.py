"""Plans by run: worked out once from what the database holds, then kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidelang import codec, values
from tidelang.reify import value_of
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import ExpansionRow, RunRow
from tidemill.ports import Turn


class Plans:
    """Those that were used last: what was not for long is forgotten, and read again.

    What a transaction adds to a plan counts once that has been committed: `kept` says
    so, and where it was not called, `begin` drops what was added."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._older: dict[int, Plan] = {}
        """Those that were not used since the last time that there were too many."""
        self._added: set[int] = set()

    def add(self, run: int, plan: Plan) -> None:
        self._plans[run] = plan

    def of(self, run: int) -> Plan:
        """The plan of a run that was loaded."""
        plan = self.find(run)
        if plan is None:
            raise KeyError(run)
        return plan

    def find(self, run: int) -> Plan | None:
        """The plan of a run, as far as it is known without asking."""
        plan = self._plans.get(run)
        if plan is None and run in self._older:
            plan = self._plans[run] = self._older.pop(run)
        return plan

    def begin(self) -> None:
        """A transaction begins, for the first time or again."""
        for run in self._added:
            self.forget(run)
        self._added.clear()

    def kept(self) -> None:
        """The transaction was committed."""
        self._added.clear()

    def replace(self, run: int, plan: Plan) -> None:
        """The transaction has made more of this plan."""
        self._plans[run] = plan
        self._added.add(run)

    def load(self, tx: Turn, numbers: set[int]) -> None:
        """Reads the plans of these runs that are not known yet."""
        missing = {number for number in numbers if self.find(number) is None}
        if missing:
            self.refresh(tx, tx.runs(missing))

    def refresh(self, tx: Turn, runs: Iterable[RunRow]) -> None:
        """Reads the plans that are not known yet, or of which others have made more."""
        stale = [run for run in runs if self._is_stale(run)]
        if not stale:
            return
        expansions: dict[int, list[ExpansionRow]] = {run.number: [] for run in stale}
        for row in tx.expansions(expansions):
            expansions[row.run].append(row)
        for run in stale:
            content = tx.definition(run.digest)
            self._plans[run.number] = plan_of(run, content, expansions[run.number])

    def _is_stale(self, run: RunRow) -> bool:
        plan = self.find(run.number)
        return plan is None or plan.size != run.size

    def forget(self, run: int) -> None:
        self._plans.pop(run, None)
        self._older.pop(run, None)

    def __len__(self) -> int:
        return len(self._plans) + len(self._older)

    def __contains__(self, run: object) -> bool:
        return run in self._plans or run in self._older

    def age(self, most: int) -> bool:
        """Where more than so many were used lately, forgets those that were not; whether it
        did. Between transactions only: what one has loaded must stay."""
        if len(self._plans) <= most:
            return False
        self._plans, self._older = {}, self._plans
        return True


def plan_of(run: RunRow, content: bytes, expansions: Iterable[ExpansionRow] = ()) -> Plan:
    """The plan of a stored run: the same as when the run was made, with those fan-outs
    laid out whose lists have become known since."""
    definition = codec.decode(content)
    types = {param.name: param.type for param in definition.params}
    params = {name: values.from_json(value, types[name]) for name, value in run.params.items()}
    plan = make_plan(definition, params)
    return plan.expanded(lists_of(expansions))


def lists_of(expansions: Iterable[ExpansionRow]) -> Mapping[int, list[values.Value]]:
    """The lists by step, in the order in which they became known."""
    found = sorted(expansions, key=lambda row: row.first)
    return {row.step: [value_of(item) for item in row.items] for row in found}
