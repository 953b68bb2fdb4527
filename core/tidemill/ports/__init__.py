"""The ports: what the engine and the worker need of the world, as protocols.

Adapters stand in `tidemill.store`, `tidemill.broker`, `tidemill.artifacts` and
`tidemill.clock`; these two import this package and never them.
"""

from tidemill.ports.beside import BadEnd, Events, Notices, Placement, Purging
from tidemill.ports.broker import Broker, Delivery, Epoch, Inbox, SchedulerEnd, WorkerEnd
from tidemill.ports.clock import Clock, Timer
from tidemill.ports.files import Artifacts, CachedResult, Results, StoredFile
from tidemill.ports.plugins import (
    Executors,
    Notifiers,
    Observer,
    Policy,
    Secrets,
    TemplateError,
    Templates,
)
from tidemill.ports.records import Begun, Records, Unreadable
from tidemill.ports.store import StaleError, Store, Transaction, UnavailableError
from tidemill.ports.turn import Alarms, Hand, Lease, Turn

__all__ = [
    "Alarms",
    "Artifacts",
    "BadEnd",
    "Begun",
    "Broker",
    "CachedResult",
    "Clock",
    "Delivery",
    "Epoch",
    "Events",
    "Executors",
    "Hand",
    "Inbox",
    "Lease",
    "Notices",
    "Notifiers",
    "Observer",
    "Placement",
    "Policy",
    "Purging",
    "Records",
    "Results",
    "SchedulerEnd",
    "Secrets",
    "StaleError",
    "Store",
    "StoredFile",
    "TemplateError",
    "Templates",
    "Timer",
    "Transaction",
    "Turn",
    "UnavailableError",
    "Unreadable",
    "WorkerEnd",
]
