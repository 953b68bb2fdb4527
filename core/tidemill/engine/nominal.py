"""Runs that are made for a due time: by a schedule, or by a backfill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelang import codec, values
from tidemill.engine.children import Children
from tidemill.engine.create import NewRun, create_run
from tidemill.errors import UsageError
from tidemill.model.plan import make_plan
from tidemill.model.rows import PipelineRow
from tidemill.ports import Transaction


def new_run(
    tx: Transaction, pipeline: PipelineRow, params: Mapping[str, Any], **more: Any
) -> NewRun:
    """A run of the version that is applied now; `params` are as JSON.

    Raises:
        TidemillError: the params do not fit that version, or no plan can be made of it.
    """
    content = tx.definition(pipeline.digest)
    definition = codec.decode(content)
    types = {param.name: param.type for param in definition.params}
    try:
        bound = {n: values.from_json(v, types[n]) for n, v in params.items() if n in types}
    except ValueError as error:
        raise UsageError(f"a param does not fit what is applied now: {error}") from None
    plan = make_plan(definition, bound)
    return NewRun(
        plan,
        pipeline.digest,
        content,
        pipeline.file,
        chosen=frozenset(range(plan.size)),
        carried={},
        pooled=True,
        told=True,
        **more,
    )


def begin(tx: Transaction, children: Children, new: NewRun, now: float) -> int:
    """Stores it, for the turn that is under way to go on with; its number."""
    run = create_run(tx, new, now, children.progress.standing)
    children.plans.replace(run.number, new.plan)
    children.ledger.add_made(run, tx.all_tasks(run.number))
    return run.number
