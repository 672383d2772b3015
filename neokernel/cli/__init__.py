"""`nk`: one file per command. `main.py` is the way in; a command's file is imported when the command runs."""
