"""Runs that are made for due times: by schedules, or by a backfill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang import codec, values
from tidelang.definition import Definition
from tidemill.engine.create import NewRun
from tidemill.errors import TidemillError, UsageError
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import PipelineRow
from tidemill.ports import Transaction


@dataclass(slots=True)
class Applied:
    """The versions of pipelines that are applied now, and their plans, read once and worked out
    once however many runs there are to make of them."""

    tx: Transaction
    _pipelines: dict[str, PipelineRow] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _definitions: dict[str, Definition] = field(default_factory=dict)
    _plans: dict[tuple[str, str], Plan] = field(default_factory=dict)

    def read(self, names: Iterable[str]) -> None:
        found = self.tx.pipelines(sorted(set(names) - self._pipelines.keys()))
        self._pipelines |= {row.name: row for row in found}
        unread = {row.digest for row in found} - self._contents.keys()
        self._contents |= self.tx.definitions(sorted(unread))

    def new_run(self, name: str, params: Mapping[str, Any], **more: Any) -> NewRun:
        """A run of the version of a pipeline that was `read`; `params` are as JSON.

        Raises:
            TidemillError: there is none, the params do not fit it, or no plan can be made.
        """
        pipeline = self._pipelines.get(name)
        if pipeline is None:
            raise TidemillError(f"there is no pipeline {name} any more")
        plan = self._plan(pipeline.digest, params)
        return NewRun(
            plan,
            pipeline.digest,
            self._contents[pipeline.digest],
            pipeline.file,
            chosen=frozenset(range(plan.size)),
            carried={},
            pooled=True,
            told=True,
            **more,
        )

    def _plan(self, digest: str, params: Mapping[str, Any]) -> Plan:
        key = digest, json.dumps(dict(params), sort_keys=True)
        if key not in self._plans:
            definition = self._definition(digest)
            self._plans[key] = make_plan(definition, _bound(definition, params))
        return self._plans[key]

    def _definition(self, digest: str) -> Definition:
        if digest not in self._definitions:
            try:
                self._definitions[digest] = codec.decode(self._contents[digest])
            except codec.FormatError as error:
                raise UsageError(f"it has to be applied again: {error}") from None
        return self._definitions[digest]


def _bound(definition: Definition, params: Mapping[str, Any]) -> dict[str, values.Value]:
    types = {param.name: param.type for param in definition.params}
    try:
        return {n: values.from_json(v, types[n]) for n, v in params.items() if n in types}
    except ValueError as error:
        raise UsageError(f"a param does not fit what is applied now: {error}") from None
