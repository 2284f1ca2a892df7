"""Meaning of an sbatch call that submits no job, and the line of the site's profile to change."""

import re
from collections.abc import Mapping
from enum import Enum

from diffzero.cluster.slurm.settings import PROFILE


class Answer(Enum):
    """Meaning of an sbatch call that failed."""

    PERMANENT = "refused: the same request is refused every time"
    PASSING = "refused for now: the same request may be accepted later"
    UNANSWERED = "no answer: the job may have been submitted"
    UNKNOWN = "refused with a text that no other class matches"


# The queue of this user or account is full. All names that SLURM has for it contain these words.
SUBMIT_LIMIT = re.compile(r"\b\w*SubmitJobs?\w*")
# The controller, or the authentication service in front of it, is away, overloaded or restarting.
UNANSWERED = re.compile(
    r"(?i)timed? ?out|unable to contact|zero bytes|unexpected message|transport endpoint|connection (refused|reset|failure)"
    r"|communication \w+ failure|message (send|receive) failure|zero length message|message length|standby mode|header lengths"
    r"|missing socket|broken pipe|authenticat|munge|credential|unable to resolve|no route to host|network is unreachable"
    r"|failed to send entire message|can't find an address|unable to establish (control|configuration)|configuration source"
)
PASSING = re.compile(
    r"(?i)temporarily un|partition not available|partition in down state|node not available|nodes are busy|try again"
    r"|not available now|not usable now|is in use|maintenance reservation|submissions disabled|currently not available"
    r"|immediate execution impossible|can not start immediately|connect to database|usage threshold|presently disabled"
    r"|i/o error writing|no space left|resource limit exceeded|too many (jobs|requests)"
)
PERMANENT = re.compile(
    r"(?i)\binvalid\b|node configuration is not available|(can ?not|can't) be satisfied|specification (required|needs)"
    r"|more (processors|tasks|cpus|threads)|memory required|not (permitted|supported|allowed|in this partition)|denied"
    r"|unsupported|no partition specified|unrecogni.ed option|requires an argument|is ambiguous|not found|no such file"
    r"|too (long|large)|only batch jobs|incompatible versions|dos line breaks|circular job dependency|unable to convert"
    # Limits of an account or QOS for a single job: SLURM refuses these with the QOS flag DenyOnLimit.
    r"|\b(assoc|qos)(max|min|grp)\w+"
)
# What a refusal is about: text of sbatch, resources to change, command that lists the legal values.
SUBJECTS = (
    (
        r"partition name|partition specified|group not permitted|in this partition",
        "slurm_partition",
        'sinfo -o "%P %l %G"',
    ),
    (r"account(?!ing)", "slurm_account", "sacctmgr show associations user=$USER format=account,partition,qos"),
    (r"(?<!accounting/)\bqos\b|QOS(Max|Min|Grp)", "qos", "sacctmgr show qos format=name,maxwall,maxtresperjob"),
    (r"time limit|WallDuration|--time", "walltime_cap, runtime", 'sinfo -o "%P %l"'),
    (r"feature|constraint", "constraint", 'sinfo -o "%P %f"'),
    (r"reservation", "slurm-reservation", "scontrol show reservation"),
    (r"generic resource|gres|tres", "gpu_model, gpu, gres", 'sinfo -o "%P %G"'),
    (
        r"node configuration|satisfied|processors|\bcount\b",
        "gpu_model, gpu, mem_mb, slurm_partition",
        'sinfo -o "%P %G %m %c"',
    ),
    (r"licen.e|option|--|node name", "slurm_extra", "sbatch --help"),
)
DEFAULT_SUBJECT = ("", "slurm_partition, slurm_account, qos, slurm_extra", "sinfo")


def decisive_lines(text: str) -> list[str]:
    """Return the lines of an answer that decide its meaning, the most decisive first: sites print their own words around them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    own = [re.sub(r"^sbatch: (error: |fatal: )?", "", line) for line in lines if line.startswith("sbatch:")]
    final = re.compile(r"^(Batch job submission failed|allocation failure): ")
    others = [line for line in lines if final.match(line)]
    chosen = [*own, *others] or lines
    return [final.sub("", line) for line in sorted(chosen, key=lambda line: not final.match(line))]


def classify_refusal(text: str) -> Answer:
    """Return what a failed sbatch call means.

    Parameters
    ----------
    text
        The error output of sbatch.
    """
    lines = decisive_lines(text)
    if any(SUBMIT_LIMIT.search(line) for line in lines):
        return Answer.PASSING
    for line in lines:
        for pattern, answer in (
            (UNANSWERED, Answer.UNANSWERED),
            (PASSING, Answer.PASSING),
            (PERMANENT, Answer.PERMANENT),
        ):
            if pattern.search(line):
                return answer
    return Answer.UNKNOWN


def summarize_refusal(text: str) -> str:
    """Return the decisive lines of an answer on one line, without repetitions.

    The sentence about the policy names every kind of limit. It is left out where another line names the one that was exceeded.
    """
    lines = list(dict.fromkeys(decisive_lines(text)))
    specific = [line for line in lines if not line.startswith("Job violates accounting/QOS policy")]
    return "; ".join(specific or lines).rstrip(".") or "no error message"


def explain_refusal(text: str, rules: str, resources: Mapping[str, object]) -> str:
    """Return a message about a permanent refusal that names the line of the profile to change.

    Parameters
    ----------
    text
        The error output of sbatch.
    rules
        The rules whose jobs are refused.
    resources
        What a refused job requests.
    """
    reason = summarize_refusal(text)
    matches = [subject for subject in SUBJECTS if re.search(subject[0], reason, re.IGNORECASE)] or [DEFAULT_SUBJECT]
    names = ", ".join(dict.fromkeys(name for subject in matches for name in subject[1].split(", ")))
    command = matches[0][2]
    requested = ", ".join(
        f"{name}: {resources[name]}" for name in names.split(", ") if resources.get(name) not in (None, "")
    )
    return (
        f"SLURM refuses jobs of {rules}: {reason}. Found {requested or 'no ' + names}, expected values of this cluster; "
        f"`{command}` lists them. Change {names} in {PROFILE} (default-resources, or set-resources of the rule) or in the command, "
        "then re-run the same command."
    )
