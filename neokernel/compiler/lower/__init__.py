"""Pass 3, lower: checked function bodies as typed IR.

Layers, each importing only those before it:

- `context` holds the state of a compilation and of one function; `coerce` takes values to the types that are expected;
- `dispatch` finds the module that lowers an expression;
- `names`, `memory`, `arguments`, `counting`, `functions`, `constants` are what expressions are made of;
- `operators`, `atomics`, `construct`, `text`, `calls`, `builtins`, `conditions`, `unsafe`, `assignment` and
  `expressions` lower expressions;
- `contracts`, `loops`, `patterns`, `statements` lower statements.

Importing the package registers all of them.
"""

from neokernel.compiler.lower import builtins, conditions, expressions, statements, unsafe

__all__ = ["builtins", "conditions", "expressions", "statements", "unsafe"]
