"""The command line: `blocksim run`, `draw`, `check`, `verify`, `linearize`, `equilibria` on model scripts."""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

import blocksim as bs
from blocksim.block import Array
from blocksim.draw import picture, write
from blocksim.errors import BlocksimError, InputError
from blocksim.files import write_outputs
from blocksim.plan.passes import optimize
from blocksim.plan.program import Program
from blocksim.plan.tree import leaves
from blocksim.script import Case, Script

LONG = 10_000
"""A run of more steps than this shows its progress."""
SHOWN = 10
"""How many poles, zeros or gains `linearize` prints."""
RUNS = 20
"""How many runs of a batch `verify` takes."""


class Guarded(TyperGroup):
    """Commands whose errors are one paragraph on stderr and the exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        os.environ.setdefault("MPLBACKEND", "Agg")
        try:
            return super().invoke(ctx)
        except BlocksimError as error:
            message = _without_foreign_line(error)
        except MemoryError as error:
            message = f"{error}. Run fewer steps, or record fewer signals."
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: expected a file to read or write, got: {error.strerror}."
        typer.echo(f"Error: {message}", err=True)
        raise typer.Exit(1)


def _without_foreign_line(error: BlocksimError) -> str:
    """The message, without the line if this is not one of the user's files but the caller of a command."""
    if error.line and Path(error.line[0]).is_relative_to(Path(typer.__file__).parent):
        return str(BlocksimError(error.where, error.expected, error.got, error.advice))
    return str(error)


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"blocksim {bs.__version__}")
        raise typer.Exit


def _settings(given: list[str] | None) -> list[str]:
    for setting in given or []:
        if "=" not in setting:
            raise typer.BadParameter(f"expected name=value, got {setting!r}")
    return given or []


Model = Annotated[Path, typer.Argument(metavar="MODEL.py", help="A script that defines model().")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "-p", metavar="NAME=VALUE", callback=_settings, help="Set an option of the model; repeatable."
    ),
]
Input = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="The inputs' data: .csv, .npy or .npz."),
]
Steps = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The number of steps; of longer inputs, the first.")
]
Dt = Annotated[float | None, typer.Option(metavar="S", help="The step in seconds.")]


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate, draw, check and verify block diagrams that are defined in Python."""


@app.command(epilog="Example: [bold]blocksim run models/pid.py -p kp=5 --out results[/bold]")
def run(
    model: Model,
    settings: Settings = None,
    input: Input = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where files go, else here; saves the outputs too.")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="ENGINE", help="numpy, jax or bdsim.")] = "numpy",
    steps: Steps = None,
    dt: Dt = None,
) -> None:
    """Simulate a model; draw its diagram and its signals."""
    case = Case.prepare(Script(model), settings or [], input, steps, dt)
    result = case.simulate(engine=engine, record=case.script.get("RECORD"), progress=_is_long(case))
    batched, outputs = case.batch is not None, {name: result[name] for name in case.plan.outputs}
    runs = f", {case.batch} runs" if batched else ""
    typer.echo(f"{case.script.name}: {case.steps} steps of {case.dt:g} s{runs}, engine {engine}")
    for name, array in outputs.items():
        last, of = (array[0, -1], "of the first run ") if batched else (array[-1], "")
        text = np.array2string(last, threshold=8, formatter={"float_kind": "{:.5g}".format})
        typer.echo(f"  {name} {array.shape}, last {of}{text}")

    folder = out or Path()
    folder.mkdir(parents=True, exist_ok=True)
    start = str(folder / case.script.name)
    bs.draw(case.diagram, f"{start}.png")
    files = [f"{start}.png"]
    if case.script.get("report"):
        files += map(str, case.report(result, folder))
    else:
        result.plot(f"{start}_signals.png")
        files.append(f"{start}_signals.png")
    if input or out:
        write_outputs(f"{start}.npz", result.time, outputs)
        files.append(f"{start}.npz")
    typer.echo(f"wrote {', '.join(files)}")


@app.command(
    epilog="Example: [bold]blocksim draw models/lstm_stacked.py -o stack.svg --depth second=1 --report[/bold]"
)
def draw(
    model: Model,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The picture: .png, .svg or .pdf.")
    ],
    depth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N or PATH=N",
            help="How many levels of subsystems to open, in all or below a path; repeatable; else all.",
        ),
    ] = None,
    theme: Annotated[str, typer.Option(metavar="THEME", help="light or dark.")] = "light",
    report: Annotated[
        bool, typer.Option("--report", help="Print the faults and measures of the picture; fail on a fault.")
    ] = False,
    settings: Settings = None,
) -> None:
    """Draw a model's diagram."""
    script = Script(model)
    scene = picture(script.diagram(script.options(settings or [])), _levels(depth or []))
    write(scene, out, theme)
    typer.echo(f"wrote {out}" + (", a large diagram, laid out with less search" if scene.quick else ""))
    if report:
        from blocksim.draw.quality import report as measure

        found = measure(scene)
        typer.echo(str(found))
        if not found.clean:
            raise typer.Exit(1)


