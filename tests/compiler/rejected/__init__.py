"""Programs that the compiler rejects, and what it says about each: one file a topic, read by `cases.py`."""
