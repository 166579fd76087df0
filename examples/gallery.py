"""Draw every model of models/ for the README, what some of them report, and two bifurcation diagrams.

Run: python examples/gallery.py [FOLDER]

The pictures go to examples/gallery, or to FOLDER.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import blocksim as bs
from blocksim.script import Case, Script

HERE = Path(__file__).parent
FOLDER = HERE / "gallery"
DEPTHS = {
    "digit_strings": 1, "lstm_deep": 0, "lstm_linear_system": 2, "lstm_memory": 1, "pendulum": 1,
    "speakers": 1, "video": 0, "wave_frequency": 0,
}  # fmt: skip
"""How far to open those models that are too wide to be read in a README otherwise."""
REPORTS = ("digit_strings", "lstm_autonomous", "lstm_deep")
"""The models of which the reports' pictures are shown, too."""


def draw(folder: Path) -> list[Path]:
    """The pictures of all models, light, of the LSTM layer also dark, and of bifurcations."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for path in sorted((HERE.parent / "models").glob("*.py")):
        script = Script(path)
        options = script.options()
        if script.name == "lstm_walkthrough":
            files += script.call("report", options, None, folder)
            continue
        for theme in ("light", "dark") if script.name == "lstm_layer" else ("light",):
            files.append(folder / (script.name + ("_dark.png" if theme == "dark" else ".png")))
            bs.draw(script.diagram(options), files[-1], depth=DEPTHS.get(script.name), theme=theme)
        if script.name in REPORTS:
            case = Case.prepare(script)
            files += case.report(case.simulate(record=script.get("RECORD")), folder)
    return files + runpy.run_path(str(HERE / "bifurcations.py"))["draw"](folder)


if __name__ == "__main__":
    for file in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(file)
