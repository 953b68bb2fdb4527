"""Workers that share no folder pass files to each other, and say what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats_objects import damage
from s3_server import KEYS, S3Server

from fleet import Fleet, NewFleet

PIPELINES = """
pipeline pass {
  step make {
    pool = "one"
    run = "head -c 3000000 /dev/zero | tr '\\\\0' x > big.txt; echo made on $(basename $PWD)"
    output big: file = "big.txt"
  }
  step ask { needs = [make]
    approve { prompt = "Go?" }
  }
  step use { needs = [ask]
    pool = "two"
    run = "wc -c < {{ make.big }}; echo used on $(basename $PWD)"
  }
}
pipeline cached {
  step make {
    pool = "one"
    cache {}
    run = "echo made; echo content > out.txt"
    output out: file = "out.txt"
  }
}
"""


@pytest.fixture(params=["nats", "s3"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[S3Server | None]:
    """The S3 that artifacts are in; None where they are in NATS."""
    if request.param == "nats":
        yield None
        return
    server = S3Server(tmp_path)
    try:
        server.bucket("fleet")
        yield server
    finally:
        server.stop()


@pytest.fixture
def fleet(
    server: S3Server | None,
    new_fleet: NewFleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Fleet:
    """With two workers on hosts of their own, as far as folders go."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    fleet = new_fleet(PIPELINES)
    (fleet.folder / "tidemill.toml").write_text("" if server is None else _table(server))
    fleet.scheduler("s1")
    for name in ("one", "two"):
        folder = tmp_path / f"host-{name}"
        folder.mkdir()
        (folder / "tidemill.toml").write_text("" if server is None else _table(server))
        _worker(fleet, name, name, folder)
    return fleet


def _worker(fleet: Fleet, name: str, pool: str, folder: Path) -> None:
    options = ("--pool", pool, "--name", name, "--slots", "2")
    fleet.start(name, "-m", "tidemill.cli", "-C", str(folder), "worker", *options)


def _table(server: S3Server) -> str:
    return f'[artifacts]\nurl = "s3://fleet/tide"\nendpoint_url = "{server.url}"\n'


def _spoil(fleet: Fleet, server: S3Server | None) -> None:
    """Damages the one artifact that is there."""
    if server is None:
        damage(fleet.nats, "tide-artifacts")
        return
    files = server.files()
    (path,) = files.find("fleet/tide/artifacts")
    files.pipe_file(path, b"something else")


def _asked(fleet: Fleet, run: int) -> bool:
    rows = fleet.query(f"SELECT 1 FROM task WHERE run = {run} AND state = 'awaiting_approval'")
    return bool(rows)


def test_a_step_uses_a_file_of_a_step_on_another_machine(fleet: Fleet, tmp_path: Path) -> None:
    run = fleet.trigger("pass")
    fleet.until(lambda: _asked(fleet, run))
    fleet.tidemill("approve", str(run), "ask")
    assert fleet.to_the_end(run) == "succeeded", fleet.logs()
    said = fleet.tidemill("logs", str(run))
    for line in ("make | made on host-one", "use | 3000000", "use | used on host-two"):
        assert line in said
    assert not (tmp_path / "host-two/.tidemill/artifacts").exists()
    stock = json.loads(fleet.tidemill("artifacts", "--json"))
    assert (stock["artifacts"], stock["artifact_bytes"]) == (1, 3_000_000)
    kept = json.loads(fleet.tidemill("artifacts", "gc", "--json"))
    assert (kept["objects"], kept["kept"]) == (0, 1)


def test_a_damaged_file_is_told_and_made_again(fleet: Fleet, server: S3Server | None) -> None:
    run = fleet.trigger("pass")
    fleet.until(lambda: _asked(fleet, run))
    _spoil(fleet, server)
    fleet.tidemill("approve", str(run), "ask")
    assert fleet.to_the_end(run) == "failed"
    ((detail,),) = fleet.query(f"SELECT detail FROM task WHERE run = {run} AND key = 'use'")
    assert "is damaged: it is removed (run the step that makes it again)" in str(detail)
    assert json.loads(fleet.tidemill("artifacts", "--json"))["artifacts"] == 0
    again = fleet.trigger("pass")
    fleet.until(lambda: _asked(fleet, again))
    fleet.tidemill("approve", str(again), "ask")
    assert fleet.to_the_end(again) == "succeeded"


def test_a_cached_result_of_one_machine_is_used_on_another(fleet: Fleet, tmp_path: Path) -> None:
    first = fleet.trigger("cached")
    assert fleet.to_the_end(first) == "succeeded", fleet.logs()
    assert fleet.end("one") == 0
    _worker(fleet, "three", "one", tmp_path / "host-two")
    second = fleet.trigger("cached")
    assert fleet.to_the_end(second) == "succeeded", fleet.logs()
    assert "cached: nothing has changed since run 1" in fleet.tidemill("logs", str(second))
    assert (tmp_path / "host-two/out.txt").read_text() == "content\n"
