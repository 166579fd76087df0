"""Shapes and dtypes of all signals and states, by evaluating each block once on ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.errors import BlockError, BlocksimError, Mismatch, SignalError, describe
from blocksim.graph import Wall
from blocksim.node import Node, Port
from blocksim.plan.check import check_finite
from blocksim.plan.tree import leaves, tree_map


@dataclass(frozen=True)
class Inferred:
    """What is known of a diagram before it runs."""

    blocks: dict[str, Block]
    """The blocks by path, their parameters in the run's float type."""
    signals: dict[tuple[str, str], Signal]
    """By path and output port; an input's port is `y`."""
    states: dict[str, Any]
    """The initial state by path."""
    scalars: frozenset[str]
    """The blocks that return Python numbers, or another float type: engines make arrays of the run's type."""


def infer(
    flat: Diagram, order: list[str], dtype: np.dtype[Any], inputs: Mapping[str, Signal] | None = None
) -> Inferred:
    """One pass over the schedule: a state's initial value fixes the signals that depend on it alone.

    `inputs` are the forms of inputs that do not declare theirs.
    Raises SignalError where a shape or dtype does not fit, BlockError where a block's code raises.
    """
    blocks = {path: _in_dtype(flat.nodes[path], dtype) for path in order}
    walls: dict[Port, list[str]] = {}
    for path, wall in flat.doors.items():
        walls.setdefault(wall.port, []).append(path)
    signals: dict[tuple[str, str], Signal] = {}

    def found(port: Port, signal: Signal) -> None:
        signals[port.node.name, port.name] = signal
        for path in walls.get(port, []):
            _check_wall(path, flat.doors[path], signal)

    for name, node in flat.inputs.items():
        given = (inputs or {}).get(name, Signal((), dtype))
        shape, kind = getattr(node.block, "shape", None), getattr(node.block, "dtype", None)
        form = Signal(given.shape if shape is None else shape, given.dtype if kind is None else kind)
        found(Port(node, "y"), form)
    states = {
        path: _initial_state(flat.nodes[path], block, dtype)
        for path, block in blocks.items()
        if "update" in block.contract.methods or "derivative" in block.contract.methods
    }
    scalars: set[str] = set()
    for path, block in blocks.items():
        node = flat.nodes[path]
        if "derivative" in block.contract.methods:
            raise BlockError(
                path, "a discrete state", "a continuous one, from derivative()",
                "Discretize the block: these engines step, they do not integrate.", node.line,
            )  # fmt: skip
        if "output" not in block.contract.methods:
            continue
        value = _probe(node, block, "output", signals, states.get(path), dtype)
        values = value if isinstance(value, tuple) else (value,)
        if len(values) != len(block.outputs):
            raise BlockError(
                path, f"{len(block.outputs)} outputs, {', '.join(block.outputs)}",
                f"{len(values)} from output()", "Return a tuple with one signal for each.", node.line,
            )  # fmt: skip
        for port, one in zip(block.outputs, values, strict=True):
            if type(one) in (bool, int, float):
                scalars.add(path)
                one = np.asarray(one, np.bool_ if type(one) is bool else dtype)
            elif getattr(one, "dtype", dtype) != dtype and one.dtype.kind == "f":
                scalars.add(path)  # as NumPy makes float64 of float32 and integers
                one = np.asarray(one, dtype)
            found(Port(node, port), _signal(node, port, one))
    for path, block in blocks.items():
        _check_ports(flat.nodes[path], block, signals)
        if "update" in block.contract.methods:
            after = _probe(flat.nodes[path], block, "update", signals, states[path], dtype)
            _check_state(flat.nodes[path], states[path], after)
    return Inferred(blocks, signals, states, frozenset(scalars))


def _in_dtype(node: Node, dtype: np.dtype[Any]) -> Block:
    """A node's block with its floating parameters in the run's float type, in which they are finite."""
    block = _block(node)
    with np.errstate(over="ignore"):
        cast = {
            name: array.astype(dtype)
            for name, array in block.parameters().items()
            if array.dtype.kind == "f" and array.dtype != dtype
        }
    for name, array in cast.items():
        check_finite(node.name, name, array, node)
    return block.with_parameters(cast) if cast else block


def _block(node: Node) -> Block:
    assert isinstance(node.block, Block)
    return node.block


def _check_wall(path: str, wall: Wall, got: Signal) -> None:
    """Hold a signal against what the input of a subsystem declares."""
    shape, dtype = getattr(wall.declared, "shape", None), getattr(wall.declared, "dtype", None)
    if (shape is not None and shape != got.shape) or (dtype is not None and dtype != got.dtype):
        outer, _, port = path.rpartition("/")
        raise SignalError(
            f"{outer}, input {port}", f"a signal of {_words(shape, dtype)}",
            f"{got} from {wall.port!r}", "The subsystem declares it so.", wall.node.line,
        )  # fmt: skip


def _words(shape: tuple[int, ...] | None, dtype: np.dtype[Any] | None) -> str:
    parts = [f"shape {shape}"] if shape is not None else []
    return " and ".join(parts + ([f"dtype {dtype}"] if dtype is not None else []))


