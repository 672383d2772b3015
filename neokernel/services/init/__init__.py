"""init, the root process: what it makes of the system's description, and how it keeps it going."""
