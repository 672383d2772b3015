"""The dashboard: a page about the running system, served by itself; `main.py` is the program."""
