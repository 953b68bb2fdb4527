"""Webhooks over HTTP: a real server process on a real database, and whoever comes along."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SIGNED_WITH = "hunter2-hunter2"
PIPELINE = """
pipeline deploy {
  trigger webhook hook { secret = secret("HOOK") }
  step a { run = "true" }
}
pipeline other {
  trigger webhook hook { secret = secret("OTHER_HOOK") }
  step a { run = "true" }
}
pipeline unset {
  trigger webhook unset { secret = secret("NOT_SET") }
  step a { run = "true" }
}
"""


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        secrets = {"HOOK": SIGNED_WITH, "OTHER_HOOK": "something else"}
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMILL_")} | secrets
        (folder / "tidemill.toml").write_text("")
        (folder / "t.tide").write_text(PIPELINE)
        self.tidemill("apply", "t.tide")
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidemill.cli", "server", "--listen", "127.0.0.1:0"],
                cwd=folder, env=self.env, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", self.log.read_text())):
            assert time.monotonic() < until, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        self.port = int(found[1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def tidemill(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, named)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def github(self, body: bytes, by: str = SIGNED_WITH, to: str = "hook") -> tuple[int, bytes]:
        digest = hmac.new(by.encode(), body, hashlib.sha256).hexdigest()
        return self.post(
            f"/webhooks/{to}", body, X_Hub_Signature_256=f"sha256={digest}", X_GitHub_Event="push"
        )

    def arrivals(self) -> list[tuple[str, str, dict[str, object]]]:
        files = list(self.folder.glob(".tidemill/*.db")) + list(
            self.folder.glob(".tidemill/*.sqlite")
        )
        with sqlite3.connect(files[0]) as connection:
            rows = connection.execute("SELECT source, origin, payload FROM arrival ORDER BY seq")
            return [(source, origin, json.loads(payload)) for source, origin, payload in rows]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.process.terminate()
    assert server.process.wait(30) == 0, server.log.read_text()
    assert SIGNED_WITH not in server.log.read_text()


def test_a_signed_request_is_stored_before_it_is_answered_and_once(server: Server) -> None:
    before = len(server.arrivals())
    assert server.github(b'{"ref": "main"}') == (202, b"stored\n")
    *_, (source, origin, payload) = server.arrivals()
    assert (source, origin) == ("hook", "HOOK")
    assert payload == {
        "sender": "github", "type": "push", "delivery": "", "body": {"ref": "main"}
    }  # fmt: skip
    assert server.github(b'{"ref": "main"}') == (200, b"known\n")
    assert len(server.arrivals()) == before + 1


def test_a_refused_request_is_told_no_reason_and_stored_nowhere(server: Server) -> None:
    before = server.arrivals()
    refused = (401, b"refused\n")
    assert server.github(b"{}", by="wrong") == refused
    assert server.github(b"{}", to="nothing-of-this-name") == refused
    assert server.github(b"{}", to="unset") == refused
    assert server.github(b"{}", by="", to="unset") == refused
    assert server.post("/webhooks/hook", b"{}") == refused
    assert server.post("/webhooks/hook", b"{}", X_Gitlab_Token="") == refused
    assert server.post("/webhooks/%0Aforged%1b[0m", b"{}") == refused
    assert server.arrivals() == before
    log = server.log.read_text()
    assert "not signed with the secret" in log
    assert "no pipeline has such a webhook" in log
    assert "\x1b" not in log
    assert "\nforged" not in log


def test_a_webhook_of_the_same_name_with_another_secret_hears_nothing(server: Server) -> None:
    assert server.github(b'{"n": 1}', by="something else") == (202, b"stored\n")
    assert server.arrivals()[-1][1] == "OTHER_HOOK"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 90_000, b"9" * 9_000, b'{"a": 1e999}']
)
def test_a_body_that_is_no_json_is_refused(server: Server, body: bytes) -> None:
    assert server.github(body) == (400, b"no JSON\n")


def test_what_only_looks_strange_is_stored(server: Server) -> None:
    body = json.dumps({"a": "\u0000\ud800 '\";--", "b": [[]]}).encode()
    assert server.github(body)[0] == 202


def test_a_body_of_more_than_a_megabyte_is_not_read(server: Server) -> None:
    assert server.github(b'"' + b"x" * ((1 << 20) - 2) + b'"')[0] == 202
    assert server.github(b"x" * ((1 << 20) + 1)) == (413, b"too large\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as way:
        way.sendall(
            b"POST /webhooks/hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(17):
            way.sendall(piece)
        assert b" 413 " in way.recv(4096)


def test_other_paths_and_methods_are_not_there(server: Server) -> None:
    assert server.post("/", b"")[0] == 404
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/webhooks/hook")
    assert connection.getresponse().status == 405
    connection.close()


def test_it_listens_where_others_can_reach_it_only_when_told(server: Server) -> None:
    done = server.run("server", "--listen", "0.0.0.0:0")
    assert done.returncode != 0
    assert "can be reached from other machines" in done.stderr
    assert "Traceback" not in done.stderr
    for bad in ("here", "127.0.0.1:99999", "no.such.host.invalid:80"):
        done = server.run("server", "--listen", bad)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr, done.stderr


def test_emit_and_triggers_say_what_they_did(server: Server) -> None:
    (server.folder / "data.json").write_text('{"a": 1}')
    said = server.tidemill("emit", "x.y", "--data", "@data.json", "--key", "k")
    assert said == "x.y: stored, but no pipeline has a trigger for it\n"
    said = server.tidemill("emit", "x.y", "--key", "k", "--json")
    assert json.loads(said) == {"subject": "x.y", "new": False, "heard_by": []}
    for bad in (["x y"], ["x", "--data", "[]"], ["x", "--data", "@no"], ["x", "--data", "{"]):
        done = server.run("emit", *bad)
        assert done.returncode != 0
        assert len(done.stderr.splitlines()) <= 2, done.stderr
    shown = server.tidemill("triggers")
    assert shown.splitlines()[1].split() == ["deploy", "webhook", "hook"]
    (one,) = json.loads(server.tidemill("triggers", "deploy", "--json"))
    assert one["source"] == "hook"
    assert "did you mean deploy?" in server.run("triggers", "deplyo").stderr
