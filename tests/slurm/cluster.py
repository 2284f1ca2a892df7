"""A real SLURM on this machine: munged, slurmctld and three slurmd; two nodes have a simulated GPU, one has none.

Needs root and Debian's packages:

    python tests/slurm/cluster.py up FOLDER      python tests/slurm/cluster.py down FOLDER

It needs no systemd and no accounting database and listens on the loopback interface only. The ports are fixed, so a machine can run one
at a time.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from accounting import CONF as ACCOUNTING_CONF
from accounting import Accounting

PACKAGES = "slurmctld slurmd slurm-client munge"
INSTALL = f"apt-get update && apt-get install -y --no-install-recommends {PACKAGES}   (as root)"
ETC = Path("/etc/slurm")
MUNGED = Path("/run/munge/munged.pid")
GPU_NODES = ["n1", "n2"]
NODES = {"n1": 17001, "n2": 17002, "n3": 17003}

CONF = """\
ClusterName=diffzero
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=10
SlurmctldPort=16817
SlurmctldPidFile={daemon_dir}/slurmctld.pid
SlurmdPidFile={daemon_dir}/slurmd.%n.pid
SlurmdSpoolDir={daemon_dir}/spool/%n
StateSaveLocation={daemon_dir}/state
SlurmctldLogFile={daemon_dir}/slurmctld.log
SlurmdLogFile={daemon_dir}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
KillWait=10
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout={node_timeout}
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
{accounting}
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=cpu Nodes=n3 Default=YES MaxTime=01:30:00 DefMemPerCPU=100 State=UP PreemptMode=OFF
PartitionName=gpu Nodes=n1,n2 MaxTime=01:30:00 DefMemPerCPU=100 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=spare Nodes=n1,n2 MaxTime=01:30:00 DefMemPerCPU=100 State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=urgent Nodes=n1,n2 MaxTime=01:30:00 DefMemPerCPU=100 State=UP PriorityTier=9 PreemptMode=OFF
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 "
    "ThreadsPerCore=1 RealMemory=64000 {gres}State=UNKNOWN"
)


