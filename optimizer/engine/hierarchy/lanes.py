"""Eight float64 numbers as one value inside Numba's kernels, one a lane of the processor's vector registers.

Eight small systems are then solved as one. Loops over eight numbers would leave it to the compiler, which unrolls them
and works number by number: factors of eight 7 × 7 matrices and their inverses took 600 ns so, and take 180 ns.

Arrays of lanes are (place, 8) float64. Indices are not checked, and count from 0.
"""

import operator
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

LANES: Final = 8
_VECTOR: Final = ir.VectorType(ir.DoubleType(), LANES)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("lanes")


_lanes: Final = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _generated(function: Any) -> Any:
    """Make a function of Numba's kernels from one that writes LLVM's instructions; mypy knows no such thing."""
    return intrinsic(function)


def _require_contiguous(array: Any, numbers: Any = types.float64) -> None:
    if not isinstance(array, types.Array) or array.layout != "C" or array.dtype != numbers:
        raise TypingError(f"lanes: got {array}; give a contiguous array of {numbers}")


def _place(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    data = context.make_array(kinds[0])(context, builder, values[0]).data
    first = builder.gep(data, [builder.mul(values[1], values[1].type(LANES))])
    return builder.bitcast(first, _VECTOR.as_pointer())


def _in_all_lanes(builder: Any, kind: Any, value: Any) -> Any:
    if kind is _lanes:
        return value
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@_generated
def load(typingctx: Any, array: Any, place: Any) -> Any:
    """Return a place of an array of lanes."""
    _require_contiguous(array)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_place(context, builder, signature.args, values), align=LANES)

    return _lanes(array, types.intp), generate


@_generated
def load_eight(typingctx: Any, array: Any, first: Any) -> Any:
    """Return eight numbers of a (n,) float64 array, from ``first`` on."""
    _require_contiguous(array)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        place = builder.bitcast(builder.gep(data, [values[1]]), _VECTOR.as_pointer())
        return builder.load(place, align=LANES)

    return _lanes(array, types.intp), generate


@_generated
def load_every(typingctx: Any, array: Any, place: Any) -> Any:
    """Return one number of a (n,) float64 array in all lanes."""
    _require_contiguous(array)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        return _in_all_lanes(builder, types.float64, builder.load(builder.gep(data, [values[1]])))

    return _lanes(array, types.intp), generate


@_generated
def store(typingctx: Any, array: Any, place: Any, value: Any) -> Any:
    """Set a place of an array of lanes."""
    _require_contiguous(array)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _place(context, builder, signature.args, values), align=LANES)
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), generate


@_generated
def gather(typingctx: Any, array: Any, row: Any, column: Any) -> Any:
    """Return ``array[row[lane], column]`` of a (n, k) array, by lane; ``row`` is (8,) int64."""
    _require_contiguous(array)
    _require_contiguous(row, types.int64)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, rows = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:2], values[:2], strict=True)
        )
        width = builder.extract_value(source.shape, 1)
        found = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            number = builder.load(builder.gep(rows.data, [ir.IntType(64)(lane)]))
            place = builder.add(builder.mul(number, width), values[2])
            found = builder.insert_element(found, builder.load(builder.gep(source.data, [place])), ir.IntType(32)(lane))
        return found

    return _lanes(array, row, types.intp), generate


@_generated
def every(typingctx: Any, number: Any) -> Any:
    """Return a number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _in_all_lanes(builder, signature.args[0], values[0])

    return _lanes(types.float64), generate


@_generated
def root(typingctx: Any, value: Any) -> Any:
    """Return the square roots."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        function = builder.module.declare_intrinsic(f"llvm.sqrt.v{LANES}f64", (), kind)
        return builder.call(function, values)

    return _lanes(_lanes), generate


@_generated
def at_least(typingctx: Any, value: Any, least: Any) -> Any:
    """Return the larger of each lane and a number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR])
        function = builder.module.declare_intrinsic(f"llvm.maxnum.v{LANES}f64", (), kind)
        return builder.call(function, [values[0], _in_all_lanes(builder, types.float64, values[1])])

    return _lanes(_lanes, types.float64), generate


def _overload(python: Any, instruction: str) -> None:
    """Let an operator take lanes, and lanes with a number."""

    @_generated
    def of_lanes(typingctx: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pair = (_in_all_lanes(builder, *each) for each in zip(signature.args, values, strict=True))
            return getattr(builder, instruction)(*pair)

        return _lanes(left, right), generate

    @overload(python)
    def choose(left: Any, right: Any) -> Any:
        if _lanes not in (left, right) or not {left, right} <= {_lanes, types.float64}:
            return None

        def run(left: Any, right: Any) -> Any:
            return of_lanes(left, right)

        return run


_overload(operator.add, "fadd")
_overload(operator.sub, "fsub")
_overload(operator.mul, "fmul")
_overload(operator.truediv, "fdiv")
_overload(operator.iadd, "fadd")
