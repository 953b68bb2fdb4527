"""`inherit` and `workspace`, and what a step has around it without them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tidemill.spi import OutputFile, SpiError
from tidemill.testing.executor.bench import Bench
from tidemill_local import LocalSettings


async def test_only_what_is_allowed_is_inherited(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    names = {line.partition("=")[0] for line in (await bench.text("env")).splitlines()}
    assert {"PATH", "LC_TIME", "TMPDIR", "TIDE_OUTPUT", "TIDE_PROJECT"} <= names
    assert not names & {"PYTHONPATH", "AWS_SECRET_ACCESS_KEY", "TIDE_INPUTS"}


async def test_inherit_lets_more_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANTED", "a value")
    settings = LocalSettings(inherit=("WANTED", "NOT_SET"))
    assert await bench.text('echo "$WANTED${NOT_SET-none}"', settings=settings) == "a valuenone\n"


async def test_a_step_runs_in_the_projects_own_folder(bench: Bench) -> None:
    assert await bench.text('pwd; echo "$TIDE_PROJECT"') == f"{bench.project}\n" * 2


async def test_a_private_workspace_is_empty_and_removed(bench: Bench) -> None:
    (bench.project / "file").touch()
    settings = LocalSettings(workspace="private")
    script = 'ls -A; touch kept; mkdir -p a/b; chmod -R a-w a; pwd; echo "$TIDE_PROJECT"'
    work = bench.work(script, settings=settings, outputs=(OutputFile("kept", "kept"),))
    outcome, running = await bench.run(work)
    folder, project = running.output.decode().splitlines()
    assert (outcome.ok, running.io.files, project) == (
        True,
        {("kept", "kept"): b""},
        str(bench.project),
    )
    assert await bench.text(f"[ -e {folder} ] || echo gone") == "gone\n"


async def test_a_private_workspace_has_the_steps_workdir(bench: Bench) -> None:
    settings = LocalSettings(workspace="private")
    assert (await bench.text("pwd", settings=settings, workdir="a/b")).endswith("/a/b\n")


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="image"):
        LocalSettings.model_validate({"image": "debian"})


async def test_settings_of_another_executor_are_refused(bench: Bench) -> None:
    with pytest.raises(SpiError, match="dict"):
        await bench.start("true", settings={"inherit": []})
