import numpy as np
import pytest
from library_examples import diagram_of, run_alone

import blocksim as bs
from blocksim import library as lib

U = np.arange(6.0).reshape(3, 2)


def test_parameters_name_the_ports():
    def mix(left, right):
        return left - 2 * right

    block = lib.Function(mix)
    assert block.input_ports() == ("left", "right")
    d = bs.Diagram()
    d.output("y", d.add("mix", block, right=d.input("r"), left=d.input("l")))
    assert bs.simulate(d, {"l": [10.0], "r": [3.0]})["y"].tolist() == [4.0]


def test_xp_is_the_array_namespace():
    block = lib.Function(lambda xp, u: xp.cumsum(u))
    assert block.input_ports() == ("u",)
    np.testing.assert_array_equal(run_alone(block, {"u": U})[0]["y"], np.cumsum(U, axis=1))


def test_names_that_blocks_reserve_are_ports_here():
    block = lib.Function(lambda x, t, dt: x + t + dt)
    y, _ = run_alone(block, {"x": U, "t": U, "dt": U})
    np.testing.assert_array_equal(y["y"], 3 * U)


def test_a_parameter_with_a_default_is_no_port():
    block = lib.Function(lambda u, factor=3.0: u * factor)
    assert block.input_ports() == ("u",)
    np.testing.assert_array_equal(run_alone(block, {"u": U})[0]["y"], 3 * U)


def test_several_outputs():
    block = lib.Function(lambda u: (u.min(), u.max()), ["low", "high"])
    y, _ = run_alone(block, {"u": U})
    assert {port: rows.tolist() for port, rows in y.items()} == {"low": [0, 2, 4], "high": [1, 3, 5]}


def test_python_numbers_take_the_type_of_the_run():
    block = lib.Function(lambda u: float(u) if u > 0 else 0.0)
    for dtype in (np.float64, np.float32):
        y = run_alone(block, {"u": np.array([-1.0, 2.0])}, dtype=dtype)[0]["y"]
        assert y.dtype == dtype
        assert y.tolist() == [0.0, 2.0]


def refuse(u):
    if u[0] > 1:
        raise RuntimeError("too much")
    return u


@pytest.mark.parametrize(
    ("f", "fragments"),
    [
        (refuse, ["block (", "at step 1", "RuntimeError: too much"]),
        (lambda u: u if u[0] < 2 else u[:1], ["shape (1,)", "instead of (2,)", "at step 1"]),
        (lambda u: u.astype(np.float64 if u[0] < 2 else np.float32), ["dtype float32", "at step 1"]),
    ],
)
def test_the_result_is_verified_at_each_step(f, fragments):
    with pytest.raises(bs.errors.BlockError) as caught:
        run_alone(lib.Function(f), {"u": U})
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_missing_output_is_an_error():
    with pytest.raises(bs.errors.BlockError, match="2 outputs, a, b, got 1"):
        bs.compile(diagram_of(lib.Function(lambda u: u, ["a", "b"]), {"u": U}))
