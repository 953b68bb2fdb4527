"""Brokers: adapters of `tidemill.ports.Broker`. The engine knows none of them."""