def _levels(given: list[str]) -> dict[str, int]:
    """Depths by path: `2` is for the whole, `lstm/i=0` below a path."""
    levels = {}
    for text in given:
        path, _, number = text.rpartition("=")
        if not number.isdecimal():
            raise typer.BadParameter(f"--depth: expected N or PATH=N with a whole number N, got {text!r}")
        levels[path] = int(number)
    return levels


@app.command(epilog="Example: [bold]blocksim check models/lstm_layer.py -p hidden=8[/bold]")
def check(
    model: Model,
    settings: Settings = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print the operations of a step, and what the jax engine makes of them."),
    ] = False,
) -> None:
    """Compile a model; print its wiring, loops, shapes, states and parameters."""
    script = Script(model)
    options = script.options(settings or [])
    diagram = script.diagram(options)
    compiled = bs.compile(diagram)
    if plan:
        slots = compiled.outputs.values()
        typer.echo(f"before\n{Program.of(compiled, slots)}\nafter\n{optimize(compiled, slots)}")
        return
    counts, arrays = diagram.parameter_counts(), diagram.parameters()
    initial = sum(
        arrays[path]["initial"].size for path in compiled.initial_state if "initial" in arrays.get(path, ())
    )
    typer.echo(str(diagram))
    _list("loops", (" -> ".join([*loop, loop[0]]) for loop in diagram.loops()))
    _list("inputs", (f"{name} {signal}" for name, signal in compiled.inputs.items()))
    _list("outputs", (f"{name} {compiled.signals[name]}" for name in compiled.outputs))
    _list("states", (f"{path} {_forms(state)}" for path, state in compiled.initial_state.items()))
    total = f"parameters: {counts['']}, of which {initial} are initial states"
    _list(total, (f"{name} {counts[name]}" for name in diagram.nodes if counts[name]))
    _list("options", (f"-p {name}={options[name]}" for name in script.parameters))


@app.command(epilog="Example: [bold]blocksim verify models/lstm_layer.py --tolerance 1e-13[/bold]")
def verify(
    model: Model,
    settings: Settings = None,
    tolerance: Annotated[
        float, typer.Option(metavar="X", help="The largest difference that passes.")
    ] = 1e-12,
    input: Input = None,
    steps: Steps = None,
    dt: Dt = None,
) -> None:
    """Compare every signal with bdsim's, and the outputs with the script's own reference.

    Differences are relative to the largest magnitude of the signal, where that is above 1.
    """
    from blocksim.interop.bdsim import mapping

    whole = Case.prepare(Script(model), settings or [], input, steps, dt)
    case = whole.first(RUNS)
    numpy = case.simulate(record="**")
    bdsim = case.simulate(record="**", engine="bdsim", progress=_is_long(case))
    references = case.reference()

    names = {slot: name for name, slot in reversed(case.plan.names.items())}
    names |= {slot: name for name, slot in case.plan.outputs.items()}
    table = Table("signal", "numpy - bdsim", "numpy - reference")
    worst = 0.0
    for slot, name in sorted(names.items()):
        same = [array for path, array in references.items() if case.plan.names[path] == slot]
        row = [max(_difference(numpy[name], b) for b in others) for others in ([bdsim[name]], same) if others]
        table.add_row(escape(name), *(f"{'[red]' if d > tolerance else ''}{d:.1e}" for d in row))
        worst = max(worst, *row)
    Console().print(table)

    if case is not whole:
        typer.echo(f"compared the first {case.batch} of {whole.batch} runs")
    kinds = Counter(kind.partition(":")[0] for kind in mapping(case.plan).values())
    typer.echo(
        f"in bdsim {kinds['native']} blocks are bdsim's own, {kinds['bridge']} are bridges "
        f"(their arithmetic written a second time), {kinds['own code']} run the script's own code"
    )
    if not references:
        typer.echo(f"{model} has no reference(): the outputs are compared with bdsim alone")
    passed = worst <= tolerance
    typer.echo(
        f"{'equal' if passed else 'DIFFERENT'}: largest difference {worst:.1e}, tolerance {tolerance:g}"
    )
    if not passed:
        raise typer.Exit(1)


Picture = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="A picture: .png, .svg or .pdf.")
]
Constant = Annotated[
    list[str] | None,
    typer.Option(
        "-u", "--constant", metavar="NAME=VALUE", callback=_settings,
        help="The constant value of an input, else 0; repeatable.",
    ),
]  # fmt: skip


