"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.equilibria import Equilibria, equilibria
from blocksim.analysis.equilibrium import Equilibrium, equilibrium
from blocksim.analysis.linearize import dlinmod, findop, linearize
from blocksim.analysis.orbits import Cycle, Lyapunov, lyapunov, multipliers
from blocksim.analysis.path import Control, Path, Point, follow
from blocksim.analysis.plots import plot_eigenvalues, plot_phase, plot_poles_zeros, plot_spectral_radius
from blocksim.analysis.spectra import Spectrum, eigenvalues, sensitivities, shares
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.system import System

__all__ = [
    "Control",
    "Cycle",
    "Equilibria",
    "Equilibrium",
    "Lyapunov",
    "Path",
    "Point",
    "Spectrum",
    "StateSpace",
    "System",
    "dlinmod",
    "eigenvalues",
    "equilibria",
    "equilibrium",
    "findop",
    "follow",
    "linearize",
    "lyapunov",
    "multipliers",
    "plot_eigenvalues",
    "plot_phase",
    "plot_poles_zeros",
    "plot_spectral_radius",
    "sensitivities",
    "shares",
]
