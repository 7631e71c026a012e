"""Kernels on several threads: those of the OpenMP runtime that the caller computes with.

A second pool of threads would fight with the first for the cores: a thread that has nothing to do spins for
a while before it sleeps. So kernels borrow the threads of the runtime that is there, by its C function
GOMP_parallel (GNU's, and LLVM's and Intel's runtimes' too), which takes a microsecond. Where there is none
the parts run one after another; results are the same, as what a part does depends on its number alone.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

Team = tuple[int, int]
"""Address of GOMP_parallel, 0 where there is none, and how many threads to ask for."""

ALONE: Team = (0, 1)


def _build_in_parts(typing: Any, team: Any, parts: Any, function: Any, arguments: Any) -> Any:
    """Call `function(part, parts, *arguments)` for each part from 0 on, in any order and at once.

    Args:
        team: a Team.
        function: compiled; what it returns is lost, and so is what it raises.
        arguments: a tuple. Parts that write must write to different places.
    """
    taken = (types.int64, types.int64, *arguments.types)

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        team, parts, _, values = given
        callee = signature.args[2]
        made = typing.resolve_function_type(callee, taken, {})
        compiled = callee.dispatcher.overloads[tuple(made.args)]
        context.active_code_library.add_linking_library(compiled.library)
        values = _unowned(context, builder, signature.args[3], values)
        # What threads share: the next part, how many there are, and the arguments.
        wide, narrow, address = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
        kinds = [wide, wide, context.get_value_type(signature.args[3])]
        shared = cgutils.alloca_once(builder, ir.LiteralStructType(kinds))  # type: ignore[no-untyped-call]
        for place, value in enumerate((wide(0), parts, values)):
            builder.store(value, _field(builder, shared, place))
        worker = ir.Function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [address]),
            name=builder.module.get_unique_name("take_parts"),
        )
        worker.linkage = "internal"
        _fill_worker(
            worker,
            shared.type,
            len(taken) - 2,
            lambda inside, items: context.call_internal_no_propagate(inside, compiled.fndesc, made, items),
        )
        start, threads = (builder.extract_value(team, place) for place in range(2))
        kind = ir.FunctionType(ir.VoidType(), [worker.type, address, narrow, narrow]).as_pointer()
        data = builder.bitcast(shared, address)
        several = builder.and_(
            builder.icmp_signed("!=", start, wide(0)),
            builder.and_(
                builder.icmp_signed(">", threads, wide(1)), builder.icmp_signed(">", parts, wide(1))
            ),
        )
        with builder.if_else(several) as (then, otherwise):
            with then:
                many = builder.trunc(threads, narrow)
                builder.call(builder.inttoptr(start, kind), [worker, data, many, narrow(0)])
            with otherwise:
                builder.call(worker, [data])
        return context.get_dummy_value()

    pair: Any = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]
    return types.none(pair, types.int64, function, arguments), build


def _unowned(context: Any, builder: Any, kind: Any, values: Any) -> Any:
    """Return the tuple with arrays that belong to no one, as the caller keeps them alive.

    Numba counts references to an array's memory whenever a slice is made; threads that count at one place
    in memory take turns.
    """
    for place, each in enumerate(kind.types):
        if isinstance(each, types.Array):
            array = context.make_array(each)(context, builder, builder.extract_value(values, place))
            array.meminfo = cgutils.get_null_value(array.meminfo.type)  # type: ignore[no-untyped-call]
            values = builder.insert_value(values, array._getvalue(), place)
    return values


def _field(builder: Any, struct: Any, place: int) -> Any:
    narrow = ir.IntType(32)
    return builder.gep(struct, [narrow(0), narrow(place)], inbounds=True)


def _fill_worker(worker: Any, kind: Any, count: int, call: Any) -> None:
    """Write what one thread does: take the next part until there is none."""
    entry, loop, body, done = (worker.append_basic_block(name) for name in ("entry", "loop", "body", "done"))
    inside = ir.IRBuilder(entry)
    shared = inside.bitcast(worker.args[0], kind)
    parts, values = (inside.load(_field(inside, shared, place)) for place in (1, 2))
    inside.branch(loop)
    inside.position_at_end(loop)
    part = inside.atomic_rmw("add", _field(inside, shared, 0), ir.IntType(64)(1), "monotonic")
    inside.cbranch(inside.icmp_signed("<", part, parts), body, done)
    inside.position_at_end(body)
    call(inside, [part, parts, *(inside.extract_value(values, place) for place in range(count))])
    inside.branch(loop)
    inside.position_at_end(done)
    inside.ret_void()


in_parts: Any = intrinsic(_build_in_parts)
