"""The commands that README.md and docs/*.md tell users to type."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "snakemake", "make", "python", "pip", "echo", "for", "apt-get", "squeue", "sinfo", "jq", "scancel", "scontrol", "rm", "source",
    "git", "conda", "sbatch", "export", "cd", "bash", "uv", "diffzero", "pytest",
)  # fmt: skip
_ASSIGNMENTS = r"(?:[A-Z_]+=\S+ )*"
_COMMAND = re.compile(rf"{_ASSIGNMENTS}(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)})(?: \S.*)$")
_SCRIPT = re.compile(r"(benchmarks/\w+\.py)")


def is_command(text: str) -> bool:
    """Return whether a text is a command with arguments."""
    return bool(_COMMAND.match(text))


def _blocks(text: str) -> list[list[str]]:
    """Return the lines of every fenced block that may hold commands, and of every indented block."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)  # in turn, so that no closing fence opens a block
    fenced = [block.splitlines() for language, block in fences if language in ("", "sh", "bash", "shell", "console")]
    indented = [re.findall(r"^    (.*)$", block, re.M) for block in re.findall(r"\n\n((?:    \S.*\n)+)", _prose(text))]
    return [*fenced, *indented]


def _prose(text: str) -> str:
    return re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.M | re.S)


def commands_of(text: str) -> list[str]:
    """Return the commands of a page: all lines of blocks that begin with one, and code spans."""
    found = []
    for block in _blocks(text):
        if block and is_command(block[0]):
            found += [re.sub(r"\s{2,}# .*", "", line) for line in block if line.strip()]
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", _prose(text))]
    found += [span for span in spans if is_command(span)]
    found += [f".venv/bin/python {script} --help" for span in spans for script in _SCRIPT.findall(span)]
    return found


def all_commands() -> dict[str, str]:
    """Return every documented command with the page that has it first."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found: dict[str, str] = {}
    for page in pages:
        for command in commands_of(page.read_text()):
            found.setdefault(command, page.name)
    return found


def words_after(program: str, command: str) -> list[str] | None:
    """Return the arguments of a single command of this program; None for other commands."""
    words = shlex.split(command) if ";" not in command and "&&" not in command else []
    while words and re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        words = words[1:]
    return words[1:] if words and Path(words[0]).name == program else None
