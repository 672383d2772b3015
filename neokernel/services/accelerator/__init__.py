"""The accelerator manager: which model a process serves, leased with the backend that computes it."""
