"""What clients of an interface have in common: their side of it, in so far as it is more than calls."""
