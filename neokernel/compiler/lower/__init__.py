"""Pass 3, lower: checked function bodies as typed IR.

`context.py` holds the state of a compilation and of one function; the other modules are functions over it, one per kind of
syntax: `expressions`, `operators`, `conditions`, `calls`, `construct`, `statements`, `loops`, `patterns`, `text`,
`contracts`, `unsafe`.
"""
