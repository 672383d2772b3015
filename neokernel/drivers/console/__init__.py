"""The console's driver: a 16550, as a service."""
