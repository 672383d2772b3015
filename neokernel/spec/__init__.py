"""What the kernel is to do, said apart from how it does it."""