@app.command(
    epilog="Example: [bold]blocksim linearize models/pid.py -i setpoint -y plant -o poles.png[/bold]"
)
def linearize(
    model: Model,
    settings: Settings = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("-i", "--from", metavar="SIGNAL", help="An input, or a signal to cut; repeatable."),
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("-y", "--to", metavar="SIGNAL", help="An output; repeatable.")
    ] = None,
    within: Annotated[
        str | None, typer.Option(metavar="PATH", help="The subsystem to linearize, else the whole.")
    ] = None,
    rest: Annotated[
        bool, typer.Option("--rest", help="At an equilibrium, else at the initial state.")
    ] = False,
    constant: Constant = None,
    dt: Dt = None,
    out: Picture = None,
) -> None:
    """Linearize a model; print its sizes, poles, zeros and gains; draw the poles and zeros."""
    script = Script(model)
    options = script.options(settings or [], dt)
    diagram = script.diagram(options)
    values = _constants(constant)
    at = bs.analysis.equilibrium(diagram, values, dt=options["dt"]) if rest else values
    found = bs.analysis.linearize(diagram, at, inputs, outputs, within=within, dt=options["dt"])
    where = "the equilibrium" if rest else "the initial state"
    typer.echo(f"{script.name} at {where}: {str(found)[1:-1].removeprefix('StateSpace: ')}")
    verdict = "stable" if found.stable else "not stable"
    typer.echo(f"{verdict}: the largest pole has magnitude {found.spectral_radius:.6g}")
    for what, values in (("poles", found.poles), ("zeros", found.zeros)):
        _list(f"{what}: {len(values)}" if len(values) else what, _numbers(values))
    pairs = [(i, j) for i in range(len(found.outputs)) for j in range(len(found.inputs))]
    rows = [f"{found.outputs[i]} from {found.inputs[j]}: {found.dcgain[i, j]:.6g}" for i, j in pairs[:SHOWN]]
    _list("gains at rest", [*rows, f"and {len(pairs) - SHOWN} more"] if len(pairs) > SHOWN else rows)
    if out:
        bs.analysis.plot_poles_zeros(found, out, title=script.name)
        typer.echo(f"wrote {out}")


@app.command(
    epilog="Example: [bold]blocksim equilibria models/lstm_layer.py -p hidden=8 -o eigenvalues.png[/bold]"
)
def equilibria(
    model: Model,
    settings: Settings = None,
    starts: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many random starts to search from.")
    ] = 32,
    constant: Constant = None,
    dt: Dt = None,
    out: Picture = None,
) -> None:
    """Find the states that a step leaves as they are, at constant inputs; draw their eigenvalues."""
    script = Script(model)
    options = script.options(settings or [], dt)
    diagram, values = script.diagram(options), _constants(constant)
    found = bs.analysis.equilibria(diagram, values, starts=starts, dt=options["dt"])
    typer.echo(f"{script.name}: {found.reason}")
    for number, point in enumerate(found, 1):
        verdict = "stable" if point.stable else "not stable"
        index = f"index {point.index:+d}" if point.index else "singular"
        typer.echo(
            f"{number}. {verdict}, largest eigenvalue {point.spectral_radius:.6g}, {index}, "
            f"residual {point.residual:.1e}"
        )
        for path, state in (point.state or {}).items():
            text = np.array2string(state, threshold=8, formatter={"float_kind": "{:.5g}".format})
            typer.echo(f"  {path} {text}")
    if not len(found):
        raise typer.Exit(1)
    if out:
        named = {f"{number}": point for number, point in enumerate(found, 1)}
        bs.analysis.plot_eigenvalues(named, out, title=f"{script.name}, eigenvalues at its equilibria")
        typer.echo(f"wrote {out}")


def _constants(given: list[str] | None) -> dict[str, Any]:
    """Values of inputs by name; numbers and lists of them as Python writes them."""
    found = {}
    for setting in given or []:
        name, _, text = setting.partition("=")
        try:
            found[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise InputError(f"-u {setting}", "a number, or a list as [1, 2]", repr(text)) from None
    return found


def _numbers(values: Array) -> Iterable[str]:
    """Eigenvalues as text, a pair in one line, equal ones counted, those that rounding made as zero."""
    near = np.round(values, 12) + 0.0
    counts = Counter(value for value in near if np.imag(value) >= 0)
    for value, count in [*counts.items()][:SHOWN]:
        pair = f" +- {np.imag(value):.6g}j" if np.imag(value) else ""
        times = f", {count} times" if count > 1 else ""
        yield f"{np.real(value):.6g}{pair}, magnitude {abs(value):.6g}{times}"
    if len(counts) > SHOWN:
        yield f"and {sum([*counts.values()][SHOWN:])} more"


def _is_long(case: Case) -> bool:
    """Whether to show a run's progress: never into a file or a pipe."""
    return case.steps * (case.batch or 1) > LONG and sys.stdout.isatty()


def _list(title: str, lines: Iterable[str]) -> None:
    rows = [f"  {line}" for line in lines]
    typer.echo("\n".join([title, *rows] if rows else [f"{title}: none"]))


def _forms(state: Any) -> str:
    return ", ".join(f"{leaf.shape} {leaf.dtype}" for leaf in map(np.asarray, leaves(state)))


def _difference(a: Array, b: Array) -> float:
    """The largest difference, relative to the largest magnitude where that is above 1; NaN counts as inf."""
    a, b = a.astype(float), b.astype(float)
    largest = float(abs(a - b).max(initial=0.0) / max(1.0, abs(a).max(initial=0.0)))
    return np.inf if np.isnan(largest) else largest


def main() -> None:
    """The command `blocksim`."""
    app()
