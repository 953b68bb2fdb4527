"""Databases as older releases left them: a schema of any revision, filled by plain SQL that
is right for that revision. What later revisions added is added by later statements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tidelang import codec
from tidemill.compile import compile_file
from tidemill.store import migrations

REVISIONS = [f"{number:04d}" for number in range(1, int(migrations.HEAD) + 1)]

SOURCE = """
pipeline inner { step only { run = "echo inner" } }
pipeline p {
  param who: string = "you"
  step find {
    run = "echo 'names=[]' >> $TIDE_OUTPUT"
    output names: list(string)
  }
  step each for name in find.names { run = "echo {{ name }} {{ who }}" }
  step last {
    needs = [each]
    run   = "echo last"
  }
}
"""

ROWS = Path(__file__).parents[1] / "store" / "old_rows"
"""A file for each revision. `:p` and `:inner` are the digests of the definitions above."""


def make(engine: Engine, revision: str, folder: Path) -> None:
    """An empty database gets the schema of this revision, and rows."""
    to_revision(engine, revision)
    values = _definitions(folder, late_fan_outs=revision >= "0004")
    with engine.begin() as connection:
        for statement in _statements(revision):
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)


def _statements(revision: str) -> Iterator[str]:
    for name in REVISIONS:
        if name <= revision:
            yield from filter(str.strip, (ROWS / f"{name}.sql").read_text("utf-8").split(";\n"))


def to_revision(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _definitions(folder: Path, *, late_fan_outs: bool) -> dict[str, object]:
    file = folder / "p.tide"
    plain = SOURCE.replace(" for name in find.names", "").replace("{{ name }} ", "")
    file.write_text(SOURCE if late_fan_outs else plain)
    compilation = compile_file(file)
    assert compilation.ok, compilation.diagnostics
    found: dict[str, object] = {}
    for one in compilation.definitions:
        found |= {one.name: codec.digest(one), f"{one.name}_content": codec.encode(one)}
    return found
