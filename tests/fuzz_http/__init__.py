"""Requests of HTTP, damaged at random: whatever the pieces in which they come, the parsers see the same."""
