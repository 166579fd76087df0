"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""

from blocksim.analysis.linearize import dlinmod, findop, linearize
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.system import System

__all__ = ["StateSpace", "System", "dlinmod", "findop", "linearize"]
