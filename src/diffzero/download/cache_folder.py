"""Lists of files in a folder of the hub's cache that another program has filled, possibly with only part of a repository."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from diffzero.download.errors import CHECK_COMMAND, OfflineError
from diffzero.utils.io import read_json

# Files such as `test-00000-of-00003.parquet` are numbered from 0, `model-00001-of-00002.safetensors` from 1.
NUMBERED_FILE = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[^/]+)")
WEIGHTS_INDEX = ".safetensors.index.json"


def sizes_in_folder(snapshot_dir: Path, wanted: Callable[[str], bool], why: str) -> dict[str, int]:
    """Return the sizes of the files in `snapshot_dir`. Raises OfflineError if another part of a wanted file is missing."""
    files = sorted(path for path in snapshot_dir.rglob("*") if path.is_file())
    sizes = {path.relative_to(snapshot_dir).as_posix(): path.stat().st_size for path in files}
    if missing := missing_parts(filter(wanted, sizes), snapshot_dir):
        raise OfflineError(
            f"{why}, and in the cache {snapshot_dir} {len(missing)} files are missing: {', '.join(missing)}. {CHECK_COMMAND}"
        )
    return sizes


def missing_parts(names: Iterable[str], snapshot_dir: Path) -> list[str]:
    """Return the files that belong to `names` but are not among them: other parts of a split or of sharded weights."""
    present = set(names)
    expected: set[str] = set()
    for name in present:
        if part := NUMBERED_FILE.fullmatch(name):
            first, count = int(part["suffix"] == ".safetensors"), int(part["count"])
            expected |= {
                f"{part['stem']}-{k:05d}-of-{part['count']}{part['suffix']}" for k in range(first, first + count)
            }
        if name.endswith(WEIGHTS_INDEX) and "." not in PurePosixPath(name).name.removesuffix(WEIGHTS_INDEX):
            files = set(read_json(snapshot_dir / name)["weight_map"].values())
            expected |= {(PurePosixPath(name).parent / file).as_posix() for file in files}
    return sorted(expected - present)
