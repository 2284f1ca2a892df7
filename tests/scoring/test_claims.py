"""Claims of images: one living job per image, and the scores of other jobs instead of calls."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from diffzero.scoring.claims import CLAIMS, Claims
from diffzero.scoring.engine import Engine
from diffzero.scoring.shard_lock import try_create
from diffzero.scoring.store import Store
from toy import POLICIES, Toy, classification, score, weight

KEY = "key of picture 2"


def claims(root, token: str, read_new=pd.DataFrame) -> Claims:
    return Claims(root, token, read_new, poll_interval=0.01)


def test_an_image_has_one_living_job_at_a_time(tmp_path):
    with claims(tmp_path, "a") as one:
        with claims(tmp_path, "b") as two:
            assert one.take("x") and one.take("x") and not two.take("x") and two.take("y")
            one.release(["x", "never claimed"])
            assert two.take("x") and not one.take("x")
        assert one.take("x") and one.take("y")
    assert not list((tmp_path / CLAIMS).iterdir())


def test_claims_of_a_job_without_a_lock_and_of_a_dead_process_are_taken_over(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    import socket

    with claims(tmp_path, "a") as own:
        owner = {"host": socket.gethostname(), "pid": int(dead.stdout), "token": "killed"}
        (tmp_path / CLAIMS / "killed.owner").write_text(json.dumps(owner))
        for key, token in (("x", "killed"), ("y", "ended"), ("z", "")):
            assert try_create(tmp_path / CLAIMS / key, token)
            assert own.take(key)


def test_a_job_that_continues_a_killed_one_has_its_claims(tmp_path):
    (tmp_path / CLAIMS).mkdir()
    assert try_create(tmp_path / CLAIMS / "x", "same job")
    with claims(tmp_path, "same job") as own:
        assert own.take("x")
    assert not (tmp_path / CLAIMS / "x").exists()


def test_a_silent_job_of_another_machine_is_given_up(tmp_path):
    (tmp_path / CLAIMS).mkdir()
    (tmp_path / CLAIMS / "far.owner").write_text(json.dumps({"host": "elsewhere", "pid": 1, "token": "far"}))
    assert try_create(tmp_path / CLAIMS / "x", "far")
    with Claims(tmp_path, "a", pd.DataFrame, 0.01, dead_after=0.1) as own:
        assert not own.take("x")
        while not own.take("x"):
            own.wait()


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_an_image_of_another_job_is_scored_last_and_without_a_call(tmp_path, policy):
    problem = classification()
    alone, chunks = score(Toy(tmp_path), problem, policy)
    theirs = pd.concat(chunks).query("image == @KEY")
    toy, store = Toy(tmp_path), Store(tmp_path / "store", {})
    with (
        claims(tmp_path, "other") as other,
        claims(tmp_path, "own", lambda: store.read_new(set(problem.image_keys))) as own,
    ):
        other.take(KEY)

        def report(progress):
            if progress.images_done == len(problem.images) - 1:
                store_of_the_other_job = Store(tmp_path / "store", {})
                store_of_the_other_job.write(theirs)
                other.release([KEY])

        found = Engine(toy, problem, policy, weight, 6).run(store.write, report, claims=own)
    pd.testing.assert_frame_equal(found.to_frame(), alone.to_frame(), check_exact=True)
    assert found.outcomes == alone.outcomes
    assert toy.calls == len(pd.concat(chunks)) - len(theirs)


def test_claims_change_neither_batches_nor_scores_of_a_job_that_is_alone(tmp_path):
    problem, (plain, other) = classification(), (Toy(tmp_path), Toy(tmp_path))
    expected, _ = score(plain, problem, POLICIES[0])
    with claims(tmp_path, "own") as own:
        found, _ = score(other, problem, POLICIES[0], claims=own)
    assert other.batches == plain.batches and found.outcomes == expected.outcomes
