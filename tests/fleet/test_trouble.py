"""A fleet whose database has trouble says so, is not ready, does nothing by halves, and goes
on by itself when the trouble is over."""

from __future__ import annotations

import itertools
import json
import signal
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from cut_connection import Wire
from small_disk import fill, free, small_disk

from fleet import NewFleet, free_ports

PIPELINES = '''
pipeline wide {
  step find {
    run = """
      while [ ! -e go ]; do sleep 0.1; done
      echo "names=[$(seq 400 | sed 's/.*/"&"/' | paste -sd,)]" >> $TIDE_OUTPUT
    """
    output names: list(string)
  }
  step each for name in find.names { run = ["true"] }
}
pipeline chain {
  step a { run = ["true"] }
  step b for n in [1, 2, 3, 4, 5, 6, 7, 8] {
    needs = [a]
    run   = ["true"]
  }
  step c {
    needs      = [b]
    idempotent = false
    run        = ["true"]
  }
}
'''


def test_a_full_disk_is_said_and_waited_out(new_fleet: NewFleet, tmp_path: Path) -> None:
    fleet = new_fleet()
    small, (port,) = fleet.postgres.folder / "small", free_ports(1)
    with small_disk(small, "32m"):
        fleet.postgres.own(small)
        fleet.move_to(fleet.postgres.database(tablespace=small))
        (tmp_path / "t.tide").write_text(PIPELINES)
        fleet.tidemill("apply", "t.tide")
        fleet.scheduler("s1", "--health", f"127.0.0.1:{port}")
        fleet.worker("w1")
        fleet.until(lambda: _health(port, "readyz")[0] == 200)
        run = fleet.trigger("wide")
        fleet.until(lambda: fleet.query("SELECT 1 FROM task WHERE state = 'running'") != [])
        fill(small)
        (tmp_path / "go").touch()
        fleet.until(lambda: "the disk is full: waiting" in fleet.log("s1"))
        status, checks = _health(port, "readyz")
        assert (status, checks["database"]) == (503, False)
        assert _health(port, "livez")[0] == 200, "killing it would mend nothing"
        assert fleet.query(f"SELECT count(*) FROM task WHERE run = {run} AND step = 1") == [(1,)]
        assert fleet.query("SELECT count(*) FROM expansion") == [(0,)]
        free(small)
        assert fleet.to_the_end(run) == "succeeded"
        fleet.until(lambda: _health(port, "readyz")[0] == 200)
        assert "the database works again" in fleet.log("s1")
        assert fleet.query(f"SELECT DISTINCT attempt FROM task WHERE run = {run} AND step = 1"
                           " AND state = 'succeeded'") == [(1,)]  # fmt: skip
        assert fleet.end("s1") == 0
        fleet.postgres.end()


def test_a_command_that_meets_a_full_disk_says_so_and_has_done_nothing(
    new_fleet: NewFleet, tmp_path: Path
) -> None:
    fleet = new_fleet()
    small = fleet.postgres.folder / "small"
    items = ", ".join(f'"{number}{"x" * 50}"' for number in range(4000))
    (tmp_path / "big.tide").write_text(
        f'pipeline big {{ step s for n in [{items}] {{ run = ["true"] }} }}'
    )
    with small_disk(small, "32m"):
        fleet.postgres.own(small)
        fleet.move_to(fleet.postgres.database(tablespace=small))
        fleet.tidemill("apply", "big.tide")
        fill(small)
        done = fleet.run("trigger", "big")
        assert done.returncode == 3
        assert "the disk is full" in done.stderr
        assert "help: free some space" in done.stderr
        assert "Traceback" not in done.stderr
        assert fleet.query("SELECT count(*) FROM run") == [(0,)]
        free(small)
        assert fleet.trigger("big") > 0
        fleet.postgres.end()


def test_connections_that_break_at_commits_cost_time_and_nothing_else(
    new_fleet: NewFleet,
) -> None:
    fleet = new_fleet(PIPELINES, lease=3)
    commits = itertools.count()
    cuts = {9: "before", 14: "after", 20: "before", 23: "after", 31: "after"}
    with tempfile.TemporaryDirectory() as folder:
        wire = Wire(Path(folder), fleet.postgres.folder, lambda: cuts.get(next(commits), ""))
        direct = fleet.env["TIDEMILL_POSTGRES"]
        fleet.env["TIDEMILL_POSTGRES"] = direct.replace(str(fleet.postgres.folder), folder)
        fleet.scheduler("s1")
        fleet.env["TIDEMILL_POSTGRES"] = direct
        fleet.worker("w1")
        runs = [fleet.trigger("chain") for _ in range(3)]
        states = [fleet.to_the_end(run, 120) for run in runs]
        assert fleet.log("s1").count("moment of committing") > 0
        assert fleet.end("s1") == 0
        wire.close()
    assert states == ["succeeded"] * 3
    ended = "SELECT run, ordinal FROM outbox WHERE kind = 'task' AND data->>'state' = 'succeeded'"
    found = fleet.query(ended)
    assert len(found) == len(set(found)) == 3 * 10, "each is completed once"


def test_a_log_of_postgres_without_room_is_waited_out(new_fleet: NewFleet, tmp_path: Path) -> None:
    fleet = new_fleet(PIPELINES)
    postgres = fleet.postgres
    with small_disk(postgres.folder / "small", "96m"):
        postgres.move_log(postgres.folder / "small")
        fleet.scheduler("s1")
        fleet.worker("w1")
        run = fleet.trigger("wide")
        fleet.until(lambda: fleet.query("SELECT 1 FROM task WHERE state = 'running'") != [])
        fill(postgres.folder / "small")
        postgres.use_up_log()
        (tmp_path / "go").touch()
        fleet.until(lambda: ": waiting" in fleet.log("s1"))
        time.sleep(3)
        assert fleet.processes["s1"].poll() is None
        free(postgres.folder / "small")
        postgres.recover()
        assert fleet.to_the_end(run) == "succeeded"
        assert fleet.end("s1") == 0
        postgres.end(signal.SIGQUIT)


def _health(port: int, path: str) -> tuple[int, dict[str, bool]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return answer.status, json.load(answer)["checks"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["checks"]
    except OSError:
        return 0, {}
