"""Make src/ importable, so that `python benchmarks/NAME.py` works as typed; each script imports this module first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
