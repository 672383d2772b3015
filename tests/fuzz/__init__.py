"""Generated programs, through every reading: whatever differs is a mistake in one of them."""
