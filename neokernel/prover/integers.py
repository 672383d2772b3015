"""The same questions over integers: for arithmetic without tricks with bits, in which Z3's bit-vectors lose their way.

A number is an integer from 0 to what its width holds, and each operation is the exact one, brought back into that
range. What has no simple meaning so (most of `and`, `or`, `xor`, products of unknowns) is an unknown function of its
operands. So what is proven here holds; what isn't may hold nevertheless, and there are no models.
"""

from __future__ import annotations

from typing import Any

import z3

from neokernel.prover.solve import Answer, Solver
from neokernel.prover.terms import BOOL, REF, Term


class Integers(Solver):
    """See `Solver`; the answer is never REFUTED."""

    def _check(self, asked: list[Any]) -> Answer:
        answer = super()._check(asked)
        return Answer.UNKNOWN if answer is Answer.REFUTED else answer

    def _sort(self, sort: int) -> Any:
        if sort == BOOL:
            return z3.BoolSort(self.context)
        return self.references if sort == REF else z3.IntSort(self.context)

    def _made(self, term: Term, a: list[Any]) -> Any:
        if term.sort > 0 and term.op in ("var", "app"):
            return self._in_range(super()._made(term, a), term.bits)
        if term.op in ("const", "add", "sub", "mul", "bvnot", "zext", "sext", "extract") and term.sort > 0:
            return self._arithmetic(term, a)
        if term.op in ("and", "or", "xor", "shl", "lshr", "ashr", "udiv", "urem", "sdiv", "smod"):
            return self._bits(term, a)
        match term.op:
            case "ult":
                return a[0] < a[1]
            case "slt":
                return self._signed(a[0], term.terms[0].sort) < self._signed(a[1], term.terms[0].sort)
            case "umulok" | "smulok":
                if term.op == "umulok" and any(part.known is not None for part in term.terms):
                    return a[0] * a[1] < 1 << term.terms[0].sort
                return self._function(term.op, BOOL, *(part.sort for part in term.terms))(*a)
        return super()._made(term, a)

    def _arithmetic(self, term: Term, a: list[Any]) -> Any:
        width, whole = term.sort, 1 << term.sort
        match term.op:
            case "const":
                return z3.IntVal(term.known, self.context)
            case "add":
                total = a[0] + a[1]
                fits = sum(part.bits for part in term.terms) < whole
                return total if fits else z3.If(total >= whole, total - whole, total)
            case "sub":
                return z3.If(a[0] >= a[1], a[0] - a[1], a[0] - a[1] + whole)
            case "mul":
                left, right = term.terms
                if left.known is None and right.known is None:
                    return self._unknown(term, a)
                return a[0] * a[1] if left.bits * right.bits < whole else (a[0] * a[1]) % whole
            case "bvnot":
                return whole - 1 - a[0]
            case "extract":
                high, low = term.args[0], term.args[1]
                assert isinstance(high, int) and isinstance(low, int)
                moved = a[0] / (1 << low) if low else a[0]
                return moved if term.terms[0].bits >> low < whole else moved % whole
            case "sext":
                return self._signed(a[0], term.terms[0].sort) % (1 << width)
        return a[0]

    def _bits(self, term: Term, a: list[Any]) -> Any:
        """Shifts, quotients and masks by constants are arithmetic; the others aren't known."""
        whole = 1 << term.sort
        number = term.terms[1].known
        if number is not None:
            match term.op:
                case "udiv" if number:
                    return a[0] / number
                case "urem" if number:
                    return a[0] % number
                case "lshr" if number < term.sort:
                    return a[0] / (1 << number)
                case "shl" if number < term.sort:
                    moved = a[0] * (1 << number)
                    return moved if term.terms[0].bits << number < whole else moved % whole
        for mask, other in ((term.terms[0].known, a[1]), (number, a[0])):
            if term.op == "and" and mask is not None:
                if mask & (mask + 1) == 0:
                    return other % (mask + 1)
                unit = mask & -mask
                if mask + unit == whole:
                    return other - other % unit
        return self._unknown(term, a)

    def _unknown(self, term: Term, a: list[Any]) -> Any:
        made = self._function(f"{term.op} of {term.sort}", term.sort, *(part.sort for part in term.terms))(*a)
        return self._in_range(made, term.bits)

    def _in_range(self, made: Any, most: int) -> Any:
        self.solver.add(made >= 0, made <= most)
        return made

    @staticmethod
    def _signed(number: Any, width: int) -> Any:
        return z3.If(number >= 1 << (width - 1), number - (1 << width), number)
