"""Random programs through the prover: `python -m tests.fuzz_prover` (see `docs/reference/fuzz-prover.md`)."""
