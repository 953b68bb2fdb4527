"""Pipelines under test: a run in this process, with steps mocked and no time passing.

    from tidemill.testing import PipelineHarness

    def test_a_release_that_cannot_be_deployed_fails():
        harness = PipelineHarness("ci.tide", "release")
        harness.step("build", outputs={"version": "1.2"}).step("deploy", exit_code=1)
        run = harness.run(params={"channel": "beta"})
        assert run.state == "failed"
        assert run.step("deploy").attempts == 3

The engine is the real one: compiler, scheduler, broker, worker and store. Only what a step
would do is made up, and the time. Nothing of this needs pytest.
"""

from tidemill.testing.harness.calls import Answer, Call, Ends
from tidemill.testing.harness.errors import HarnessError
from tidemill.testing.harness.pipeline import PipelineHarness
from tidemill.testing.harness.results import RunResult, StepResult

__all__ = [
    "Answer",
    "Call",
    "Ends",
    "HarnessError",
    "PipelineHarness",
    "RunResult",
    "StepResult",
]
