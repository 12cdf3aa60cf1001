"""A Slurm of one node with a fake GPU, in one folder of this machine, from Debian's packages.

Run as a program, it prints why it cannot be started here and ends with status 77. It does not touch a Slurm or a
database that may already run here, because it has its own ports, sockets, keys and folders. While it runs, /etc/slurm
contains only a link to its configuration.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacctmgr")
CONFIGURATION = ("slurm.conf", "slurmdbd.conf", "gres.conf")
CONFIGURED = Path("/etc/slurm/slurm.conf")
"""Where every command looks for the configuration. The executor plugin removes the variable SLURM_CONF from the
environment of jobs."""
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=10
MinJobAge=300
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={dbd}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


def why_not() -> str | None:
    """Why a cluster cannot be started here; None if it can."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        return (
            f"{', '.join(missing)} not installed (Debian: apt install slurm-wlm slurmdbd munge mariadb-server; "
            "its services need not run)"
        )
    if os.geteuid() != 0:
        return "slurmd needs root"
    if CONFIGURED.exists():
        return f"a Slurm is configured here already ({CONFIGURED})"
    return None


class Cluster:
    """A running Slurm; see :func:`running_cluster`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node = socket.gethostname().split(".")[0]
        self.environment = os.environ | {
            "PATH": PATH,
            "OMP_NUM_THREADS": "1",
        }
        self._daemons: list[subprocess.Popen[bytes]] = []

    def call(self, *command: str) -> str:
        """The output of a command. Raises :class:`RuntimeError` with its error message if it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def jobs(self, *fields: str) -> list[dict[str, str]]:
        """All jobs of the cluster according to accounting, without their steps."""
        text = self.call("sacct", "-a", "-X", "-n", "-P", "-S", "now-1day", "-D", "-o", ",".join(fields))
        return [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]

    def start(self) -> None:
        """Start every daemon in order, and wait until the node is idle."""
        folder = self.folder
        ports = dict(zip(("ctld", "slurmd", "dbd", "database"), _free_ports(4), strict=True))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        for name, text in (("slurm.conf", SLURM_CONF), ("slurmdbd.conf", SLURMDBD_CONF)):
            (folder / name).write_text(text.format(folder=folder, host=self.node, memory=memory, **ports))
        (folder / "slurmdbd.conf").chmod(0o600)
        (folder / "fake-gpu").touch()
        (folder / "gres.conf").write_text(f"Name=gpu File={folder}/fake-gpu\n")
        for name in CONFIGURATION:
            (CONFIGURED.parent / name).unlink(missing_ok=True)  # a dangling link, left by tests that were killed
            (CONFIGURED.parent / name).symlink_to(folder / name)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        database = ("--no-defaults", f"--datadir={folder}/database", "--user=root")
        self.call("mariadb-install-db", *database, "--auth-root-authentication-method=normal", "--skip-test-db")
        self._daemon(
            "mariadbd", *database, f"--socket={folder}/database.socket", f"--pid-file={folder}/mariadbd.pid",
            "--bind-address=127.0.0.1", f"--port={ports['database']}", "--innodb-buffer-pool-size=64M",
        )  # fmt: skip
        sql = "CREATE DATABASE slurm; GRANT ALL ON slurm.* TO slurm@'%' IDENTIFIED BY 'slurm';"
        _wait(lambda: self.call("mariadb", f"--socket={folder}/database.socket", "-e", sql), "the database")
        self._daemon("slurmdbd", "-D")
        _wait(lambda: self.call("sacctmgr", "-i", "show", "cluster"), "slurmdbd")
        self.call("sacctmgr", "-i", "add", "cluster", "tests")
        self.call("sacctmgr", "-i", "add", "account", "tests", "cluster=tests")
        self.call("sacctmgr", "-i", "add", "user", "root", "account=tests")
        self._daemon("slurmctld", "-D")
        _wait(lambda: self.call("scontrol", "ping"), "slurmctld")
        self._daemon("slurmd", "-D")
        _wait(self._idle, "the node")

    def stop(self) -> None:
        """End all jobs, then all daemons in reverse order."""
        subprocess.run(["scancel", "-u", "root", "-s", "KILL"], env=self.environment, check=False, timeout=60)
        time.sleep(1)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for name in CONFIGURATION:
            link = CONFIGURED.parent / name
            if link.is_symlink() and link.readlink() == self.folder / name:
                link.unlink()

    def _daemon(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}.out", "wb") as out:
            self._daemons.append(
                subprocess.Popen(
                    command, env=self.environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
                )
            )

    def _idle(self) -> None:
        state = self.call("sinfo", "-h", "-o", "%T").strip()
        if state != "idle":
            raise RuntimeError(f"the node is {state}")


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster in the empty ``folder``, which is stopped after the block."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _wait(ready: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            ready()
        except RuntimeError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come up: {error}") from None
            time.sleep(0.2)
        else:
            return


def _free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


if __name__ == "__main__":
    if reason := why_not():
        print(reason)
        sys.exit(77)
