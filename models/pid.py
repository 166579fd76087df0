"""A mass on a spring and a damper, brought to a position by a discrete PID controller.

    controller   u = kp e + ki * integral of e + kd * derivative of e through a low-pass filter
    plant        m v' = u - c v - k y, y' = v, in steps of dt (forward Euler)

By default kd : kp : ki is m : c : k. The zeros of the controller then cancel the poles of the plant, and
the position rises without the swing that the spring has by itself. With other gains it swings:

    blocksim run models/pid.py -p kp=20 -p kd=2
"""

import numpy as np

import blocksim as bs
from blocksim.library import DiscreteIntegrator, DiscreteTransferFcn, Gain, Step, Sum

DT = 0.01
STEPS = 600
RECORD = ["setpoint", "controller"]

MASS, DAMPING, STIFFNESS = 1.0, 0.5, 1.0
FILTER = 0.05  # time constant of the derivative's filter, in seconds
START = 0.5  # when the setpoint goes from 0 to 1, in seconds


def controller(kp, ki, kd, dt):
    """u = kp e + ki * integral + kd * derivative: input e, output u."""
    d = bs.Diagram("controller")
    e = d.input("e")
    integral = d.add("integral", DiscreteIntegrator(0.0), e)
    derivative = d.add("derivative", DiscreteTransferFcn([1.0, -1.0], [FILTER + dt, -FILTER]), e)
    terms = d.add("kp", Gain(kp), e), d.add("ki", Gain(ki), integral), d.add("kd", Gain(kd), derivative)
    d.output("u", d.add("sum", Sum(), *terms))
    return d


def plant():
    """A mass on a spring and a damper: input force, output position."""
    d = bs.Diagram("plant")
    force = d.input("force")
    velocity = d.add("velocity", DiscreteIntegrator(0.0))
    position = d.add("position", DiscreteIntegrator(0.0), velocity)
    damper, spring = d.add("damper", Gain(DAMPING), velocity), d.add("spring", Gain(STIFFNESS), position)
    net = d.add("net_force", Sum("+--"), force, damper, spring)
    d.connect(d.add("acceleration", Gain(1 / MASS), net), velocity)  # Newton's second law
    d.output("position", position)
    return d


def model(kp: float = 2.0, ki: float = 4.0, kd: float = 4.0, dt: float = DT) -> bs.Diagram:
    d = bs.Diagram("pid")
    error = d.add("error", Sum("+-"), d.add("setpoint", Step(START)))
    u = d.add("controller", controller(kp, ki, kd, dt), error)
    y = d.add("plant", plant(), u)
    d.connect(y, error)  # unity feedback
    d.output("y", y)
    return d


def reference(data, kp, ki, kd, steps, dt):
    """The closed loop as one loop of Python, without blocks."""
    y = v = integral = derivative = last = 0.0
    rows = np.empty((steps, 2))
    for k in range(steps):
        e = float(k * dt >= START) - y
        derivative = (FILTER * derivative + e - last) / (FILTER + dt)
        u = kp * e + ki * integral + kd * derivative
        rows[k] = y, u
        integral, last = integral + dt * e, e
        y, v = y + dt * v, v + dt * (u - DAMPING * v - STIFFNESS * y) / MASS
    return {"y": rows[:, 0], "controller": rows[:, 1]}
