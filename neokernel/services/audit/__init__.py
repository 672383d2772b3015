"""What in the log is bad enough, shown on the console."""
