"""The secret providers: variables of the process, a file, and a command of the user's own.

What they promise: a value is in this process and nowhere else. It is on no command line, in
no file and in no error; what other programs print beside it is not repeated, since nobody
knows what is in it. Nothing is kept from one question to the next, so a secret that was
replaced is seen by the next attempt that asks.
"""

from __future__ import annotations

from tidemill.spi import ProviderContext, SecretProvider, SecretProviderType, hookimpl
from tidemill_secrets.settings import CommandSettings, EnvSettings, FileSettings

__all__ = ["TIDEMILL_SPI", "tidemill_secrets"]

TIDEMILL_SPI = 1


def _env(settings: EnvSettings, context: ProviderContext) -> SecretProvider:
    from tidemill_secrets.env import EnvSecrets

    del context
    return EnvSecrets(settings)


def _file(settings: FileSettings, context: ProviderContext) -> SecretProvider:
    from tidemill_secrets.file import FileSecrets  # asyncio and more: only where used

    return FileSecrets(settings, context.root)


def _command(settings: CommandSettings, context: ProviderContext) -> SecretProvider:
    from tidemill_secrets.command import CommandSecrets

    return CommandSecrets(settings, context.root)


@hookimpl
def tidemill_secrets() -> list[SecretProviderType]:
    return [
        SecretProviderType(
            kind="env",
            settings=EnvSettings,
            factory=_env,
            description="Secrets from the environment of the `tidemill` that runs the step.",
            advice=EnvSettings.advice,
        ),
        SecretProviderType(
            kind="file",
            settings=FileSettings,
            factory=_file,
            description="Secrets from a file: plain, or encrypted with age or SOPS.",
            advice=FileSettings.advice,
        ),
        SecretProviderType(
            kind="command",
            settings=CommandSettings,
            factory=_command,
            description="Secrets that a command prints, such as a password manager's.",
            advice=CommandSettings.advice,
        ),
    ]
