"""A notice as a mail: its headers cannot be added to by what a template has filled in."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from tidemill.spi import Notice
from tidemill_notify.checks import mail_address
from tidemill_notify.settings import EmailSettings
from tidemill_notify.text import clean, cut, one_line

_LONGEST_SUBJECT = 250
_SAFE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def compose(notice: Notice, settings: EmailSettings) -> EmailMessage:
    """Equal for each delivery of a notice: `Message-ID` and `Date` are the notice's own."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(settings.sender)
    mail["To"] = [_address(each) for each in settings.to]
    mail["Subject"] = cut(one_line(settings.subject), _LONGEST_SUBJECT)
    mail["Date"] = datetime.fromtimestamp(notice.at, UTC)
    mail["Message-ID"] = message_id(notice.id, mail_address(settings.sender)[1])
    # RFC 3834: no machine is to answer this; the second says the same to Exchange.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(clean(settings.message))
    if settings.html:
        mail.add_alternative(clean(settings.html), subtype="html")
    return mail


def message_id(notice: str, sender: str) -> str:
    """Of the notice's id, as it is or, where a header cannot hold it, its hash."""
    known = notice if _SAFE.fullmatch(notice) else hashlib.sha256(notice.encode()).hexdigest()
    domain = sender.rpartition("@")[2]
    return f"<{known}.tidemill@{domain if domain.isascii() else 'tidemill.invalid'}>"


def _address(text: str) -> Address:
    name, address = mail_address(text)
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)
