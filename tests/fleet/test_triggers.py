"""Triggers in a fleet of real processes: whatever dies, each cause starts its runs once."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import signal

import nats

from fleet import Fleet, NewFleet

PIPELINES = """
pipeline first {
  param n: int
  trigger event "go" { params = { n = event.n } }
  step a { run = "echo {{ n }}" }
}
pipeline second {
  param of: int
  trigger pipeline first { params = { of = event.run } }
  step a { run = "echo {{ of }}" }
}
pipeline third {
  param ref: string
  trigger webhook hook {
    secret = secret("HOOK")
    when   = event.type == "push"
    params = { ref = event.body.ref }
  }
  step a { run = "echo {{ ref }}" }
}
"""


def count(fleet: Fleet, pipeline: str) -> int:
    found = fleet.query(
        f"SELECT count(*) FROM run WHERE pipeline = '{pipeline}' AND state = 'succeeded'"
    )
    return int(str(found[0][0]))


async def send(fleet: Fleet, numbers: range) -> None:
    client = await nats.connect(fleet.servers[0].url)
    stream = client.jetstream()
    for n in numbers:
        headers = {"Nats-Msg-Id": f"n{n}"} if n % 2 else None
        await stream.publish("tide.event-in.go", f'{{"n": {n}}}'.encode(), headers=headers)
    await client.publish("tide.event-in.go", b"no event")
    await client.flush()
    await client.close()


async def test_events_over_nats_start_each_run_once_though_schedulers_die(
    new_fleet: NewFleet,
) -> None:
    fleet = new_fleet(PIPELINES, lease=4)
    for name in ("s1", "s2"):
        fleet.scheduler(name)
    fleet.worker("w1", 8)
    fleet.until(lambda: "scheduling" in fleet.log("s1") and "scheduling" in fleet.log("s2"))
    await send(fleet, range(40))
    fleet.signal("s1", signal.SIGSTOP)
    await send(fleet, range(40, 80))
    fleet.kill("s1")
    fleet.scheduler("s3")
    fleet.until(lambda: count(fleet, "second") == 80, within=120)
    assert fleet.query("SELECT count(*), count(DISTINCT params ->> 'n') FROM run"
                       " WHERE pipeline = 'first'") == [(80, 80)]  # fmt: skip
    assert fleet.query("SELECT count(*), count(DISTINCT params ->> 'of') FROM run"
                       " WHERE pipeline = 'second'") == [(80, 80)]  # fmt: skip
    fleet.until(lambda: any("is no event" in fleet.log(name) for name in ("s1", "s2", "s3")))


def test_an_emitted_event_and_a_webhook_start_runs(new_fleet: NewFleet) -> None:
    fleet = new_fleet(PIPELINES, lease=4)
    fleet.env["HOOK"] = "hunter2"
    fleet.scheduler("s1")
    fleet.worker("w1")
    fleet.start("web", "-m", "tidemill.cli", "server", "--listen", "127.0.0.1:0")
    said = fleet.tidemill("emit", "go", "--data", '{"n": 7}')
    assert said == "go: stored, for first\n"
    fleet.until(lambda: re.search(r"http://127\.0\.0\.1:\d+", fleet.log("web")) is not None)
    found = re.search(r"http://127\.0\.0\.1:(\d+)", fleet.log("web"))
    assert found
    body = b'{"ref": "main"}'
    digest = hmac.new(b"hunter2", body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}
    for status in (202, 200):
        way = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        way.request("POST", "/webhooks/hook", body, headers)
        assert way.getresponse().status == status
        way.close()
    fleet.until(lambda: count(fleet, "third") == 1 and count(fleet, "second") == 1)
    fleet.tidemill("emit", "go", "--data", '{"n": "x"}')
    fleet.until(lambda: "param n" in fleet.tidemill("triggers", "first"))
    assert fleet.query("SELECT cause ->> 'kind' FROM run ORDER BY pipeline") == [
        ("event",),
        ("pipeline",),
        ("webhook",),
    ]
