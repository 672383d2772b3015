"""The shell on the console."""
