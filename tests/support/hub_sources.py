"""Load data sets from a local server with the hub's paths.

The hub's library reads the hub's URL when it is imported. So a separate process loads all data sets, and the tests check the results.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from data_server import DataServer
from diffzero.utils.io import write_atomically

ROOT = Path(__file__).parents[2]
LOAD = """
import json, logging, sys
from pathlib import Path
from pydantic import TypeAdapter
from diffzero.config import Dataset
from diffzero.data.selection import load_test_images
logging.basicConfig(level=logging.WARNING)
for name, settings in json.loads(Path(sys.argv[1]).read_text()).items():
    out = Path(sys.argv[2], name)
    try:
        load_test_images(TypeAdapter(Dataset).validate_python(settings), 200, 0, Path()).to_parquet(f"{out}.parquet")
    except (OSError, ValueError) as error:
        Path(f"{out}.txt").write_text(f"{type(error).__name__}: {error}")
"""


def load_from_hub(out_dir: Path, serve: Callable[[DataServer], dict[str, dict]]) -> Path:
    """Return `out_dir` with NAME.parquet, or NAME.txt with the error, per data set that `serve` returns, and log.txt.

    `serve` adds files to the server and returns the settings of the data sets to load, by name.
    """
    with DataServer() as server:
        write_atomically(out_dir / "test_sets.json", json.dumps(serve(server)).encode())
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "DIFFZERO_"))}
        environment |= {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(out_dir / "home"),
            "DIFFZERO_CACHE": str(out_dir / "cache"),
        }
        environment |= {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", LOAD, str(out_dir / "test_sets.json"), str(out_dir)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (out_dir / "log.txt").write_text(done.stderr)
    return out_dir


def table(loaded: Path, name: str) -> pd.DataFrame:
    """Return the images of a data set that was loaded."""
    path = loaded / f"{name}.parquet"
    assert path.is_file(), (loaded / f"{name}.txt").read_text()
    return pd.read_parquet(path)
