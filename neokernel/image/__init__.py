"""Bootable images: how they are run, and what their crashes mean."""
