"""Typed interfaces between services: what a client may ask, and what it gets."""
