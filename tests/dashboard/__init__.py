"""The dashboard: its parts by themselves, and its page in a browser, served by a machine."""
