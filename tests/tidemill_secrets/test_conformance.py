"""Every provider of ours keeps the contract of secret providers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from secret_places import (
    dotenv,
    encrypt_with_age,
    encrypt_with_sops,
    new_identity,
    require_program,
    write,
)

import tidemill_secrets
from tidemill.spi import SecretProviderType
from tidemill.testing import SecretConformance
from tidemill_secrets.settings import CommandSettings, EnvSettings, FileSettings


def provider(kind: str) -> SecretProviderType:
    return {each.kind: each for each in tidemill_secrets.tidemill_secrets()}[kind]


class TestEnv(SecretConformance):
    def provider_type(self) -> SecretProviderType:
        return provider("env")

    def holding(self, root: Path, values: Mapping[str, str]) -> EnvSettings:
        del root
        for name, value in values.items():
            self.monkeypatch.setenv(f"OF_A_TEST_{name}", value)
        return EnvSettings(prefix="OF_A_TEST_")

    def troubled(self, root: Path, values: Mapping[str, str]) -> None:
        """The variables of the process can always be read."""


class Files(SecretConformance):
    def provider_type(self) -> SecretProviderType:
        return provider("file")


class TestDotenvFile(Files):
    def holding(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        write(root / "secrets.env", dotenv(values))
        return FileSettings(path="secrets.env")

    def troubled(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        """Its second line is no pair, and has the value in it."""
        write(root / "secrets.env", dotenv(values) + f"oops {list(values.values())}\n")
        return FileSettings(path="secrets.env")


class TestJsonFile(Files):
    def holding(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        write(root / "secrets.json", json.dumps(values))
        return FileSettings(path="secrets.json")

    def troubled(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        write(root / "secrets.json", json.dumps(values)[:-1])
        return FileSettings(path="secrets.json")


class TestAgeFile(Files):
    def holding(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        require_program("age", self.monkeypatch)
        encrypt_with_age(dotenv(values), new_identity(root / "key.txt"), root / "secrets.env.age")
        return FileSettings(path="secrets.env.age", encryption="age", identity="key.txt")

    def troubled(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        """The key is another one's."""
        settings = self.holding(root, values)
        (root / "key.txt").unlink()
        new_identity(root / "key.txt")
        return settings


class TestSopsFile(Files):
    name = "secrets.json"

    def holding(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        require_program("age", self.monkeypatch)
        require_program("sops", self.monkeypatch)
        self.monkeypatch.setenv("HOME", str(root))  # there SOPS would look for keys as well
        encrypt_with_sops(values, new_identity(root / "key.txt"), root / self.name)
        return FileSettings(path=self.name, encryption="sops", identity="key.txt")

    def troubled(self, root: Path, values: Mapping[str, str]) -> FileSettings:
        settings = self.holding(root, values)
        (root / "key.txt").unlink()
        new_identity(root / "key.txt")
        return settings


PRINTS = """
import json, sys
values = json.load(open("values.json"))
if sys.argv[1] not in values:
    sys.exit(3)
sys.stdout.buffer.write((values[sys.argv[1]] + "\\n").encode())
"""


class TestCommand(SecretConformance):
    def provider_type(self) -> SecretProviderType:
        return provider("command")

    def holding(self, root: Path, values: Mapping[str, str]) -> CommandSettings:
        write(root / "values.json", json.dumps(values))
        write(root / "prints.py", PRINTS)
        return CommandSettings(
            argv=(sys.executable, "-S", "-E", "prints.py", "{name}"), missing_exit=(3,)
        )

    def troubled(self, root: Path, values: Mapping[str, str]) -> CommandSettings:
        """It shows the value on both its outputs, and fails."""
        write(root / "values.json", json.dumps(values))
        script = "cat values.json; cat values.json >&2; exit 2"
        return CommandSettings(argv=("sh", "-c", script, "sh", "{name}"))
