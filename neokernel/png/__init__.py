"""PNG in the language: images of others are unpacked within memory and steps that are known before."""
