"""A digital biquad: a second-order low-pass filter in transposed direct form II, fed with a chirp.

    y[k]    = b0 u[k] + s1[k]
    s1[k+1] = b1 u[k] - a1 y[k] + s2[k]
    s2[k+1] = b2 u[k] - a2 y[k]

The cutoff is in Hz; a large q makes the filter ring there:

    blocksim run models/biquad.py -p cutoff=200 -p q=4
"""

import numpy as np

import blocksim as bs
from blocksim.library import Gain, Sum, UnitDelay

DT = 1 / 8000
RECORD = ["u"]


def coefficients(cutoff, q, dt):
    """b = (b0, b1, b2) and a = (1, a1, a2) from R. Bristow-Johnson's audio EQ formulas; cutoff in Hz."""
    w = 2 * np.pi * cutoff * dt
    alpha, cosine = np.sin(w) / (2 * q), np.cos(w)
    b = np.array([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2])
    a = np.array([1 + alpha, -2 * cosine, 1 - alpha])
    return b / a[0], a / a[0]


def model(cutoff: float = 500.0, q: float = 0.707, dt: float = DT) -> bs.Diagram:
    (b0, b1, b2), (_, a1, a2) = coefficients(cutoff, q, dt)
    d = bs.Diagram("biquad")
    u = d.input("u")
    s1, s2 = d.add("s1", UnitDelay(0.0)), d.add("s2", UnitDelay(0.0))
    y = d.add("y", Sum(), d.add("b0", Gain(b0), u), s1)
    n1 = d.add("sum1", Sum("+-+"), d.add("b1", Gain(b1), u), d.add("a1", Gain(a1), y), s2)
    n2 = d.add("sum2", Sum("+-"), d.add("b2", Gain(b2), u), d.add("a2", Gain(a2), y))
    d.connect(n1, s1)  # the loop of a1
    d.connect(n2, s2)  # the loop of a2
    d.output("y", y)
    return d


def inputs(dt, seconds: float = 0.1):
    """A chirp whose frequency grows from zero to a quarter of the sampling rate."""
    t = dt * np.arange(round(seconds / dt))
    return {"u": np.sin(np.pi * t**2 / (4 * dt * seconds))}


def reference(data, cutoff, q, dt):
    """SciPy's filter with the same coefficients."""
    from scipy.signal import lfilter

    return {"y": lfilter(*coefficients(cutoff, q, dt), data["u"])}
