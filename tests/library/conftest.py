"""How Hypothesis runs here: an example compiles a diagram, on machines that may be busy."""

from hypothesis import settings

settings.register_profile("library", deadline=None, max_examples=50)
settings.load_profile("library")
