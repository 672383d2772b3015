"""JSON in the language: a reader that makes no tree, a writer, and numbers that are rounded as Python rounds them."""
