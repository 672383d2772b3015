"""What the kernel has denied somebody, written into the log."""
