"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.attractors import BifurcationDiagram, bifurcation_diagram
from blocksim.analysis.bifurcation_plots import plot_branches
from blocksim.analysis.continuation import Branch, SpecialPoint, continuation
from blocksim.analysis.equilibria import Equilibria, equilibria
from blocksim.analysis.equilibrium import Equilibrium, equilibrium
from blocksim.analysis.path import Control, Path, Point, follow
from blocksim.analysis.system import System

__all__ = [
    "BifurcationDiagram",
    "Branch",
    "Control",
    "Equilibria",
    "Equilibrium",
    "Path",
    "Point",
    "SpecialPoint",
    "System",
    "bifurcation_diagram",
    "continuation",
    "equilibria",
    "equilibrium",
    "follow",
    "plot_branches",
]
