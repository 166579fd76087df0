"""Bridges to other tools, each imported at its first use."""
