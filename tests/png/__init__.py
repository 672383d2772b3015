"""PNG: inflate, and images."""
