"""Model scripts: a Python file that defines a diagram, and what belongs to a run of it.

    def model(hidden=3, seed=0) -> Diagram           the diagram; required
    def inputs(seed) -> {name: array}                the data of a run, when the user gives none
    def reference(data, hidden) -> {name: array}     outputs, or signals by path, computed in another way
    def report(result, folder, image=0) -> [path]    prints, writes pictures, and returns their paths
    DT = 0.01                                        the step in seconds, else 1
    STEPS = 500                                      the number of steps of a diagram without inputs
    RECORD = ["error"]                               the signals to record beside the outputs

The named parameters of the functions are the script's options; each function gets those that it names,
and a default is written once. A function that names `dt` or `steps` gets those of the run. `data` holds
the inputs of the run by name, `result` is what `simulate` returned.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from blocksim.arguments import as_step_size
from blocksim.arguments import read_inputs as verify_inputs
from blocksim.block import Array, as_array
from blocksim.diagram import Diagram
from blocksim.errors import BlocksimError, FileError, InputError, Line, describe, did_you_mean
from blocksim.files import read_inputs
from blocksim.plan import Plan, compile
from blocksim.result import Result
from blocksim.simulate import simulate

FUNCTIONS = {"model": 0, "inputs": 0, "reference": 1, "report": 2}
"""The functions of a script, with the number of arguments that come before the options."""
RUN = ("dt", "steps")
"""The parameters that are the run's, not options."""


class Script:
    """A model script. Raises FileError for a file that is not one, or that raises."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.stem
        if not path.is_file():
            folder = path.parent
            near = sorted(f.name for f in folder.glob("*.py")) if folder.is_dir() else []
            got = "a folder" if path.is_dir() else "no such file"
            raise FileError(f"{path}", "a model script", got, did_you_mean(path.name, near))
        self.module = ModuleType(f"script_{self.name}")
        self.module.__file__ = str(path)
        sys.modules[self.module.__name__] = self.module  # where dataclasses look up annotations
        if (folder := str(path.parent.resolve())) not in sys.path:
            sys.path.insert(0, folder)  # as `python script.py` does
        with self._blame("a script that runs", f"`python {path}` shows the traceback."):
            exec(builtins.compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(self.module))
        if not inspect.isfunction(self.get("model")):
            functions = [name for name, value in vars(self.module).items() if inspect.isfunction(value)]
            raise FileError(
                f"{path}", "a function model() that returns a Diagram",
                f"the functions {', '.join(functions)}" if functions else "no function",
                "Define `def model(): ...`; its parameters are the options of a run.",
            )  # fmt: skip

    def get(self, name: str) -> Any:
        """A function or constant of the script; None if it has none of that name."""
        return getattr(self.module, name, None)

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The options by name, as the first function that gives a default declares them."""
        known: dict[str, inspect.Parameter] = {}
        for function in FUNCTIONS:
            for name, parameter in self._parameters(function).items():
                if name not in RUN and (name not in known or known[name].default is parameter.empty):
                    known[name] = parameter
        return known

    def _parameters(self, function: str) -> dict[str, inspect.Parameter]:
        if self.get(function) is None:
            return {}
        with self._blame(f"a function {function}()", "Rename what is none."):
            try:
                signature = inspect.signature(self.get(function), eval_str=True)
            except NameError:  # an annotation that only type checkers can see
                signature = inspect.signature(self.get(function))
        options = list(signature.parameters.values())[FUNCTIONS[function] :]
        return {p.name: p for p in options if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}

    def options(
        self, settings: Sequence[str] = (), dt: float | None = None, steps: int | None = None
    ) -> dict[str, Any]:
        """All options by name: the defaults, and what settings such as `hidden=8` put in their place.

        With them `dt`, and `steps` where they are known. Raises InputError for an unknown name, a value
        of another type, and an option without a value.
        """
        values = {n: p.default for n, p in self.parameters.items() if p.default is not p.empty}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in self.parameters:
                raise InputError(
                    f"option -p {setting}", f"an option of {self.path}", f"{name!r}",
                    f"Write --{name} {text}." if name in RUN else did_you_mean(name, self.parameters),
                )  # fmt: skip
            values[name] = _parse(setting, text, self.parameters[name])
        for name in self.parameters:
            if name not in values:
                raise InputError(
                    f"{self.path}, option {name}", "a value, since it has no default", "none",
                    f"Give -p {name}=VALUE.",
                )  # fmt: skip
        for name, given, constant in (("dt", dt, self.get("DT")), ("steps", steps, self.get("STEPS"))):
            value = constant if given is None else given
            if name == "dt":
                values[name] = as_step_size(1.0 if value is None else value)
            elif value is not None:
                values[name] = value
        return values

    def call(self, function: str, options: Mapping[str, Any], *arguments: Any) -> Any:
        """A function of the script, with those of the options that it names."""
        named = {name: options[name] for name in self._parameters(function) if name in options}
        advice = f"`python -i {self.path}` loads the script, to call {function}() by hand."
        with self._blame(f"{function}() to run", advice):
            return self.get(function)(*arguments, **named)

    def diagram(self, options: Mapping[str, Any]) -> Diagram:
        """The diagram for these options. Raises FileError where model() returns something else."""
        diagram = self.call("model", options)
        if not isinstance(diagram, Diagram):
            raise FileError(
                f"{self.path}, model()", "a Diagram", describe(diagram),
                "End it with `return d`, d being the blocksim.Diagram.",
            )  # fmt: skip
        return diagram

    @contextmanager
    def _blame(self, expected: str, advice: str) -> Iterator[None]:
        """What the script raises becomes a FileError with the script's own line."""
        try:
            yield
        except BlocksimError:
            raise
        except (Exception, SystemExit) as error:
            got, line = f"{type(error).__name__}: {error}", self._line(error)
            if isinstance(error, SyntaxError) and line:
                got = f"{type(error).__name__}: {error.msg} in {(error.text or '').strip()!r}"
            where = self.path.name if line else f"{self.path}"
            raise FileError(where, expected, got.rstrip(": .\n"), advice, line) from error

    def _line(self, error: BaseException) -> Line | None:
        """The line of the script that raised, or that cannot be parsed."""
        name = str(self.path)
        if isinstance(error, SyntaxError) and error.filename == name and error.lineno:
            return name, error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == name and frame.lineno]
        return (name, lines[-1]) if lines else None


