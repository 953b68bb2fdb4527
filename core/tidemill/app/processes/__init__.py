"""The long-lived processes: a scheduler, a worker, and both with a NATS server of their own
(`tidemill up`). Each starts, says that it is ready, works until it is told to stop, and
leaves nothing half done."""
