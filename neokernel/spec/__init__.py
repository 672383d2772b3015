"""What the kernel does, said apart from how: what `nk prove` proves of it beside its contracts and invariants."""

#: specifications in the language
MODULES = tuple(f"neokernel.spec.{name}" for name in ("capabilities", "messages", "notifications", "queues", "timers"))
