"""The commands on scripts, good and bad: what they print, what they write, what they say of errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import blocksim as bs
from blocksim.cli import app

ROOT = Path(__file__).parents[1]

LEAK = '''
"""A leaky accumulator: y[k+1] = rate y[k] + u[k]."""
import numpy as np
import blocksim as bs
from blocksim.library import Gain, Sum, UnitDelay

def model(rate: float = 0.5, size: int = 2) -> bs.Diagram:
    d = bs.Diagram("leak")
    u = d.input("u", shape=size)
    memory = d.add("memory", UnitDelay(np.zeros(size)))
    kept = d.add("kept", Gain(rate), memory)
    d.connect(d.add("sum", Sum(), kept, u), memory)
    d.output("y", memory)
    return d

def inputs(size, steps=6):
    return {"u": np.ones((steps, size))}

def reference(data, rate):
    y = np.zeros_like(data["u"])
    for k in range(1, len(y)):
        y[k] = rate * y[k - 1] + data["u"][k - 1]
    return {"y": y}
'''

COUNTER = """
import blocksim as bs
from blocksim.library import Constant, Sum, UnitDelay

def model(step=1.0):
    d = bs.Diagram("counter")
    n = d.add("n", UnitDelay(0.0))
    d.connect(d.add("next", Sum(), n, d.add("one", Constant(step))), n)
    d.output("n", n)
    return d
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a script `leak.py` and a script `counter.py`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    Path("leak.py").write_text(LEAK)
    Path("counter.py").write_text(COUNTER)
    return tmp_path


