"""Durable state in one folder: history, outbox, clips and key-value states."""

from edge.store.faults import free_bytes, spare_bytes
from edge.store.outbox import OutboxRow
from edge.store.reads import Page
from edge.store.store import Store

__all__ = ["OutboxRow", "Page", "Store", "free_bytes", "spare_bytes"]
