"""Drivers of virtio devices (OASIS, "Virtual I/O Device (VIRTIO) Version 1.2"); section numbers are that document's.

Modules without a process take registers and memory from their caller, so tests run them against models of devices; a
folder with a `main.py` is the process around one. `docs/design/drivers.md` says what holds for all of them.
"""
