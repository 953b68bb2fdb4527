"""What a person asks of notices: to try a pipeline's, to see which nobody got, to send them
once more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tidelang import codec
from tidelang.definition import Notification
from tidemill.app.fleet import writing_store
from tidemill.app.notifiers import InstalledNotifiers
from tidemill.app.requests import Planned, plan_request
from tidemill.app.secrets import InstalledSecrets, installed_secrets
from tidemill.app.templates import ApartTemplates
from tidemill.clock import SystemClock
from tidemill.engine.composing import Draft, draft_of, finish
from tidemill.engine.delivery import attempt
from tidemill.errors import TidemillError, UsageError
from tidemill.model.requests import RunRequest
from tidemill.model.rows import NoticeRow, RunRow
from tidemill.model.states import RunState
from tidemill.ports import Transaction
from tidemill.project import Project

__all__ = ["Tried", "Untold", "resend", "try_notifiers", "untold"]

MOST = 1_000
"""Notices that are listed, or sent once more, at a time."""

TEST_DETAIL = "This is a test: `tidemill notify test` has sent it."


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a message: `error` is empty where it was taken."""

    kind: str
    on: tuple[str, ...]
    error: str


@dataclass(frozen=True, slots=True)
class Untold:
    """A notice that nobody got so far. `due_at` is when it is sent again, None if never."""

    number: int
    run: int
    pipeline: str
    kind: str
    event: str
    step: str
    at: float
    tries: int
    due_at: float | None
    error: str


def try_notifiers(project: Project, request: RunRequest, kind: str | None) -> list[Tried]:
    """Sends a message by each `notify` of a pipeline, as a run of it would.

    Raises:
        MistakesError: the file has mistakes.
        UsageError: the request does not fit the file, or nobody would be told.
    """
    planned = plan_request(project, request)
    blocks = planned.definition.notifications
    if kind is not None:
        blocks = tuple(block for block in blocks if block.kind == kind)
    if not blocks:
        what = "notify" if kind is None else f"notify {kind}"
        raise UsageError(f"pipeline {planned.definition.name} has no `{what}`")
    return asyncio.run(_try(project, planned, blocks))


async def _try(project: Project, planned: Planned, blocks: Sequence[Notification]) -> list[Tried]:
    notifiers, secrets = InstalledNotifiers(), installed_secrets(project.root)
    try:
        return [await _try_one(planned, block, notifiers, secrets) for block in blocks]
    finally:
        await notifiers.close()
        await secrets.close()


async def _try_one(
    planned: Planned, block: Notification, notifiers: InstalledNotifiers, secrets: InstalledSecrets
) -> Tried:
    now, name = SystemClock().now(), planned.definition.name
    run = RunRow(0, planned.digest, name, planned.file, RunState.RUNNING, now, started_at=now)
    row = NoticeRow(0, 0, 0, "test", now, run.state, tries=1)
    plan = planned.plan
    try:
        what: Draft = draft_of(block, row, run, plan.params, plan.lets, TEST_DETAIL)
        settings, mask = await finish(what, notifiers, ApartTemplates(), secrets)
    except TidemillError as error:
        return Tried(block.kind, block.on, f"{error.message} ({error.hint})".replace(" ()", ""))
    failure = await attempt(notifiers, what, settings, mask, SystemClock())
    return Tried(block.kind, block.on, "" if failure is None else str(failure))


def untold(project: Project) -> list[Untold]:
    """Those that wait for another try, and those that were given up.

    Raises:
        TidemillError: the database cannot be used.
    """

    def work(tx: Transaction) -> list[Untold]:
        rows = [*tx.waiting_notices(MOST), *tx.dead_notices(MOST)]
        runs = {run.number: run for run in tx.runs({row.run for row in rows})}
        kinds = {
            run.digest: [
                block.kind for block in codec.decode(tx.definition(run.digest)).notifications
            ]
            for run in runs.values()
        }
        return [_untold(row, runs[row.run], kinds[runs[row.run].digest]) for row in rows]

    return writing_store(project).transact_now(work)


def _untold(row: NoticeRow, run: RunRow, kinds: Sequence[str]) -> Untold:
    return Untold(
        row.number,
        row.run,
        run.pipeline,
        kinds[row.block],
        row.event,
        row.step,
        row.at,
        row.tries,
        row.due_at,
        row.error,
    )


def resend(project: Project, numbers: Sequence[int]) -> int:
    """Makes notices that were given up (these, or all) due once more; how many.

    Raises:
        UsageError: one of these is none that was given up.
        TidemillError: the database cannot be used.
    """

    def work(tx: Transaction) -> int:
        dead = [row.number for row in tx.dead_notices(MOST)]
        for number in numbers:
            if number not in dead:
                raise UsageError(
                    f"notice {number} is none that was given up", "`tidemill notify list` has them"
                )
        return tx.revive_notices(numbers or dead, SystemClock().now())

    return writing_store(project).transact_now(work)
