"""The first stage: between firmware and kernel, it lets no image start that isn't signed by an enrolled key."""
