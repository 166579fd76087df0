"""What a block is: an immutable dataclass of parameters with pure functions.

What a block reads is what its methods take. `xp` (the array namespace), `t` (time in seconds), `dt`
(the step in seconds) and `x` (the state) are reserved; every other parameter of a method is an input
port, in order, and `*u` a variadic port list. A port taken by `output` is direct feedthrough.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.errors import Line, ParameterError, describe, user_line

Array = NDArray[Any] | Any
"""A signal or a parameter: an array. Whatever a user gives for a parameter is made one."""
RESERVED = ("xp", "t", "dt", "x")
METHODS = ("output", "update", "derivative")


@dataclass(frozen=True)
class Signal:
    """The shape and dtype of what flows through a port."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


@dataclass(frozen=True)
class Contract:
    """What the signatures of a block class say: each method's parameters, the ports, the feedthrough."""

    methods: dict[str, tuple[str, ...]]
    inputs: tuple[str, ...]
    variadic: str | None
    feedthrough: frozenset[str]


def param(*, default: Any = dataclasses.MISSING, keep_dtype: bool = False) -> Any:
    """A tunable array of a block: listed by `Diagram.parameters()`, replaceable in each run.

    The value becomes a read-only array. Floats take the run's float type and integers become floats;
    with `keep_dtype`, integer and boolean arrays stay what they are (Python ints still become floats).
    """
    return dataclasses.field(default=default, metadata={"param": True, "keep_dtype": keep_dtype})


class Block:
    """The base of all blocks. Subclasses are declared with `@block`, in a few lines.

    >>> import blocksim as bs
    >>> @bs.block
    ... class Leak(bs.Block):
    ...     initial: bs.Array = bs.param()
    ...     rate: float = 0.5
    ...     def init(self): return self.initial
    ...     def output(self, x): return x
    ...     def update(self, x, u): return self.rate * x + u
    >>> Leak(0.0).input_ports(), Leak.contract.feedthrough
    (('u',), frozenset())
    """

    outputs: ClassVar[Any] = ("y",)
    contract: ClassVar[Contract]
    guarded: ClassVar[bool]
    """Whether engines verify each value that the block returns; true of all code that is not blocksim's."""
    elementwise: ClassVar[Any] = False
    """Whether element i of the output depends on the elements i of inputs and parameters alone."""
    transparent: ClassVar[Any] = False
    """Whether an input or a state that is not finite always makes the output and the next state so."""

    def __post_init__(self) -> None:
        for field in param_fields(type(self)):
            value = _as_param(type(self), field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def arity(self) -> int | Sequence[str] | None:
        """The number (or the names) of the ports of `*u`; None: as many as are wired."""
        return None

    def input_ports(self, wired: int = 0) -> tuple[str, ...]:
        """The names of the input ports; `wired` counts those of a `*u` whose number is open."""
        fixed, arity = self.contract.inputs, self.arity()
        if self.contract.variadic is None:
            return fixed
        if isinstance(arity, Sequence):
            return fixed + tuple(arity)
        count = max(0, wired - len(fixed)) if arity is None else arity
        return fixed + tuple(f"{self.contract.variadic}{i + 1}" for i in range(count))

    def feedthrough(self, port: str) -> bool:
        """Whether `output` reads the port."""
        name = port if port in self.contract.inputs else self.contract.variadic
        return name in self.contract.feedthrough

    def parameters(self) -> dict[str, Array]:
        """The tunable arrays by field name."""
        return {f.name: getattr(self, f.name) for f in param_fields(type(self))}

    def matrix(self) -> str | None:
        """The parameter K of a block that is y = K @ u, if it is one."""
        return None

    def with_parameters(self, values: dict[str, Any]) -> Self:
        """The same block with some parameters replaced, unchecked: the values may be traced."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__.update(values)
        return other

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, field.name)
            default = field.default
            if isinstance(value, np.ndarray):
                if value.ndim == 0 and default is not dataclasses.MISSING and value == default:
                    continue
                text = f"{value.item():g}" if value.ndim == 0 else "x".join(map(str, value.shape))
            elif value is None or value is default:
                continue
            else:
                text = getattr(value, "__name__", None) or repr(value)
            shown.append(f"{field.name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


B = TypeVar("B", bound=type[Block])


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(param, dataclasses.field))
def block(cls: B) -> B:
    """Make a class a block: a frozen dataclass whose ports are read off its methods' signatures.

    Raises TypeError when a method's signature is not a contract.
    """
    made = dataclass(frozen=True, eq=False, repr=False)(cls)
    made.contract = _read_contract(made)
    if "guarded" not in cls.__dict__:
        made.guarded = cls.__module__.partition(".")[0] != "blocksim"
    if not vars(cls).keys().isdisjoint(METHODS):  # what is known of another class's methods is not of these
        for name in {"elementwise", "transparent", "matrix"} - vars(cls).keys():
            setattr(made, name, vars(Block)[name])
    return made


def _read_contract(cls: type[Block]) -> Contract:
    methods: dict[str, tuple[str, ...]] = {}
    inputs: dict[str, None] = {}
    variadic: str | None = None
    for name in METHODS:
        method = getattr(cls, name, None)
        if method is None:
            continue
        parameters = list(inspect.signature(method).parameters.values())[1:]
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                if variadic not in (None, p.name):
                    raise TypeError(f"{cls.__name__}: two variadic ports, *{variadic} and *{p.name}")
                variadic = p.name
            elif p.kind is not p.POSITIONAL_OR_KEYWORD or p.default is not p.empty:
                raise TypeError(f"{cls.__name__}.{name}: port {str(p)!r} must be a plain name or *name")
            elif p.name not in RESERVED:
                inputs[p.name] = None
        methods[name] = tuple(("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in parameters)
    stateful = "update" in methods or "derivative" in methods
    if stateful != hasattr(cls, "init"):
        raise TypeError(f"{cls.__name__}: a state needs init() and one of update() and derivative()")
    if not stateful and any("x" in taken for taken in methods.values()):
        raise TypeError(f"{cls.__name__}: a method reads the state x, but the block has no init()")
    if not methods:
        raise TypeError(f"{cls.__name__}: a block needs an output(), update() or derivative() method")
    if "output" not in methods and "outputs" not in cls.__dict__:
        cls.outputs = ()
    feedthrough = frozenset(p.lstrip("*") for p in methods.get("output", ())) - set(RESERVED)
    return Contract(methods, tuple(inputs), variadic, feedthrough)


@functools.cache
def param_fields(cls: type[Block]) -> list[dataclasses.Field[Any]]:
    """The fields of a block class that were declared with `param()`."""
    return [f for f in dataclasses.fields(cls) if f.metadata.get("param")]  # pyright: ignore[reportArgumentType]


def as_array(value: Any) -> Array:
    """The value as an array; None as one where it cannot be made one, as of rows of several lengths."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)


def _as_param(cls: type[Block], field: dataclasses.Field[Any], value: ArrayLike) -> Array:
    line: Line | None = user_line()
    array = as_array(value)
    if array.dtype.kind not in "biuf":
        raise ParameterError(
            f"{cls.__name__}, parameter {field.name}",
            "a real number or an array of real numbers, all rows of the same length",
            describe(value),
            "Pass a float, a list of floats or a numpy array.",
            line,
        )
    typed = array.dtype.kind == "b" or isinstance(value, (np.ndarray, np.generic))
    keep = field.metadata["keep_dtype"] and typed and array.dtype.kind in "biu"
    array = array.astype(array.dtype if keep else np.float64)
    array.flags.writeable = False
    return array
