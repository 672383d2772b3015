"""What the kernel does, said apart from how: what `nk prove` proves of it beside its contracts and invariants."""

#: specifications in the language
MODULES = ("neokernel.spec.capabilities", "neokernel.spec.messages", "neokernel.spec.notifications")
