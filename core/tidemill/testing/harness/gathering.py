"""From a run that has ended to what a test looks at."""

from __future__ import annotations

from tidemill.app.present import task_view
from tidemill.testing.harness.calls import Call
from tidemill.testing.harness.results import RunResult, StepResult
from tidemill.testing.harness.script import key_of
from tidemill.testing.harness.world import World


def result_of(world: World) -> RunResult:
    run = world.run
    return RunResult(
        number=run.number,
        pipeline=run.pipeline,
        state=run.state.value,
        detail=run.detail,
        seconds=(run.ended_at or world.begin) - world.begin,
        params=dict(run.params),
        steps={result.key: result for result in _steps(world)},
    )


def _steps(world: World) -> list[StepResult]:
    calls: dict[str, list[Call]] = {}
    for path, call in world.calls:
        calls.setdefault(key_of(path), []).append(call)
    found = []
    for row, path in world.tasks():
        view = task_view(row, world.paths.plan(row.run))
        key = key_of(path)
        found.append(
            StepResult(
                key=key,
                step="/".join(task.step for task in path),
                state=view.state.value,
                attempts=view.attempt,
                exit_code=view.exit_code,
                detail=view.detail,
                outputs=view.outputs,
                began=None if view.started_at is None else view.started_at - world.begin,
                ended=None if view.ended_at is None else view.ended_at - world.begin,
                cached=view.cached_from is not None,
                calls=tuple(calls.get(key, ())),
                log="".join(world.output.get((row.run, row.key), ())),
            )
        )
    return found
