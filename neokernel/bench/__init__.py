"""Benchmarks: what they measure, how they run, and the rows they give. `registry.run` is the way in."""
