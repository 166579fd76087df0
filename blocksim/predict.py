"""What a network says of sequences: of many, of one that goes on, of its own future, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.arguments import as_count
from blocksim.block import Array
from blocksim.diagram import Diagram
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.library import UnitDelay
from blocksim.nn import Padded, batches, pad
from blocksim.nn.sequences import as_sequence
from blocksim.node import Node, Port
from blocksim.result import Result
from blocksim.scan import Scan
from blocksim.simulate import simulate

LENGTH = "length"
KEPT = 64
"""Networks, for as many lengths, that are kept while predictions are made."""


def predict(
    network: Diagram | Callable[[int], Diagram],
    sequences: Iterable[ArrayLike] | Padded,
    batch_size: int = 32,
    *,
    output: str | None = None,
    **options: Any,
) -> list[Array]:
    """The network's output for each sequence (T_i, *shape), in their order: as of each run alone.

    network: a diagram with one input, which steps along each sequence; or a function that makes one with
    the inputs x (T, *shape) and `length` for a T, `lambda T: nn.sequential(layers, steps=T)`; or such a one,
    for all that are not longer. sequences: a list, or any iterable, read as it is needed, or what `nn.pad`
    made of them, on whichever side. They run in batches of about one length, padded at the end, which
    changes no result. output: the name of the one to give, the first one if not given. options: those of
    `simulate`. Raises its errors, and InputError for sequences that do not fit, with their number.

    >>> import blocksim as bs, numpy as np
    >>> layers = [bs.nn.rnn([[1.0]], [[0.5]], [0.0], activation=bs.library.ReLU()), bs.nn.last()]
    >>> y = bs.predict(lambda T: bs.nn.sequential(layers, steps=T), [np.ones((3, 1)), np.ones((1, 1))])
    >>> y
    [array([1.75]), array([1.])]
    """
    if isinstance(network, Diagram):
        made: Callable[[int], Diagram] = lambda steps: network  # noqa: E731
    elif callable(network):
        made = lru_cache(KEPT)(network)
    else:
        expected = "a diagram, or a function that makes one for a number of steps"
        raise InputError("predict, network", expected, describe(network), line=user_line())
    if isinstance(sequences, Padded):
        sequences = sequences.sequences()
    found: dict[int, Array] = {}
    for batch in batches(sequences, batch_size):
        for i, n in zip(batch.index, batch.lengths, strict=True):
            if n == 0:
                raise InputError(
                    f"predict, sequence {i}", "at least one step", "none", "Leave it out.", user_line()
                )
        rows = _outputs(made(batch.values.shape[1]), batch, output, options)
        found.update(zip(batch.index.tolist(), rows, strict=True))
    return [found[i] for i in range(len(found))]


def _outputs(diagram: Diagram, batch: Padded, output: str | None, options: dict[str, Any]) -> list[Array]:
    """The outputs for the sequences of a batch, without their padding."""
    key, name, lengths = _input(diagram), _output(diagram, output), batch.lengths
    if LENGTH not in diagram.inputs:
        return batch.sequences(simulate(diagram, {key: batch.values}, **options)[name])
    values = _at_length(diagram, key, batch)
    result = simulate(diagram, {key: values[:, None], LENGTH: lengths[:, None]}, **options)
    rows = result[name][:, 0]
    if LENGTH not in diagram.outputs:
        return list(rows)
    return [row[:n] for row, n in zip(rows, result[LENGTH][:, 0], strict=True)]


def _at_length(diagram: Diagram, key: str, batch: Padded) -> Array:
    """The values with as many steps as the diagram has. Raises InputError for a longer sequence."""
    shape = getattr(diagram.inputs[key].block, "shape", None)
    if not shape or shape[0] == batch.values.shape[1]:
        return batch.values
    i = int(np.argmax(batch.lengths))
    if batch.lengths[i] > shape[0]:
        raise InputError(
            f"sequence {batch.index[i]}", f"at most {shape[0]} steps, as the network has",
            f"{batch.lengths[i]}", "Give a function that makes a network for any number of steps.",
            user_line(),
        )  # fmt: skip
    return pad(list(batch.values), length=shape[0]).values


def _input(diagram: Diagram) -> str:
    names = [name for name in diagram.inputs if name != LENGTH]
    if len(names) != 1:
        raise InputError(
            f"network {diagram.name!r}", "one input, or one and a length", f"{', '.join(names) or 'none'}",
            "Run it with simulate.", user_line(),
        )  # fmt: skip
    return names[0]


def _output(diagram: Diagram, name: str | None) -> str:
    if name in diagram.outputs or (name is None and diagram.outputs):
        return next(iter(diagram.outputs)) if name is None else name
    advice = did_you_mean(name or "", diagram.outputs)
    raise InputError(f"network {diagram.name!r}, output", "the name of one", repr(name), advice, user_line())


class Predictor:
    """Predictions for a sequence that comes in chunks: the state is carried from one to the next.

    options: those of `simulate`; `initial_state` is where it starts, and where reset() goes back to.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("z", bs.library.UnitDelay(9.0), d.input("x")))
    >>> predictor = bs.Predictor(d)
    >>> predictor.predict([1.0, 2.0]), predictor.predict([3.0])
    (array([9., 1.]), array([2.]))
    >>> predictor.reset()
    >>> predictor.predict([3.0])
    array([9.])
    """

    def __init__(self, diagram: Diagram, *, output: str | None = None, **options: Any) -> None:
        self._diagram, self._options = diagram, options
        self._key, self._output = _input(diagram), _output(diagram, output)
        self.reset()

    def reset(self) -> None:
        """Go back to the state of the beginning."""
        self.state: Mapping[str, Any] = self._options.get("initial_state") or {}
        """The state that the next chunk starts from, by path; what is not there, from its initial value."""

    def predict(self, chunk: ArrayLike) -> Array:
        """The output for the next steps, (T, *shape), or (B, T, *shape) of a batch that stays the same."""
        given: dict[str, Any] = self._options | {"initial_state": self.state}
        result = simulate(self._diagram, {self._key: chunk}, **given)
        self.state = result.final_state
        return result[self._output]


def forecast(
    diagram: Diagram,
    warmup: ArrayLike,
    steps: int,
    *,
    observed: ArrayLike | None = None,
    output: str | None = None,
    **options: Any,
) -> Array:
    """The next `steps` values (steps, *shape) of a sequence `warmup` (T, *shape), from a network that says
    at each step what comes next.

    Closed loop: after the warm-up the network reads its own output. Open loop: it reads what was `observed`
    (k, *shape) as far as this goes, and then its own output. options: those of `simulate`. Raises its
    errors, and InputError for an output of another shape than the input.

    >>> import blocksim as bs
    >>> doubled = bs.nn.dense([[2.0]], [0.0])
    >>> bs.forecast(doubled, [[1.0]], 3).ravel(), bs.forecast(doubled, [[1.0]], 3, observed=[[5.0]]).ravel()
    (array([2., 4., 8.]), array([ 2., 10., 20.]))
    """
    key, name = _input(diagram), _output(diagram, output)
    steps = as_count("forecast, steps", steps)
    known = [as_sequence("forecast, warmup", 0, warmup, None)]
    if observed is not None:
        known.append(as_sequence("forecast, observed", 0, observed, known[0].shape[1:]))
    result = simulate(diagram, {key: np.concatenate(known)}, **options)
    y = result[name][len(known[0]) - 1 :][:steps]
    if y.shape[1:] != known[0].shape[1:]:
        raise InputError(
            f"forecast, network {diagram.name!r}", f"an output of shape {known[0].shape[1:]}, as its input",
            f"shape {y.shape[1:]}", "What comes out is to go in at the next step.", user_line(),
        )  # fmt: skip
    if len(y) == steps:
        return y
    loop = closed_loop(diagram, y[-1], output=name)
    state = {path if path[0] == "@" else f"network/{path}": x for path, x in result.final_state.items()}
    params = {f"network/{path}": fields for path, fields in (options.get("params") or {}).items()}
    options |= {"initial_state": state, "params": params}
    return np.concatenate([y, simulate(loop, steps=steps - len(y), **options)[name]])


def closed_loop(
    diagram: Diagram, initial: ArrayLike, *, output: str | None = None, name: str = "closed_loop"
) -> Diagram:
    """A diagram without inputs: the `network` reads its own output of the step before, at first `initial`.

    Raises InputError for a diagram without exactly one input.

    >>> import blocksim as bs
    >>> d = bs.closed_loop(bs.nn.dense([[2.0]], [0.0]), [1.0])
    >>> bs.simulate(d, steps=3)["y"].ravel()
    array([2., 4., 8.])
    """
    d = Diagram(name)
    feedback = d.add("feedback", UnitDelay(initial))
    node = d.add("network", diagram, **{_input(diagram): feedback})
    key = _output(diagram, output)
    d.connect(node[key], feedback)
    d.output(key, node[key])
    return d


class Activations(Result):
    """The outputs of the layers of a network by their names; those over the time are drawn."""

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        names: Any = None,
        *,
        run: int = 0,
        theme: str = "light",
    ) -> Any:
        """As of a Result; without names, all layers that have a row for each step."""
        if names is None:
            names = [name for name in self.signals if name in self.timed]
        return super().plot(path, names, run=run, theme=theme)

    timed: frozenset[str] = frozenset()
    """The names of the layers that have a row for each step."""


def activations(network: Diagram, x: ArrayLike, **options: Any) -> Activations:
    """The first output of every layer of a network, by name, for one sequence x (T, *shape), with `.plot()`.

    Of a network of whole sequences, layers that give one value for all have just that; padding is cut off.
    options: those of `simulate`. Raises its errors.

    >>> import blocksim as bs, numpy as np
    >>> d = bs.nn.sequential([bs.nn.dense([[2.0]], [1.0]), bs.nn.relu(), bs.nn.last()], steps=4, shape=1)
    >>> found = bs.activations(d, [[1.0], [-3.0]])
    >>> {name: found[name].ravel().tolist() for name in d.nodes}
    {'dense': [3.0, -5.0], 'relu': [3.0, 0.0], 'last': [0.0]}
    """
    key, names = _input(network), [name for name, node in network.nodes.items() if node.outputs]
    if LENGTH not in network.inputs:
        result = simulate(network, {key: x}, record=names, **options)
        timed, rows, steps = names, {name: result[name] for name in names}, len(result.time)
    else:
        batch = pad([as_sequence("activations", 0, x, None)])
        steps, values = int(batch.lengths[0]), _at_length(network, key, batch)
        lengths = {name: port for name, node in network.nodes.items() if (port := _length_of(node))}
        inside = {
            name: port.path for name, port in lengths.items() if port.node is not network.inputs[LENGTH]
        }
        result = simulate(
            network, {key: values, LENGTH: batch.lengths}, record=[*names, *inside.values()], **options
        )
        ends = {name: int(result[inside[name]][0]) if name in inside else steps for name in lengths}
        rows = {name: result[name][0] for name in names}
        rows |= {name: rows[name][:n] for name, n in ends.items()}
        timed = [name for name, n in ends.items() if n == steps]
    made = Activations(rows, result.dt * np.arange(steps), result.final_state, result.job, result.engine)
    made.timed = frozenset(timed)
    return made


def _length_of(node: Node) -> Port | None:
    """The signal that says how many rows the output of a layer has; None where it is one value."""
    if LENGTH in node.outputs:
        return node[LENGTH]
    return node.wires.get(LENGTH) if isinstance(node.block, Scan) else None
