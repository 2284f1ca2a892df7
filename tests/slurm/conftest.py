"""One cluster and one working copy for all tests on SLURM."""

import subprocess
import sys

import pytest
from cluster import Cluster
from work import CONFIG, WHY_NOT, Work, environment, jobs, wait_for


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    assert WHY_NOT is None, WHY_NOT
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def work(tmp_path_factory, cluster) -> Work:
    return Work(tmp_path_factory.mktemp("work"))


@pytest.fixture(autouse=True)
def clean_cluster(request):
    """Start every test of a working copy with an empty cluster and store; it leaves no Snakemake process and no lock."""
    if "work" not in request.fixturenames:
        yield
        return
    cluster, work = request.getfixturevalue("cluster"), request.getfixturevalue("work")
    cluster.run("scancel", "--user", "root", check=False)
    wait_for(lambda: not jobs(cluster), 60)
    cluster.wait_idle()
    work.clean()
    yield
    left = [run for run in work.started if run.poll() is None]
    for run in left:
        run.kill()
    locks, work.started = work.locks(), []
    if locks:
        unlock = [sys.executable, "-m", "snakemake", "--unlock", "--configfile", CONFIG]
        subprocess.run(unlock, cwd=work.root, env=environment(), capture_output=True, timeout=120)
    assert not left and not locks, work.log()[-3000:]