def missing() -> str | None:
    """Return why no cluster can be started here; None if one can."""
    absent = [name for name in ("sbatch", "slurmctld", "slurmd", "munged") if not shutil.which(name, path=_path())]
    if absent:
        return f"no {', '.join(absent)} on this machine. To get it: {INSTALL}"
    if os.geteuid() != 0:
        return "only root can start a SLURM. Try: sudo make test"
    conf = ETC / "slurm.conf"
    if conf.exists() and not conf.is_symlink():
        return f"{conf} belongs to a SLURM that is installed on this machine, which the tests do not touch"
    return None


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _pid(path: Path) -> int | None:
    """Return the process of a pid file; None if it has ended or is a zombie, as in a container without init."""
    try:
        number = int(path.read_text())
        return None if psutil.Process(number).status() == psutil.STATUS_ZOMBIE else number
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _end(path: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """End the daemon of a pid file; kill it after 10 s."""
    pid = _pid(path)
    if pid is None:
        return
    os.kill(pid, number)
    for _ in range(100):
        if _pid(path) is None:
            return
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Cluster:
    """The daemons, with their files in `daemon_dir`."""

    def __init__(self, daemon_dir: Path, node_timeout: int = 30, has_accounts: bool = False) -> None:
        self.daemon_dir, self.node_timeout = daemon_dir.resolve(), node_timeout
        self.accounting = Accounting(self.daemon_dir / "accounting") if has_accounts else None

    def run(self, *command: str, check: bool = True) -> str:
        """Run a SLURM command and return its output."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"PATH": _path()})
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def up(self) -> None:
        """Start all daemons and wait until all nodes are idle."""
        host = socket.gethostname().split(".")[0]
        for name in ("state", "dev", *(f"spool/{node}" for node in NODES)):
            (self.daemon_dir / name).mkdir(parents=True, exist_ok=True)
        for k in range(len(GPU_NODES)):
            device = self.daemon_dir / "dev" / f"nvidia{k}"
            # A copy of /dev/null: SLURM only accepts character devices, for which it sets CUDA_VISIBLE_DEVICES.
            device.exists() or os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        nodes = "\n".join(
            NODE.format(name=name, host=host, port=port, gres="Gres=gpu:toy:1 " * (name in GPU_NODES))
            for name, port in NODES.items()
        )
        accounts = ACCOUNTING_CONF if self.accounting else "AccountingStorageType=accounting_storage/none"
        conf = CONF.format(
            host=host, daemon_dir=self.daemon_dir, nodes=nodes, node_timeout=self.node_timeout, accounting=accounts
        )
        gres = [
            f"NodeName={name} Name=gpu Type=toy File={self.daemon_dir}/dev/nvidia{k}"
            for k, name in enumerate(GPU_NODES)
        ]
        # In SLURM's default folder, because Snakemake's job steps do not pass SLURM_CONF on.
        for name, text in (("slurm.conf", conf), ("gres.conf", "\n".join(["AutoDetect=off", *gres, ""]))):
            (self.daemon_dir / name).write_text(text)
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.daemon_dir / name)
        if _pid(MUNGED) is None:
            shutil.rmtree(MUNGED.parent, ignore_errors=True)
            MUNGED.parent.mkdir(mode=0o755)
            shutil.chown(MUNGED.parent, "munge", "munge")
            self.run("runuser", "-u", "munge", "--", "/usr/sbin/munged")
            (self.daemon_dir / "munged.pid").write_text(MUNGED.read_text())
        if self.accounting:
            self.accounting.up()
        self.start_controller("-c", "-i")
        for node in NODES:
            self.start_node(node)
        self.wait_idle()

    def wait_idle(self, seconds: float = 60) -> None:
        """Wait until every node is up and idle."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.run("timeout", "5", "sinfo", "-h", "-N", "-p", "cpu,gpu", "-o", "%T", check=False).split()
            if states == ["idle"] * len(NODES):
                return
            time.sleep(0.2)
        logs = "\n".join(path.read_text()[-2000:] for path in self.daemon_dir.glob("*.log"))
        raise RuntimeError(f"SLURM did not start within {seconds:.0f} s.\n{logs}")

    def start_controller(self, *options: str) -> None:
        """Start slurmctld, by default with the jobs it had."""
        self.run("nice", "-n", "0", "slurmctld", *options)

    def stop_controller(self) -> None:
        """End slurmctld; the jobs continue."""
        _end(self.daemon_dir / "slurmctld.pid")

    def start_node(self, node: str) -> None:
        """Start slurmd of a node; its jobs have a low priority on this machine."""
        self.run("nice", "-n", "10", "slurmd", "-N", node)

    def stop_node(self, node: str) -> None:
        """Simulate a power failure: kill slurmd, its step daemons and all their processes."""
        doomed = [p for p in psutil.process_iter(["cmdline"]) if f"[{node}]" in " ".join(p.info["cmdline"] or [])]
        steps = [p for p in psutil.process_iter(["name", "cmdline"]) if (p.info["name"] or "") == "slurmstepd"]
        pid = _pid(self.daemon_dir / f"slurmd.{node}.pid")
        jobs = set(self.run("squeue", "-h", "-w", node, "-o", "%i", check=False).split())
        doomed += [p for p in steps if any(f"[{job}." in " ".join(p.info["cmdline"]) for job in jobs)]
        for process in doomed + [child for parent in doomed for child in _descendants(parent)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if pid:
            os.kill(pid, signal.SIGKILL)

    def down(self) -> None:
        """End the daemons and delete all jobs."""
        self.run("timeout", "10", "scancel", "--user", "root", check=False)
        time.sleep(1)
        # The nodes first: without a controller they would wait for it.
        for node in NODES:
            _end(self.daemon_dir / f"slurmd.{node}.pid")
        _end(self.daemon_dir / "slurmctld.pid")
        if self.accounting:
            self.accounting.down()
        if (self.daemon_dir / "munged.pid").exists():
            _end(MUNGED)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)
        for name in ("state", "spool", "dev"):
            shutil.rmtree(self.daemon_dir / name, ignore_errors=True)


def _descendants(process) -> list:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


if __name__ == "__main__":
    reason = missing()
    if reason:
        sys.exit(f"cluster: {reason}")
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    getattr(Cluster(Path(sys.argv[2])), sys.argv[1])()
