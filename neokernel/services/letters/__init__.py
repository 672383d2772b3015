"""Queues of letters that outlive their senders, their receivers, and the service itself."""
