"""Two delays that feed each other: x[k+1] = y[k] + 1, y[k+1] = x[k], from zero.

Both states are replaced at once, after all outputs are known: x = 0 1 1 2 2 3 3. If one were replaced
before the other is read, x would count 0 1 2 3.
"""

import numpy as np

import blocksim as bs
from blocksim.library import Constant, Sum, UnitDelay

STEPS = 7


def model() -> bs.Diagram:
    d = bs.Diagram("coupled_delays")
    x = d.add("x", UnitDelay(0.0))
    y = d.add("y", UnitDelay(0.0), x)
    d.connect(d.add("increment", Sum(), y, d.add("one", Constant(1.0))), x)  # the loop
    d.output("x", x)
    d.output("y", y)
    return d


def reference(data, steps):
    """In closed form: each of the two grows by one every second step."""
    k = np.arange(steps)
    return {"x": (k + 1) // 2, "y": k // 2}
