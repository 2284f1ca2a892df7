"""The accounting database of the test cluster: a private mariadbd and slurmdbd, for limits of accounts and of QOS.

Needs Debian's packages slurmdbd and mariadb-server besides those of the cluster.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = "slurmdbd mariadb-server"
INSTALL = f"apt-get update && apt-get install -y --no-install-recommends {PACKAGES}   (as root)"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
SLURMDBD_CONF = Path("/etc/slurm/slurmdbd.conf")
# Lines of slurm.conf. With "enforce", slurmctld refuses unknown accounts and applies limits.
CONF = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu"""
DATABASE_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=16819
AuthType=auth/munge
SlurmUser=root
PidFile={directory}/slurmdbd.pid
LogFile={directory}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=slurm
StoragePass=toy
StorageLoc=slurm_acct_db
"""
ACCOUNT, USER = "lab1", "root"


def missing() -> str | None:
    """Return why no accounting can be started here; None if it can."""
    absent = [name for name in ("slurmdbd", "mariadbd", "sacctmgr") if not shutil.which(name, path=PATH)]
    return f"no {', '.join(absent)} on this machine. To get it: {INSTALL}" if absent else None


class Accounting:
    """A mariadbd and a slurmdbd with their files in `directory`; munged must run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.socket = self.directory / "s.sock"

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command and return its output."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"PATH": PATH})
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> None:
        """Start both daemons, with one cluster, one account and this user."""
        data = self.directory / "data"
        data.mkdir(parents=True)
        # As root, because only root may enter the folders of a test.
        self.run("mariadb-install-db", "--user=root", f"--datadir={data}", "--skip-test-db")
        options = ["--bind-address=127.0.0.1", "--port=13306", "--innodb-buffer-pool-size=64M", "--skip-log-bin"]
        with (self.directory / "mariadbd.log").open("w") as log:
            self.database = subprocess.Popen(
                ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={self.socket}", *options],
                stdout=log,
                stderr=log,
                env=os.environ | {"PATH": PATH},
            )
        self._wait(
            lambda: (
                "alive" in self.run("mariadb-admin", "--no-defaults", f"--socket={self.socket}", "ping", check=False)
            )
        )
        grants = "create database slurm_acct_db;" + "".join(
            f"create user 'slurm'@'{host}' identified by 'toy'; grant all on slurm_acct_db.* to 'slurm'@'{host}';"
            for host in ("localhost", "127.0.0.1")
        )
        self.run("mariadb", "--no-defaults", f"--socket={self.socket}", "-e", grants)
        SLURMDBD_CONF.write_text(DATABASE_CONF.format(directory=self.directory))
        SLURMDBD_CONF.chmod(0o600)
        self.server = subprocess.Popen(["slurmdbd", "-D"], env=os.environ | {"PATH": PATH}, stderr=subprocess.DEVNULL)

        def answers() -> bool:
            return bool(self.run("sacctmgr", "-n", "show", "qos", check=False).strip())

        self._wait(answers)
        self.run("sacctmgr", "-i", "add", "cluster", "diffzero")
        self.run("sacctmgr", "-i", "add", "account", ACCOUNT, "Cluster=diffzero", "Description=lab", "Organization=lab")
        self.run("sacctmgr", "-i", "add", "user", USER, f"DefaultAccount={ACCOUNT}", "Cluster=diffzero")

    def limit_submissions(self, jobs: int) -> None:
        """Set the number of jobs that this user may have in the queue; -1 for no limit."""
        self.run("sacctmgr", "-i", "modify", "user", USER, "set", f"MaxSubmitJobs={jobs}")

    def down(self) -> None:
        """End both daemons; their data lie in `directory`."""
        for process in (getattr(self, "server", None), getattr(self, "database", None)):
            if process:
                process.terminate()
                process.wait(30)
        SLURMDBD_CONF.unlink(missing_ok=True)

    def _wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(path.read_text()[-2000:] for path in self.directory.glob("*.log"))
                raise RuntimeError(f"the accounting did not start within {seconds:.0f} s.\n{logs}")
            time.sleep(0.2)
