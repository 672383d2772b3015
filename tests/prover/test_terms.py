"""Terms mean what they say: over integers as over bit-vectors, and when a path decides parts of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.prover import terms as t
from neokernel.prover.integers import Integers
from neokernel.prover.paths import START, assuming, extended
from neokernel.prover.solve import Answer, Solver
from neokernel.prover.terms import Term

WIDTH = 6
OPERATIONS = ["add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "udiv", "urem", "sdiv", "smod"]

numbers = st.one_of(
    st.sampled_from("abc").map(lambda name: t.variable(name, WIDTH)),
    st.integers(0, (1 << WIDTH) - 1).map(lambda value: t.number(value, WIDTH)),
)


def conditions(of: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.one_of(
        st.tuples(of, of, st.booleans()).map(lambda x: t.below(*x)),
        st.tuples(of, of).map(lambda x: t.equal(*x)),
        st.tuples(of, of, st.booleans()).map(lambda x: t.product_fits(*x)),
    )


def deeper(of: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.one_of(
        st.tuples(st.sampled_from(OPERATIONS), of, of).map(lambda x: t.arithmetic(*x)),
        of.map(t.complement),
        of.map(t.negative),
        st.tuples(of, st.integers(1, WIDTH - 1), st.booleans()).map(
            lambda x: t.extend(t.extract(x[0], x[1] - 1, 0), WIDTH, x[2])
        ),
        st.tuples(conditions(of), of, of).map(lambda x: t.choose(*x)),
    )


goals = conditions(st.recursive(numbers, deeper, max_leaves=8))


def answer(kind: type[Solver], goal: Term, *path: Term) -> Answer:
    return kind(lambda term: t.TRUE).prove(path, goal)


@settings(deadline=None, max_examples=150)
@given(goals)
def test_what_holds_over_integers_holds_over_bit_vectors(goal: Term) -> None:
    if answer(Integers, goal) is Answer.PROVEN:
        assert answer(Solver, goal) is Answer.PROVEN


@settings(deadline=None, max_examples=150)
@given(goals, goals)
def test_what_a_path_decides_changes_no_meaning_on_it(condition: Term, goal: Term) -> None:
    path = extended(START, condition)
    if path is None:
        assert answer(Solver, t.invert(condition)) is Answer.PROVEN
        return
    made = assuming(path, goal)
    assert answer(Solver, t.equal(made, goal), *path) is Answer.PROVEN


@settings(deadline=None, max_examples=150)
@given(st.recursive(numbers, deeper, max_leaves=8))
def test_no_value_is_above_the_bound(term: Term) -> None:
    assert (
        answer(Solver, t.make("not", t.BOOL, t.make("ult", t.BOOL, t.number(term.bits, WIDTH), term))) is Answer.PROVEN
    )
