"""What kernel, runtime, host tools, prover and manual must agree about: numbers, layouts, errors. Each fact once."""
