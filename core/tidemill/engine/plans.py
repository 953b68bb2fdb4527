"""Plans by run: worked out once from what the database holds, then kept."""

from __future__ import annotations

from tidelang import codec, values
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import RunRow
from tidemill.ports import Turn


class Plans:
    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}

    def add(self, run: int, plan: Plan) -> None:
        self._plans[run] = plan

    def of(self, run: int) -> Plan:
        """The plan of a run that was loaded."""
        return self._plans[run]

    def load(self, tx: Turn, numbers: set[int]) -> None:
        """Reads the runs whose plans are not known yet."""
        missing = numbers - self._plans.keys()
        for run in tx.runs(missing) if missing else ():
            self._plans[run.number] = plan_of(run, tx.definition(run.digest))

    def forget(self, run: int) -> None:
        self._plans.pop(run, None)


def plan_of(run: RunRow, content: bytes) -> Plan:
    """The plan of a stored run: the same as when the run was made."""
    definition = codec.decode(content)
    types = {param.name: param.type for param in definition.params}
    params = {name: values.from_json(value, types[name]) for name, value in run.params.items()}
    return make_plan(definition, params)
