"""Lines about a step, for those who point at it: what has no room in the picture."""

from __future__ import annotations

from collections.abc import Iterator

from tidelang.definition import Approval, Argv, Script, Step, Subrun
from tidelang.values import Duration, to_text


def details(step: Step, fan: str) -> Iterator[str]:
    """In the order of their weight; the first is what the step does."""
    if step.description:
        yield step.description
    yield _action(step)
    if step.loop:
        count = f" ({fan})" if fan.startswith("×") else ""
        yield f"fanned out: one task for each {', '.join(step.loop.names)}{count}"
    if step.when is not None:
        yield "runs only where its condition (`when`) holds"
    if step.needs:
        yield f"waits for {', '.join(step.needs)}"
    if step.outputs:
        yield f"puts out {', '.join(output.name for output in step.outputs)}"
    yield from _settings(step)


def _action(step: Step) -> str:
    match step.action:
        case Approval(by=by):
            return f"waits for the approval of {', '.join(by) or 'anybody'}"
        case Subrun(pipeline=pipeline):
            return f"runs pipeline {pipeline}"
        case Script(interpreter=interpreter):
            return f"runs a script with {' '.join(interpreter)}, executor {step.executor.kind}"
        case Argv():
            return f"runs a program, executor {step.executor.kind}"


def _settings(step: Step) -> Iterator[str]:
    if step.retry.attempts > 1:
        yield f"up to {step.retry.attempts} attempts"
    if step.timeout is not None:
        yield f"timeout {to_text(Duration(step.timeout))}"
    if step.cache is not None:
        yield "cached: not run again while its inputs stay the same"
    if step.allow_failure:
        yield "may fail: what needs it goes on"
    if step.max_parallel is not None:
        yield f"at most {step.max_parallel} of its tasks at a time"
    if step.priority != "normal":
        yield f"priority {step.priority}"