@dataclass(frozen=True)
class Case:
    """One run of a script: its diagram for some options, the data, and the step."""

    script: Script
    options: dict[str, Any]
    diagram: Diagram
    plan: Plan
    inputs: dict[str, Array]
    batch: int | None
    steps: int
    dt: float

    @classmethod
    def prepare(
        cls,
        script: Script,
        settings: Sequence[str] = (),
        file: Path | None = None,
        steps: int | None = None,
        dt: float | None = None,
    ) -> Case:
        """The case of settings such as `hidden=8`, with the data of a file, else of the script.

        Of data that is longer than `steps`, the first steps are taken. Raises the errors of the
        script, of the file and of `compile`, and InputError where data or steps are missing.
        """
        options = script.options(settings, dt, steps)
        diagram = script.diagram(options)
        plan = compile(diagram)
        data: dict[str, Any] = {}
        if file is not None:
            data = read_inputs(file, plan.inputs)
        elif plan.inputs and script.get("inputs") is None:
            raise InputError(
                f"{script.path}", f"data for the inputs {', '.join(plan.inputs)}", "none",
                "Give --input FILE, or define inputs() in the script.",
            )  # fmt: skip
        elif plan.inputs:
            data = script.call("inputs", options)
        elif "steps" not in options:
            raise InputError(
                f"{script.path}", "the number of steps, since the diagram has no inputs", "none",
                "Give --steps N, or define STEPS in the script.",
            )  # fmt: skip
        arrays, length, batch = verify_inputs(plan, data, None if plan.inputs else options["steps"])
        if steps and steps < length:
            arrays, length = [a[:steps] if batch is None else a[:, :steps] for a in arrays], steps
        elif steps and steps > length:
            raise InputError(
                "--steps", f"at most {length}, the length of the inputs", f"{steps}", "Give longer inputs."
            )
        return cls(
            script, options | {"steps": length}, diagram, plan,
            dict(zip(plan.inputs, arrays, strict=True)), batch, length, options["dt"],
        )  # fmt: skip

    def first(self, runs: int) -> Case:
        """The same with at most so many runs of the batch."""
        if self.batch is None or self.batch <= runs:
            return self
        return replace(self, inputs={n: a[:runs] for n, a in self.inputs.items()}, batch=runs)

    def simulate(self, **keywords: Any) -> Result:
        """Run it; `keywords` are those of `blocksim.simulate`."""
        return simulate(self.diagram, self.inputs, steps=self.steps, dt=self.dt, **keywords)

    def reference(self) -> dict[str, Array]:
        """What the script's reference() computes, by path; nothing if it has none.

        Raises FileError for a name that is no signal, or a shape that is not the signal's.
        """
        if self.script.get("reference") is None:
            return {}
        found = self.script.call("reference", self.options, self.inputs)
        where = f"{self.script.path}, reference()"
        if not isinstance(found, Mapping):
            raise FileError(where, "a dict of arrays by the name of an output", describe(found))
        lead = (self.steps,) if self.batch is None else (self.batch, self.steps)
        for name, value in found.items():
            if name not in self.plan.signals:
                raise FileError(
                    where, "names of outputs, or paths of signals", repr(name),
                    did_you_mean(str(name), self.plan.signals),
                )  # fmt: skip
            shape = lead + self.plan.signals[name].shape
            array = as_array(value)
            if array.shape != shape or array.dtype.kind not in "biuf":
                raise FileError(
                    f"{where}, {name}", f"an array of real numbers of shape {shape}", describe(value)
                )
        return {name: np.asarray(value) for name, value in found.items()}

    def report(self, result: Result, folder: Path) -> list[Path]:
        """Let the script report on a run; the files that it wrote."""
        written = self.script.call("report", self.options, result, folder)
        if written is None:
            return []
        if not isinstance(written, (list, tuple)) or not all(isinstance(f, (str, Path)) for f in written):
            raise FileError(f"{self.script.path}, report()", "a list of paths, or None", describe(written))
        return [Path(file) for file in written]


def _parse(setting: str, text: str, parameter: inspect.Parameter) -> Any:
    """The value in the type of the parameter's annotation or default; else a Python literal."""
    words = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    kind = next((k for k in (parameter.annotation, type(parameter.default)) if k in words), None)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return kind(text) if kind else ast.literal_eval(text)
    except (ValueError, KeyError, SyntaxError, TypeError, MemoryError, RecursionError):
        default = parameter.default
        raise InputError(
            f"option -p {setting}", words.get(kind, "a Python value such as 3, [1, 2] or 'text'"),
            repr(text), f"Its default is {default!r}." if default is not parameter.empty else "",
        ) from None  # fmt: skip
