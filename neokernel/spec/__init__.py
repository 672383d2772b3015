"""What the kernel does, said apart from how: what `nk prove` proves of it beside its contracts and invariants."""

#: specifications in the language
MODULES = (
    "neokernel.spec.capabilities",
    "neokernel.spec.deletion",
    "neokernel.spec.fast_paths",
    "neokernel.spec.memories",
    "neokernel.spec.messages",
    "neokernel.spec.notifications",
    "neokernel.spec.queues",
    "neokernel.spec.replies",
    "neokernel.spec.scheduling",
    "neokernel.spec.spaces",
    "neokernel.spec.system_calls",
    "neokernel.spec.threads",
    "neokernel.spec.timers",
)
