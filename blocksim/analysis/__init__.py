"""Diagrams as dynamical systems: linear models, equilibria, spectra, branches."""
