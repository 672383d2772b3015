"""How long the kernel's paths are at most, in instructions: out of the linked image, by a walk of its control flow."""
