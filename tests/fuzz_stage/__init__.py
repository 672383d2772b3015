"""Images, signatures and keys corrupted at random: the first stage refuses them, always cleanly."""
