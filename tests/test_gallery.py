"""The pictures that the README shows are those that the drawing makes of the models today."""

import runpy
from pathlib import Path

import numpy as np
from matplotlib.image import imread

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_gallery_is_current(tmp_path):
    draw = runpy.run_path(str(EXAMPLES / "gallery.py"))["draw"]
    drawn = {file.name: file for file in draw(tmp_path)}
    committed = {file.name: file for file in (EXAMPLES / "gallery").iterdir()}
    assert drawn.keys() == committed.keys()
    old = [name for name, file in committed.items() if not same(file, drawn[name])]
    assert not old, f"run `python examples/gallery.py` and commit {', '.join(old)}"
    readme = (EXAMPLES.parent / "README.md").read_text()
    assert [name for name in committed if f"examples/gallery/{name}" not in readme] == []


def same(a: Path, b: Path) -> bool:
    """Whether two pictures are alike but for the rasterizer's rounding."""
    first, second = imread(a), imread(b)
    return first.shape == second.shape and bool(np.mean(abs(first - second) > 0.1) < 1e-4)
