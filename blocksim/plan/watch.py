"""Which values must be looked at, so that none that is not finite goes unseen."""

from __future__ import annotations

from math import prod

from blocksim.plan.plan import Operation
from blocksim.plan.program import AnyOperation, Elementwise, Join, MatrixProduct, Program, Slice


def watched(program: Program) -> set[int]:
    """The slots to look at beside the kept ones and the states after the last step.

    All others are read by operations that pass on what is not finite, to a slot that is seen: of sums,
    products and gains inf and NaN make inf or NaN; of a saturation they do not.

    >>> import blocksim as bs, numpy as np
    >>> from blocksim.plan.passes import optimize
    >>> plan = bs.compile(bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8)))
    >>> len(watched(optimize(plan, plan.outputs.values())))
    1
    """
    operations = program.operations()
    readers: dict[int, list[AnyOperation]] = {}
    for op in operations:
        for slot in op.reads:
            readers.setdefault(slot, []).append(op)
    written = [slot for op in operations for slot in op.writes]
    seen = set(written)  # until nobody passes it on: what goes round in a loop stays in its state

    def is_seen(slot: int) -> bool:
        if slot in program.keep:
            return True
        onward = [op for op in readers.get(slot, ()) if not seen.isdisjoint(op.writes)]
        parts = sum(prod(op.shape) for op in onward if isinstance(op, Slice))
        whole = prod(program.signals[slot].shape) if slot in program.signals else 0
        return 0 < whole <= parts or any(_passes_on(op, program) for op in onward)

    before = 0
    while len(seen) != before:
        before = len(seen)
        for slot in written:
            if not is_seen(slot):
                seen.discard(slot)
    found: set[int] = set()
    forward = [op for op in operations if op.method != "update"]
    for op in [*reversed(forward), *(op for op in operations if op.method == "update")]:
        source = op.reads[1:] if isinstance(op, Slice) else op.writes  # of parts, what they are parts of
        if not seen.issuperset(op.writes) and not all(map(is_seen, op.writes)):
            found.update(source)
            seen.update(source)
        seen.update(op.writes)
    return found


def _passes_on(op: AnyOperation, program: Program) -> bool:
    signals = [program.signals[slot] for slot in op.reads if slot in program.signals]
    if any(signal.dtype.kind == "b" for signal in signals):
        return False  # compilers make a choice of a product with a boolean
    if isinstance(op, (Operation, Elementwise)):
        return bool(program.plan.blocks[op.paths[0]].transparent)
    return isinstance(op, (Join, MatrixProduct))
