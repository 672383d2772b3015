"""Models of machines, for target code that runs under CPython."""
