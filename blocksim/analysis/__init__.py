"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.linearize import dlinmod, findop, linearize
from blocksim.analysis.orbits import Cycle, Lyapunov, lyapunov, multipliers
from blocksim.analysis.spectra import Spectrum, eigenvalues, sensitivities, shares
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.system import System

__all__ = [
    "Cycle",
    "Lyapunov",
    "Spectrum",
    "StateSpace",
    "System",
    "dlinmod",
    "eigenvalues",
    "findop",
    "linearize",
    "lyapunov",
    "multipliers",
    "sensitivities",
    "shares",
]
