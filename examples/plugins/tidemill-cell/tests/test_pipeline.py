"""A file may use the plugin, and Tidemill finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.testing import HarnessError, PipelineHarness

PIPELINE = """
pipeline release {
  step build {
    run = "make"
    executor cell { network = false }
  }

  notify cell {
    on   = [failed]
    path = "release.log"
  }
}
"""


def test_a_step_may_run_in_it(tmp_path: Path) -> None:
    file = tmp_path / "release.tide"
    file.write_text(PIPELINE)
    run = PipelineHarness(file).step("build").run()
    (call,) = run.calls("build")
    assert (run.state, call.executor, call.settings) == ("succeeded", "cell", {"network": False})


def test_a_misspelt_setting_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "release.tide"
    file.write_text(PIPELINE.replace("network", "netwrok"))
    with pytest.raises(HarnessError, match="network"):
        PipelineHarness(file).run()
