"""The host's end of the control channel: which machines run here, and typed calls of their services."""
