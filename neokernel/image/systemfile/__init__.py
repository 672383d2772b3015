"""System files: from `systems/NAME.toml` to the description that init reads, and all that can be wrong on the way.

- document, positions: a TOML file, and where each thing in it stands
- model, reading: what may be in a system file, a manifest, a board's file
- needs: what programs declare
- machine, loading, matching, settings: the system as one whole
- authority, resources, timing: what is checked of it before it is built
"""
