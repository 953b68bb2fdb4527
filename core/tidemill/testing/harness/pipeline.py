"""`PipelineHarness`: what a test says of a pipeline, and then runs."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from tidelang import codec
from tidelang.render.terminal import render
from tidelang.values import to_text
from tidemill.app.requests import MistakesError, Planned, plan_request
from tidemill.engine.create import NewRun, create_run
from tidemill.errors import TidemillError
from tidemill.model.requests import RunRequest, Selection
from tidemill.model.rows import RunRow
from tidemill.model.secrets import secrets_of
from tidemill.ports import Transaction
from tidemill.project import find_project
from tidemill.store.database import InMemory
from tidemill.store.sql import SqlStore
from tidemill.testing.harness.calls import Call, Ends, Function, seconds_of
from tidemill.testing.harness.errors import HarnessError
from tidemill.testing.harness.gathering import result_of
from tidemill.testing.harness.results import RunResult
from tidemill.testing.harness.script import Decision, Mock, Others, Script
from tidemill.testing.harness.world import World, require

BEGIN = 1_767_225_600.0
"""When the first run of a harness is made: 2026-01-01 in UTC, in every test."""


class PipelineHarness:
    """Runs a pipeline of a `.tide` file as a test describes it, in this process.

    `pipeline` may be left out where the file has one. Every step that comes to its turn must
    be mocked (`step`), and every one that asks people be answered (`approve`, `deny`):
    what the test leaves out is an error that names it. With `others="succeed"`, steps that are
    not mocked and have no outputs succeed at once.

    Methods that describe return the harness, so that they can be chained. One harness may
    run several times: caches, and the time, go on from run to run. Nothing is written to the
    project, no plugin's code runs, nobody is notified, and nothing has to be closed.

    Raises:
        HarnessError: the file cannot be read.
    """

    def __init__(
        self,
        file: str | Path,
        pipeline: str | None = None,
        *,
        others: Others = "error",
    ) -> None:
        self._file, self._pipeline = Path(file), pipeline
        if not self._file.is_file():
            raise HarnessError(f"there is no file {self._file} (seen from {Path.cwd()})")
        if others not in {"error", "succeed"}:
            raise HarnessError(f'others is "error" or "succeed", not {others!r}')
        self._script = Script(others)
        self._now = BEGIN
        engine = InMemory().engine
        self._store = SqlStore(engine)
        self._folder = Path(tempfile.mkdtemp(prefix="tidemill-test-"))
        weakref.finalize(self, _clean_up, engine.dispose, self._folder)

    def step(
        self,
        name: str,
        does: Callable[[Call], Any] | None = None,
        *,
        outputs: Mapping[str, Any] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        exit_code: int = 0,
        prints: str = "",
        takes: float | str = 0.0,
        signal: int | None = None,
        error: str = "",
        lost: bool = False,
        fails_first: int = 0,
    ) -> Self:
        """Says what a step does: it succeeds, unless something else is said.

        Args:
            name: The step, or one task of it: `unit[3.12]`. Of a pipeline that the step
                `checks` runs: `checks/unit`. A task's own mock goes before its step's.
            does: A function in the place of the step, called for each attempt with what it
                was given (`Call`). It returns `Ends(…)`, an exit status, a dict of outputs,
                a `tidemill.spi.Outcome`, or None for success; what it raises, `run` raises.
            outputs: Values that it puts out, by name.
            files: Files that it leaves in its workdir, content by path. Those that its
                outputs of type file match are collected.
            exit_code: Its exit status.
            prints: What it prints.
            takes: How long it runs, in seconds or as `"1h30m"`; `math.inf`: for ever.
            signal: The signal that ends it.
            error: Why it cannot be started.
            lost: Nobody knows what has become of it, as when its worker dies.
            fails_first: So many attempts exit with 1 before any of this holds.

        Raises:
            HarnessError: a function and fixed ends are given, or `takes` is no duration.
        """
        ends = Ends(exit_code, outputs or {}, files or {}, prints, takes, signal, error, lost)
        seconds_of(takes)
        if does is not None and ends != Ends():
            raise HarnessError(f"step {name}: the function alone says how it ends: return Ends(…)")
        answer: Ends | Function = ends if does is None else does
        self._script.mocks[name] = Mock(answer, fails_first)
        return self

    def approve(
        self,
        name: str,
        *,
        by: str | None = None,
        groups: Collection[str] = (),
        reason: str = "",
        after: float | str = 0.0,
    ) -> Self:
        """Says yes to a step that asks, so long `after` it does. `by` is who does, in these
        `groups`; whoever may, where it is left out."""
        return self._decide(name, Decision(True, by, frozenset(groups), reason, seconds_of(after)))

    def deny(
        self,
        name: str,
        *,
        by: str | None = None,
        groups: Collection[str] = (),
        reason: str = "",
        after: float | str = 0.0,
    ) -> Self:
        """Says no: see `approve`."""
        return self._decide(name, Decision(False, by, frozenset(groups), reason, seconds_of(after)))

    def _decide(self, name: str, decision: Decision) -> Self:
        self._script.decisions[name] = decision
        return self

    def secrets(self, **values: str) -> Self:
        """Gives secrets their values, by name. The environment is not asked."""
        self._script.secrets.update(values)
        return self

    def run(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        only: Sequence[str] = (),
        start: Sequence[str] = (),
        until: Sequence[str] = (),
        max_parallel: int = 64,
        use_cache: bool = True,
        cancel_after: float | str | None = None,
    ) -> RunResult:
        """Runs the pipeline to its end, and returns what came of it.

        Args:
            params: Values of the pipeline's params, by name.
            only: As `tidemill run --only`; `start` and `until` alike.
            start: Steps from which on it runs, with all that depends on them.
            until: Steps up to which it runs, with all that they depend on.
            max_parallel: How many steps may be at work at once.
            use_cache: Whether results of earlier runs of this harness may be used.
            cancel_after: When the run is cancelled, in seconds or as `"10m"`.

        Raises:
            HarnessError: the file has mistakes, the params do not fit, or the test leaves
                something open.
            Exception: whatever a function of the test raises.
        """
        selection = Selection(tuple(only), tuple(start), tuple(until))
        texts = {name: _text(value) for name, value in (params or {}).items()}
        planned = self._planned(RunRequest(self._file, self._pipeline, texts, selection))
        self._script.check(planned.definition, planned.called)
        require(
            secrets_of(planned.plan, planned.chosen, planned.called.__getitem__),
            self._script.secrets,
        )
        row = self._store.transact_now(lambda tx: self._create(tx, planned, fresh=not use_cache))
        world = World(
            self._store,
            row,
            self._script,
            find_project(self._file).root,
            self._folder,
            max_parallel,
        )
        seconds = None if cancel_after is None else seconds_of(cancel_after)
        _apart(lambda: world.drive(seconds))
        self._now = world.clock.now()
        self._script.check_instances([path for _, path in world.tasks()])
        return result_of(world)

    def _planned(self, request: RunRequest) -> Planned:
        try:
            return plan_request(find_project(self._file), request)
        except MistakesError as error:
            shown = render(error.compilation.diagnostics, color=False, width=100)
            raise HarnessError(f"{error.message}\n{shown}") from None
        except TidemillError as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise HarnessError(f"{error.message}{hint}") from None

    def _create(self, tx: Transaction, planned: Planned, *, fresh: bool) -> RunRow:
        for digest, called in planned.called.items():
            tx.add_definition(digest, called.name, codec.encode(called), self._now)
        new = NewRun(
            plan=planned.plan,
            digest=planned.digest,
            content=planned.content,
            file=planned.file,
            chosen=planned.chosen,
            carried={},
            fresh=fresh,
            picked=planned.picked,
        )
        return create_run(tx, new, self._now)


def _text(value: Any) -> str:
    """As one would type it behind `-p`."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return to_text(value)


def _apart(work: Callable[[], None]) -> None:
    """In a thread where this one has an event loop already, as in a test that is a
    coroutine."""
    if not _in_loop():
        work()
        return
    with ThreadPoolExecutor(1, "tidemill-test") as pool:
        pool.submit(work).result()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _clean_up(dispose: Callable[[], None], folder: Path) -> None:
    dispose()
    shutil.rmtree(folder, ignore_errors=True)
