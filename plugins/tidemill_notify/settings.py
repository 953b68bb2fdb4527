"""The settings of `notify slack`, `email`, `webhook` and `apprise` in a `.tide` file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from tidemill.spi import Template
from tidemill_notify import checks, templates

LONGEST = timedelta(seconds=60)

_TIMEOUT = Field(
    default=timedelta(seconds=15),
    gt=timedelta(0),
    le=LONGEST,
    description="How long the receiver may take, at most a minute.",
)
_CA = Field(
    default=None,
    description="A file with the certificates to trust, in place of those of the system.",
)


class Settings(BaseModel):
    """What all of them have in common. An error never repeats what it was given."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


class SlackSettings(Settings):
    """Posts to Slack, or to what understands its incoming webhooks."""

    url: SecretStr = Field(
        description='The address of the incoming webhook: `secret("NAME")`. It must be https, '
        "except on this machine."
    )
    message: Annotated[str, Template()] = Field(
        default=templates.MRKDWN, description="What to say, in Slack's `mrkdwn`."
    )
    channel: str | None = Field(
        default=None,
        min_length=1,
        description="The channel, where the webhook may choose one.",
    )
    username: str | None = Field(
        default=None, min_length=1, description="The name to post as, where the webhook may."
    )
    ca: str | None = _CA
    timeout: timedelta = _TIMEOUT

    @field_validator("url")
    @classmethod
    def _an_address(cls, url: SecretStr) -> SecretStr:
        checks.address_of_http(url.get_secret_value(), private=True)
        return url


class EmailSettings(Settings):
    """Sends mail by an SMTP server."""

    host: str = Field(min_length=1, pattern=r"^\S+$", description="The SMTP server.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its port; by default 587 with `starttls`, 465 with `tls`, 25 with `none`.",
    )
    user: str | None = Field(default=None, min_length=1, description="The user to log in as.")
    password: SecretStr | None = Field(
        default=None, description='Their password: `secret("NAME")`.'
    )
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is made private. `none` takes no password, except for "
        "a server on this machine.",
    )
    ca: str | None = _CA
    sender: str = Field(description="The address that mail comes from, also with a name.")
    to: list[str] = Field(min_length=1, max_length=100, description="Who gets it.")
    subject: Annotated[str, Template()] = Field(
        default=templates.SUBJECT, description="The subject, which becomes one line."
    )
    message: Annotated[str, Template()] = Field(
        default=templates.LETTER, description="The text of the mail."
    )
    html: Annotated[str | None, Template()] = Field(
        default=None,
        description="The same as HTML, beside the text. Values need `| e` there.",
    )
    timeout: timedelta = _TIMEOUT

    @field_validator("password")
    @classmethod
    def _of_somebody(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and "user" in info.data and info.data["user"] is None:
            raise ValueError("a password needs a user")
        return password

    @field_validator("tls")
    @classmethod
    def _private(cls, tls: str, info: ValidationInfo) -> str:
        host = info.data.get("host")
        if tls == "none" and info.data.get("password") and host and not checks.is_loopback(host):
            raise ValueError("without TLS anyone on the way could read the password")
        return tls

    @field_validator("sender")
    @classmethod
    def _one_address(cls, sender: str) -> str:
        checks.mail_address(sender)
        return sender

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: list[str]) -> list[str]:
        for each in to:
            checks.mail_address(each)
        return to


class WebhookSettings(Settings):
    """Posts JSON to an address, signed as the Standard Webhooks specification has it."""

    url: SecretStr = Field(
        description='The address, http or https: `secret("NAME")`, as whoever has it may post.'
    )
    secret: SecretStr | None = Field(
        default=None,
        description="What requests are signed with: `whsec_` and 24 to 64 bytes in base64.",
    )
    message: Annotated[str, Template()] = Field(
        default=templates.LINE, description="What stands in the body as `data.message`."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="More headers.")
    secret_headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='More headers whose values are secrets: `{ Authorization = secret("NAME") }`.',
    )
    ca: str | None = _CA
    timeout: timedelta = _TIMEOUT

    @field_validator("url")
    @classmethod
    def _an_address(cls, url: SecretStr) -> SecretStr:
        checks.address_of_http(url.get_secret_value())
        return url

    @field_validator("secret")
    @classmethod
    def _a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            checks.signing_key(secret.get_secret_value())
        return secret

    @field_validator("headers")
    @classmethod
    def _sound(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            checks.header(name, value)
        return headers

    @field_validator("secret_headers")
    @classmethod
    def _sound_too(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            checks.header(name, value.get_secret_value())
        return headers


class AppriseSettings(Settings):
    """Tells services that the apprise library knows by their addresses."""

    urls: list[SecretStr] = Field(
        min_length=1,
        max_length=100,
        description='Addresses in apprise\'s notation, as secrets: `[secret("NAME")]`.',
    )
    title: Annotated[str, Template()] = Field(
        default=templates.SUBJECT, description="The title, for services that have one."
    )
    message: Annotated[str, Template()] = Field(
        default=templates.LETTER, description="What to say, as plain text."
    )
