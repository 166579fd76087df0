"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.equilibria import Equilibria, equilibria
from blocksim.analysis.equilibrium import Equilibrium, equilibrium
from blocksim.analysis.path import Control, Path, Point, follow
from blocksim.analysis.system import System

__all__ = [
    "Control",
    "Equilibria",
    "Equilibrium",
    "Path",
    "Point",
    "System",
    "equilibria",
    "equilibrium",
    "follow",
]
