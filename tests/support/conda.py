"""A program `conda` built on py-rattler, which solves, fetches and links packages, and a local channel with one package."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

# Implements the calls that Snakemake 9.27 makes.
CONDA = """\
#!{python}
import asyncio, json, pathlib, sys
import rattler, yaml
prefix, arguments = pathlib.Path(__file__).resolve().parent.parent, sys.argv[1:]

async def create(file, target):
    wanted = yaml.safe_load(open(file))
    channels = [rattler.Channel(name) for name in wanted["channels"] if name != "nodefaults"]
    found = await rattler.solve(channels, wanted["dependencies"], platforms=["linux-64", "noarch"])
    await rattler.install(found, target, cache_dir=prefix / "packages", show_progress=False)

if arguments[:2] == ["info", "--json"]:
    print(json.dumps({{"conda_prefix": str(prefix), "platform": "linux-64"}}))
elif arguments == ["--version"]:
    print("conda 26.8.0")
elif arguments[:1] == ["config"]:
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif arguments[:2] == ["env", "create"]:
    asyncio.run(create(*(arguments[arguments.index(name) + 1] for name in ("--file", "--prefix"))))
elif arguments[:1] != ["clean"]:
    sys.exit(f"this conda does not implement {{arguments}}")
"""
ACTIVATE = 'export CONDA_PREFIX="$1"; export PATH="$1/bin:$PATH"\n'  # sourced with the environment's directory


def write_conda_program(conda_dir: Path) -> Path:
    """Write the program and return the directory to put first in PATH."""
    (conda_dir / "bin").mkdir(parents=True)
    (conda_dir / "bin" / "conda").write_text(CONDA.format(python=sys.executable))
    (conda_dir / "bin" / "conda").chmod(0o755)
    (conda_dir / "bin" / "activate").write_text(ACTIVATE)
    return conda_dir / "bin"


def write_channel(channel_dir: Path, name: str, version: str, programs: dict[str, str]) -> str:
    """Write a channel with one package, whose bin/ holds `programs` (name: text), and return its URL."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "noarch": "generic"}
    index |= {"subdir": "noarch", "depends": []}
    files = {f"bin/{program}": text.encode() for program, text in programs.items()}
    paths = [
        {"_path": path, "path_type": "hardlink", "size_in_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in files.items()
    ]
    files["info/index.json"] = json.dumps(index).encode()
    files["info/paths.json"] = json.dumps({"paths_version": 1, "paths": paths}).encode()
    file = channel_dir / "noarch" / f"{name}-{version}-0.tar.bz2"
    file.parent.mkdir(parents=True)
    with tarfile.open(file, "w:bz2") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    data = file.read_bytes()
    record = index | {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    for subdir, packages in (("noarch", {file.name: record | {"size": len(data)}}), ("linux-64", {})):
        (channel_dir / subdir).mkdir(exist_ok=True)
        listing = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
        (channel_dir / subdir / "repodata.json").write_text(json.dumps(listing))
    return channel_dir.as_uri()
