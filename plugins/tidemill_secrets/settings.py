"""The settings of `[[secrets]]` tables in `tidemill.toml`, and what a person is to do where
one of the providers has not got a secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

HOLE = "{name}"


class _Settings(BaseModel):
    # Every process that needs a plugin imports this one, and few of them need a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class EnvSettings(_Settings):
    """A secret is a variable of the process."""

    prefix: str = Field(
        default="",
        pattern=r"^[^=\x00]*$",
        description="What the variables' names have before the secrets' names.",
    )

    def advice(self, names: Sequence[str]) -> str:
        variables = listed([self.prefix + name for name in names])
        word = "variable" if len(names) == 1 else "variables"
        return f"set the environment {word} {variables} for the `tidemill` that runs it"


class FileSettings(_Settings):
    """A secret is an entry of a file."""

    path: str = Field(
        min_length=1,
        description="The file, from the project's root on; `~` is the home folder.",
    )
    format: Literal["dotenv", "json"] | None = Field(
        default=None,
        description="How it is written; by default `json` if its name ends in `.json` "
        "(or `.json.age`), else `dotenv`. What SOPS decrypts, it understands by itself.",
    )
    encryption: Literal["none", "age", "sops"] = Field(
        default="none",
        description="With what it is encrypted. `age` and `sops` have to be installed.",
    )
    identity: str | None = Field(
        default=None,
        min_length=1,
        description="For `age`: the file with the private key. For `sops` with age keys: the "
        "same; by default, where SOPS looks for keys.",
    )
    optional: bool = Field(
        default=False,
        description="Whether the file may be absent; by default that is an error.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How long the decryption may take.",
    )

    @model_validator(mode="after")
    def _identity_fits(self) -> FileSettings:
        if self.encryption == "age" and self.identity is None:
            raise ValueError("encryption age needs the file with the private key as identity")
        if self.encryption == "none" and self.identity is not None:
            raise ValueError("identity is of no use without encryption")
        return self

    @property
    def written_as(self) -> Literal["dotenv", "json"]:
        if self.encryption == "sops":
            return "json"  # in which it is asked to print whatever it decrypts
        named = self.path.removesuffix(".age").endswith(".json")
        return self.format or ("json" if named else "dotenv")

    def advice(self, names: Sequence[str]) -> str:
        return f"add {listed(names)} to {self.path}"


class CommandSettings(_Settings):
    """A secret is what a command prints."""

    argv: tuple[str, ...] = Field(
        min_length=1,
        description="The program and its arguments; `{name}` in them is the secret's name. No "
        "shell takes part.",
    )
    missing_exit: tuple[int, ...] = Field(
        default=(),
        description="Exit codes by which it says that it has no such secret. Every other than "
        "0 is a failure.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How long it may take for one secret.",
    )

    @field_validator("argv")
    @classmethod
    def _names_what_it_asks_for(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if HOLE in value[0]:
            raise ValueError("the program itself cannot depend on the secret's name")
        if not any(HOLE in argument for argument in value):
            raise ValueError(f"no argument has {HOLE}, so it cannot tell which secret is meant")
        if any("\0" in argument for argument in value):
            raise ValueError("an argument holds a NUL")
        return value

    @field_validator("missing_exit")
    @classmethod
    def _are_failures(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 < code < 256 for code in value):
            raise ValueError("an exit code is a number from 1 to 255")
        return value

    def advice(self, names: Sequence[str]) -> str:
        shown = " ".join(self.argv)
        return f"have `{shown}` print {listed(names)}"


def listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
