"""TCP/IP without input or output of its own: frames in, frames out, time from outside (docs/design/network.md)."""