def _initial_state(node: Node, block: Block, dtype: np.dtype[Any]) -> Any:
    def leaf(value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise BlockError(f"{node.name}, init()", "numbers", describe(value), line=node.line)
        array = array.astype(dtype if array.dtype.kind == "f" else array.dtype)
        array.flags.writeable = False
        return array

    init: Callable[[], Any] = getattr(block, "init")  # noqa: B009  (only stateful blocks have it)
    try:
        return tree_map(leaf, init())
    except BlocksimError:
        raise
    except Exception as error:
        raise _raised(node, "init", error, "") from error


def _arguments(
    node: Node, block: Block, method: str, port_value: Callable[[str], Any], given: dict[str, Any]
) -> list[Any]:
    """The arguments of a method, in its order: reserved names, then the ports' values."""
    taken: list[Any] = []
    for name in block.contract.methods[method]:
        if name.startswith("*"):
            taken += [port_value(p) for p in node.inputs if p not in block.contract.inputs]
        else:
            taken.append(given[name] if name in given else port_value(name))
    return taken


def _probe(
    node: Node,
    block: Block,
    method: str,
    signals: dict[tuple[str, str], Signal],
    state: Any,
    dtype: np.dtype[Any],
) -> Any:
    if method == "output":
        _check_ports(node, block, signals, feedthrough_only=True)

    def ones(port: str) -> Any:
        signal = _source_signal(node, port, signals)
        return np.ones(signal.shape, signal.dtype)

    given = {"xp": np, "t": 0.0, "dt": 1.0, "x": None if state is None else tree_map(np.array, state)}
    arguments = _arguments(node, block, method, ones, given)
    try:
        with np.errstate(all="ignore"):
            return getattr(block, method)(*arguments)
    except BlocksimError:
        raise
    except Exception as error:
        raise _raised(node, method, error, _inputs_as_text(node, signals)) from error


def _check_ports(
    node: Node,
    block: Block,
    signals: dict[tuple[str, str], Signal],
    feedthrough_only: bool = False,
) -> None:
    """Let the block's own `check` judge its inputs, once all that it takes are known."""
    check: Callable[..., None] | None = getattr(block, "check", None)
    known = [p for p in node.inputs if (node.wires[p].node.name, node.wires[p].name) in signals]
    if check is None or len(known) < len(node.inputs):
        return
    if feedthrough_only and not all(block.feedthrough(p) for p in node.inputs):
        return
    try:
        check(*(_source_signal(node, p, signals) for p in node.inputs))
    except Mismatch as bad:
        where = f"{node.name}, input {bad.port}" if bad.port else node.name
        origin = f" from {node.wires[bad.port]!r}" if bad.port in node.wires else ""
        got = bad.got + (origin or f" ({_inputs_as_text(node, signals)})")
        raise SignalError(where, bad.expected, got, bad.advice, node.line) from None


def _source_signal(node: Node, port: str, signals: dict[tuple[str, str], Signal]) -> Signal:
    origin = node.wires[port]
    return signals[origin.node.name, origin.name]


def _inputs_as_text(node: Node, signals: dict[tuple[str, str], Signal]) -> str:
    def text(port: str, origin: Port) -> str:
        signal = signals.get((origin.node.name, origin.name))
        return f"{port} {signal or 'unknown'} from {origin!r}"

    return ", ".join(text(p, o) for p, o in node.wires.items())


def _raised(node: Node, method: str, error: Exception, inputs: str) -> BlocksimError:
    kind = SignalError if isinstance(error, (ValueError, IndexError)) and inputs else BlockError
    got = f"{type(error).__name__}: {error}".rstrip(". \n")
    advice = f"Its inputs are {inputs}." if inputs else ""
    return kind(node.name, f"{node.block!r} to accept its inputs in {method}()", got, advice, node.line)


def _signal(node: Node, port: str, value: Any) -> Signal:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None or dtype.kind not in "biuf":
        raise BlockError(
            f"{node.name}, output {port}", "a real array or number", describe(value),
            "Return an array of floats, integers or booleans.", node.line,
        )  # fmt: skip
    return Signal(tuple(shape), np.dtype(dtype))


def _check_state(node: Node, before: Any, after: Any) -> None:
    def same(old: Any, new: Any) -> None:
        was, now = _signal(node, "next state", old), _signal(node, "next state", np.asarray(new))
        if was != now:
            sources = ", ".join(f"{p} from {o!r}" for p, o in node.wires.items())
            raise SignalError(
                f"{node.name}, next state", f"{was}, as the initial state fixes it",
                f"{now} ({sources})", "Make the initial value the shape and dtype of the signal.",
                node.line,
            )  # fmt: skip

    try:
        tree_map(same, before, after)
    except BlocksimError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise SignalError(
            f"{node.name}, next state", f"{len(leaves(before))} arrays in the form of init()",
            f"another form ({error})", "Return from update() what init() returns.", node.line,
        ) from error  # fmt: skip
