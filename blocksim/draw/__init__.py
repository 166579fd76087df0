"""Pictures of diagrams and signals."""
