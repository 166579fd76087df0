"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.attractors import BifurcationDiagram, bifurcation_diagram
from blocksim.analysis.bifurcation_plots import plot_branches
from blocksim.analysis.continuation import Branch, SpecialPoint, continuation
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
    "BifurcationDiagram",
    "Branch",
    "Control",
    "Cycle",
    "Equilibria",
    "Equilibrium",
    "Lyapunov",
    "Path",
    "Point",
    "SpecialPoint",
    "Spectrum",
    "StateSpace",
    "System",
    "bifurcation_diagram",
    "continuation",
    "dlinmod",
    "eigenvalues",
    "equilibria",
    "equilibrium",
    "findop",
    "follow",
    "linearize",
    "lyapunov",
    "multipliers",
    "plot_branches",
    "plot_eigenvalues",
    "plot_phase",
    "plot_poles_zeros",
    "plot_spectral_radius",
    "sensitivities",
    "shares",
]