def blocksim(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def succeed(*arguments: str) -> str:
    result = blocksim(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def fail(*arguments: str, code: int = 1) -> str:
    """The paragraph on stderr of a command that must fail."""
    result = blocksim(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    if code == 1:
        assert result.stderr.startswith("Error: ")
        assert "typer" not in result.stderr  # lines of the user's files, or none
    return result.stderr


# -- run ----------------------------------------------------------------------------------------


def test_run_prints_a_summary_and_writes_two_pictures(folder):
    printed = succeed("run", "leak.py")
    assert "leak: 6 steps of 1 s, engine numpy" in printed
    assert "y (6, 2), last [1.9375 1.9375]" in printed
    assert "wrote leak.png, leak_signals.png" in printed
    assert {f.name for f in folder.glob("leak*.*")} == {"leak.py", "leak.png", "leak_signals.png"}
    assert all((folder / f).read_bytes().startswith(b"\x89PNG") for f in ("leak.png", "leak_signals.png"))


def test_run_with_options_takes_them_in_the_type_of_the_parameter(folder):
    printed = succeed("run", "leak.py", "-p", "rate=0", "-p", "size=3", "--steps", "4", "--dt", "0.5")
    assert "leak: 4 steps of 0.5 s" in printed
    assert "y (4, 3), last [1 1 1]" in printed


def test_run_saves_the_outputs_into_the_folder_asked_for(folder):
    printed = succeed("run", "leak.py", "--out", "new/results", "--dt", "0.1")
    files = ["leak.png", "leak_signals.png", "leak.npz"]
    assert {f.name for f in Path("new/results").iterdir()} == set(files)
    assert f"wrote {', '.join(str(Path('new/results', f)) for f in files)}" in printed
    with np.load("new/results/leak.npz") as saved:
        np.testing.assert_array_equal(saved["time"], 0.1 * np.arange(6))
        np.testing.assert_array_equal(saved["y"][:, 0], [0, 1, 1.5, 1.75, 1.875, 1.9375])


@pytest.mark.parametrize("engine", ["numpy", "bdsim"])
def test_run_takes_inputs_from_a_file_on_each_engine(folder, engine):
    Path("u.csv").write_text("u[0],u[1]\n1,0\n0,2\n0,0\n")
    assert f"engine {engine}" in succeed("run", "leak.py", "--input", "u.csv", "--engine", engine)
    with np.load("leak.npz") as saved:
        np.testing.assert_array_equal(saved["y"], [[0, 0], [1, 0], [0.5, 2]])


def test_run_takes_the_first_steps_of_longer_inputs(folder):
    np.save("u.npy", np.arange(20.0).reshape(2, 5, 2))
    printed = succeed("run", "leak.py", "--input", "u.npy", "--steps", "3")
    assert "leak: 3 steps of 1 s, 2 runs, engine numpy" in printed
    assert "y (2, 3, 2), last of the first run [2 3.5]" in printed


def test_run_of_a_diagram_without_inputs_needs_a_number_of_steps(folder):
    assert "n (5,), last 4\n" in succeed("run", "counter.py", "--steps", "5")
    assert fail("run", "counter.py") == (
        "Error: counter.py: expected the number of steps, since the diagram has no inputs, got none. "
        "Give --steps N, or define STEPS in the script.\n"
    )
    Path("counter.py").write_text(COUNTER + "STEPS = 3\nDT = 0.5\n")
    assert "counter: 3 steps of 0.5 s" in succeed("run", "counter.py")


def test_run_lets_the_script_report(folder):
    Path("leak.py").write_text(
        LEAK
        + """
RECORD = ["sum"]

def report(result, folder, rate, steps, dt, shout: bool = False):
    text = f"rate {rate}, {steps} steps of {dt}, sum {result['sum'][-1, 0]}"
    print(text.upper() if shout else text)
    (folder / "leak.txt").write_text(text)
    return [folder / "leak.txt"]
"""
    )
    printed = succeed("run", "leak.py", "-p", "shout=true")
    assert "RATE 0.5, 6 STEPS OF 1.0, SUM 1.96875" in printed
    assert "wrote leak.png, leak.txt" in printed
    assert Path("leak.txt").exists()
    assert not Path("leak_signals.png").exists()


def test_a_script_imports_its_neighbours(folder):
    Path("values.py").write_text("RATE = 0.25\n")
    Path("leak.py").write_text("from values import RATE\n" + LEAK.replace("= 0.5", "= RATE"))
    assert "-p rate=0.25" in succeed("check", "leak.py")


# -- draw, check, verify ------------------------------------------------------------------------


def test_draw_writes_the_picture(folder):
    assert succeed("draw", "leak.py", "-o", "out.svg", "--depth", "0") == "wrote out.svg\n"
    assert "<svg" in Path("out.svg").read_text()


def test_check_prints_the_plan_before_and_after_the_passes(folder):
    before, after = blocksim("check", "leak.py", "--plan").stdout.split("after\n")
    assert before.count("step by step:") == 1
    assert "memory's state = UnitDelay update(sum)" in before
    assert "kept = Gain(memory)" in after


def test_models_run_compiled(folder):
    assert "engine jax" in blocksim("run", "leak.py", "--engine", "jax").stdout


def test_check_prints_wiring_loops_shapes_and_parameters(folder):
    printed = succeed("check", "leak.py", "-p", "size=3")
    for line in [
        r"diagram leak",
        r"  memory +UnitDelay\(initial=3\) +u <- sum",
        r"loops",
        r"  memory -> kept -> sum -> memory",
        r"inputs",
        r"  u \(3,\) float64",
        r"outputs",
        r"  y \(3,\) float64",
        r"states",
        r"  memory \(3,\) float64",
        r"parameters: 4, of which 3 are initial states",
        r"  memory 3",
        r"  kept 1",
        r"options",
        r"  -p rate=0.5",
        r"  -p size=3",
    ]:
        assert re.search(f"^{line}$", printed, re.MULTILINE), line
    assert "inputs: none" in succeed("check", "counter.py")


def test_verify_compares_every_signal_with_bdsim_and_the_outputs_with_the_reference(folder):
    printed = succeed("verify", "leak.py")
    rows = dict(re.findall(r"│ (\w+) +│ ([^│]+│[^│]+)│", printed))
    assert rows.keys() == {"u", "y", "kept", "sum"}
    assert all("0.0e+00" in row for row in rows.values())
    assert len(re.findall(r"\de", rows["y"])) == 2
    assert len(re.findall(r"\de", rows["sum"])) == 1
    assert "in bdsim 3 blocks are bdsim's own, 0 are bridges" in printed
    assert "equal: largest difference 0.0e+00, tolerance 1e-12" in printed


def test_verify_fails_above_the_tolerance(folder):
    Path("leak.py").write_text(LEAK.replace('{"y": y}', '{"y": y + 1e-9}'))
    result = blocksim("verify", "leak.py")
    assert result.exit_code == 1
    assert "DIFFERENT: largest difference 5.2e-10, tolerance 1e-12" in result.stdout  # of 1.9375
    assert "equal" in succeed("verify", "leak.py", "--tolerance", "1e-8")


def test_verify_fails_on_a_reference_that_is_not_a_number(folder):
    Path("leak.py").write_text(LEAK.replace('{"y": y}', '{"y": y * np.nan}'))
    result = blocksim("verify", "leak.py", "--tolerance", "1e300")
    assert result.exit_code == 1
    assert "largest difference inf" in result.stdout


def test_verify_takes_the_first_runs_of_a_large_batch(folder):
    np.savez("u.npz", u=np.random.default_rng(0).normal(size=(25, 3, 2)))
    Path("leak.py").write_text(LEAK.partition("def reference")[0])
    printed = succeed("verify", "leak.py", "--input", "u.npz")
    assert "compared the first 20 of 25 runs" in printed
    assert "leak.py has no reference(): the outputs are compared with bdsim alone" in printed


# -- linearize, equilibria ------------------------------------------------------------------------


def test_linearize_prints_sizes_poles_zeros_and_gains(folder):
    printed = succeed("linearize", "leak.py", "-p", "size=1", "-o", "poles.png")
    for line in (
        "leak at the initial state: 1 state, 1 input, 1 output, steps of 1 s",
        "stable: the largest pole has magnitude 0.5",
        "poles: 1\n  0.5, magnitude 0.5",
        "zeros: none",
        "gains at rest\n  y[0] from u[0]: 2\n",
        "wrote poles.png",
    ):
        assert line in printed
    assert Path("poles.png").read_bytes().startswith(b"\x89PNG")
    many = succeed("linearize", "leak.py", "-p", "size=12", "-p", "rate=1.5", "--dt", "0.1", "--rest")
    assert "leak at the equilibrium: 12 states, 12 inputs, 12 outputs, steps of 0.1 s" in many
    assert "not stable: the largest pole has magnitude 1.5" in many
    assert "poles: 12\n  1.5, magnitude 1.5, 12 times\n" in many
    assert "  and 134 more\n" in many
    layer = succeed("linearize", str(ROOT / "models" / "lstm_layer.py"), "-p", "hidden=16")
    assert re.search(r"poles: 32\n(  .*\n){10}  and \d+ more\n", layer)


def test_linearize_opens_loops_and_subsystems(folder):
    pid = str(ROOT / "models" / "pid.py")
    assert "y from setpoint: 1\n" in succeed("linearize", pid, "-i", "setpoint")
    loop = succeed("linearize", pid, "-i", "error", "-i", "setpoint", "-y", "error")
    assert "gains at rest\n  error from error: inf\n  error from setpoint: 1\n" in loop
    assert "inputs=[its path]" in fail("linearize", pid)
    plant = succeed("linearize", pid, "-i", "plant/force", "--within", "plant")
    assert "plant/position from plant/force: 1\n" in plant
    assert "0.9975 +- 0.00968246j" in plant


def test_inputs_have_constant_values(folder):
    given = ("-p", "size=2", "-u", "u=[3, -6.0]")
    found = succeed("equilibria", "leak.py", "-p", "rate=0.25", "--starts", "2", *given)
    assert "  memory [4 -8]\n" in found
    there = succeed("linearize", "leak.py", "--rest", *given)
    assert "poles: 2\n  0.5, magnitude 0.5, 2 times\n" in there


def test_equilibria_prints_the_points(folder):
    printed = succeed("equilibria", "leak.py", "-p", "rate=0.25", "--starts", "2", "-o", "e.svg")
    assert "leak: 1 found" in printed
    assert "1. stable, largest eigenvalue 0.25, index +1, residual 0.0e+00\n  memory [0 0]\n" in printed
    assert "<svg" in Path("e.svg").read_text()
    none = blocksim("equilibria", "counter.py", "--starts", "2")
    assert none.exit_code == 1
    assert "counter: no equilibrium was found" in none.stdout


# -- errors -------------------------------------------------------------------------------------

MODEL = "import blocksim as bs\n\ndef model():\n    "
SCRIPTS = {
    "a syntax error": (
        "def model(:\n    pass\n",
        [
            "bad.py (bad.py:1)",
            "a script that runs",
            "SyntaxError: invalid syntax in 'def model(:'",
            "`python",
        ],
    ),
    "an error on import": (
        "import math\nx = math.sqrt(-1)\n",
        ["bad.py (bad.py:2)", "a script that runs", "ValueError: ", "`python bad.py` shows the traceback"],
    ),
    "a missing module": (
        "import no_such_module\n",
        ["bad.py (bad.py:1)", "ModuleNotFoundError: No module named 'no_such_module'"],
    ),
    "an exit": ("raise SystemExit('enough')\n", ["bad.py (bad.py:1)", "SystemExit: enough"]),
    "no model": (
        "def modell(): pass\n",
        ["bad.py: expected a function model()", "the functions modell", "Define `def model(): ...`"],
    ),
    "no function": ("model = 3\n", ["a function model()", "no function"]),
    "an error in model": (
        MODEL + "return 1 / 0\n",
        ["bad.py (bad.py:4)", "model() to run", "ZeroDivisionError: division by zero", "`python -i bad.py`"],
    ),
    "no diagram": (MODEL + "bs.Diagram()\n", ["bad.py, model()", "a Diagram", "NoneType", "return d"]),
    "a mistake in the diagram": (
        MODEL + "d = bs.Diagram()\n    d.add('x/y', bs.library.Abs())\n",
        ["the name 'x/y' (bad.py:5)", "expected text without /"],
    ),
    "a loose port": (
        MODEL + "d = bs.Diagram()\n    d.add('a', bs.library.Abs())\n    return d\n",
        ["a, input u (bad.py:5)", "expected a wire", "got none"],
    ),
    "an option without a value": (
        "def model(size): pass\n",
        ["bad.py, option size", "since it has no default", "Give -p size=VALUE"],
    ),
    "inputs that are no function": (
        LEAK.partition("def inputs")[0] + "inputs = 3\n",
        ["bad.py: expected a function inputs()", "TypeError: 3 is not a callable"],
    ),
    "inputs that are no dictionary": (
        LEAK.replace('return {"u"', 'return {"u", "v"} or {"u"'),
        ["inputs: expected a dictionary", "set"],
    ),
    "inputs of a wrong shape": (
        LEAK.replace("(steps, size)", "(steps, size + 1)"),
        ["input 'u': expected an array (T, 2)", "shape (6, 3)"],
    ),
    "inputs that raise": (
        LEAK.replace("np.ones((steps, size))", "np.ones(nothing)"),
        ["bad.py (bad.py:16)", "inputs() to run", "NameError: name 'nothing'"],
    ),
    "a run that diverges": (
        LEAK.replace("rate: float = 0.5", "rate: float = 1e200"),
        ["kept (bad.py:10)", "a finite signal at step 2", "inf"],
    ),
}


@pytest.mark.parametrize(("script", "fragments"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_bad_script_is_one_paragraph(folder, script, fragments):
    Path("bad.py").write_text(script.lstrip())
    message = fail("run", "bad.py")
    assert re.search(".*".join(map(re.escape, fragments)), message, re.DOTALL), message
    assert not list(folder.glob("*.png"))


REFERENCES = {
    "a name that is no signal": ('{"z": y}', ["reference()", "names of outputs", "'z'"]),
    "a wrong shape": ('{"y": y[1:]}', ["reference(), y", "shape (6, 2)", "shape (5, 2)"]),
    "no dictionary": ("y", ["reference()", "a dict of arrays", "shape (6, 2)"]),
    "rows of several lengths": ('{"y": [[1], [1, 2]]}', ["reference(), y", "real numbers of shape (6, 2)"]),
    "complex numbers": ('{"y": 1j * y}', ["reference(), y", "real numbers of shape (6, 2)"]),
    "an error": ("y[9]", ["bad.py (bad.py:22)", "reference() to run", "IndexError"]),
}


@pytest.mark.parametrize(("returned", "fragments"), REFERENCES.values(), ids=REFERENCES)
def test_a_bad_reference_is_one_paragraph(folder, returned, fragments):
    Path("bad.py").write_text(LEAK.lstrip().replace('{"y": y}', returned))
    message = fail("verify", "bad.py")
    assert re.search(".*".join(map(re.escape, fragments)), message, re.DOTALL), message


@pytest.mark.parametrize("returned", ["5", '"picture.png"', "[3]"])
def test_a_bad_report_is_one_paragraph(folder, returned):
    Path("bad.py").write_text(LEAK.lstrip() + f"\ndef report(result, folder):\n    return {returned}\n")
    assert "bad.py, report(): expected a list of paths, or None, got " in fail("run", "bad.py")


def test_a_step_of_no_length_is_refused(folder):
    Path("bad.py").write_text(LEAK.lstrip() + "\nDT = 0\n")
    assert "dt: expected a positive number of seconds, got int 0" in fail("run", "bad.py")


COMMANDS = {
    "run leek.py": ["leek.py: expected a model script", "no such file", "Did you mean 'leak.py'?"],
    "run .": ["expected a model script", "a folder"],
    "run leak.py -p rat=1": ["option -p rat=1", "an option of leak.py", "'rat'", "Did you mean 'rate'?"],
    "run leak.py -p size={[]:1}": ["option -p size={[]:1}", "an integer"],
    "run leak.py -p dt=1": ["option -p dt=1", "Write --dt 1."],
    "run leak.py -p rate=fast": ["option -p rate=fast", "a number", "'fast'", "Its default is 0.5."],
    "run leak.py -p size=2.5": ["option -p size=2.5", "an integer", "'2.5'", "Its default is 2."],
    "run leak.py --engine nump": ["engine: expected the name of an engine", "Did you mean 'numpy'?"],
    "run leak.py --dt 0": ["dt: expected a positive number of seconds"],
    "run leak.py --steps 9 --input u.csv": ["--steps: expected at most 1, the length", "got 9"],
    "run leak.py --input u.txt": ["u.txt: expected a file of inputs", ".txt"],
    "run leak.py --input v.csv": ["v.csv: expected a file", "no such file", "Did you mean 'u.csv'?"],
    "run leak.py --input text.csv": ["text.csv, line 2, column u[0]: expected a number", "'one'"],
    "run counter.py --input u.csv": ["u.csv: expected a diagram that reads inputs"],
    "run leak.py --out u.csv": ["u.csv", "expected a file to read or write", "File exists"],
    "run counter.py --steps 1000000000000000": ["Unable to allocate", "Run fewer steps"],
    "draw leak.py -o leak.xyz": ["leak.xyz"],
    "check none.py": ["none.py: expected a model script"],
    "linearize leak.py -i v": ["signal 'v'", "expected the path of a signal", "There is 'u'"],
    "linearize leak.py -u u=[1": ["-u u=[1", "a number, or a list as [1, 2]", "'[1'"],
    "equilibria leak.py -u v=1": ["input 'v'", "an input of the diagram", "There is 'u'"],
    "linearize leak.py --within kept": ["within='kept'", "the path of a subsystem"],
    "equilibria leak.py -o e.xyz": ["e.xyz", "a file name that ends in"],
    "verify leak.py -p size=x": ["option -p size=x", "an integer"],
}


@pytest.mark.parametrize(("command", "fragments"), COMMANDS.items(), ids=COMMANDS)
def test_a_bad_command_is_one_paragraph(folder, command, fragments):
    Path("u.csv").write_text("1,2\n")
    Path("text.csv").write_text("u[0],u[1]\none,2\n")
    message = fail(*command.split())
    assert re.search(".*".join(map(re.escape, fragments)), message, re.DOTALL), message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("parameter", "good", "value", "bad"),
    [
        ("x: bool = True", "x=false", "x=False", "x=no"),
        ("x: str = 'a'", "x=1 2", "x=1 2", None),
        ("x=True", "x=0", "x=False", "x=2"),
        ("x=[1, 2]", "x=[3]", "x=[3]", "x=[3"),
        ("x: 'int | None' = None", "x=7", "x=7", "x=seven"),
        ("x: 'Unknown' = 2", "x=7", "x=7", "x=7.0"),
        ("x: float = 1", "x=2e3", "x=2000.0", "x="),
    ],
)
def test_an_option_is_read_as_the_annotation_or_the_default_says(folder, parameter, good, value, bad):
    Path("m.py").write_text(COUNTER.replace("step=1.0", parameter).replace("(step)", "(1.0)"))
    assert f"-p {value}\n" in succeed("check", "m.py", "-p", good)
    if bad:
        assert f"option -p {bad}: expected" in fail("check", "m.py", "-p", bad)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run", "Missing argument"),
        ("run leak.py -p rate", "expected name=value"),
        ("run leak.py --steps 0", "--steps"),
        ("run leak.py --speed 2", "No such option"),
        ("draw leak.py", "Missing option"),
        ("fly leak.py", "No such command"),
    ],
)
def test_wrong_usage_exits_with_2(folder, command, said):
    assert said in fail(*command.split(), code=2)


# -- the program itself -------------------------------------------------------------------------


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blocksim", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "100"} | environment,
    )


@pytest.mark.parametrize("command", ["run", "draw", "check", "verify", "linearize", "equilibria"])
def test_help_shows_an_example(command):
    shown = program(command, "--help")
    assert shown.returncode == 0
    assert f"Example: blocksim {command} models/" in shown.stdout


def test_version():
    assert program("--version").stdout == f"blocksim {bs.__version__}\n"


def test_help_loads_neither_matplotlib_nor_bdsim():
    code = "import sys, blocksim.cli; print([m for m in ('matplotlib', 'bdsim') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_program_exits_with_1_and_a_paragraph(folder):
    Path("bad.py").write_text("def model():\n    return 1 / 0\n")
    ended = program("check", "bad.py")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("Error: bad.py (bad.py:2): expected model() to run, got ZeroDivisionError")
    assert len(ended.stderr.splitlines()) == 1


def test_the_program_draws_without_a_screen(folder):
    environment = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY"), "")
    ran = program("run", "leak.py", **environment)
    assert ran.returncode == 0, ran.stderr
    assert Path("leak_signals.png").exists()


def test_draw_opens_by_path_reports_and_has_themes(tmp_path):
    model, file = str(Path(__file__).parents[1] / "models" / "lstm_stacked.py"), tmp_path / "stack.svg"
    shown = succeed(
        "draw", model, "-o", str(file), "--depth", "1", "--depth", "second=0", "--theme", "dark", "--report"
    )  # fmt: skip
    assert file.stat().st_size > 10_000
    assert "wire through a block        0" in shown
    assert "crossings, bends" in shown
    assert "'x'" in fail("draw", model, "-o", str(file), "--depth=x=1")
    assert "'dark'" in fail("draw", model, "-o", str(file), "--theme=drak")
    assert "whole number" in fail("draw", model, "-o", str(file), "--depth=all", code=2)
