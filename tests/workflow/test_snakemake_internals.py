"""The version check, and the parts of Snakemake that the rules read."""

from types import SimpleNamespace

import pytest

from diffzero.workflow import snakemake_internals
from diffzero.workflow.snakemake_internals import TESTED, check_snakemake_version


@pytest.mark.parametrize(("version", "warned"), [(f"{TESTED}.0", False), (f"{TESTED}.7", False), ("9.99.0", True)])
def test_another_minor_version_of_snakemake_is_warned_of(monkeypatch, capsys, version, warned):
    monkeypatch.setattr(snakemake_internals.metadata, "version", lambda name: version)
    check_snakemake_version(SimpleNamespace(is_main_process=True))
    message = capsys.readouterr().err
    assert (f"found Snakemake {version}, tested with {TESTED}" in message) == warned == ("pip install" in message)


def test_jobs_do_not_repeat_the_warning(monkeypatch, capsys):
    monkeypatch.setattr(snakemake_internals.metadata, "version", lambda name: "9.99.0")
    check_snakemake_version(SimpleNamespace(is_main_process=False))
    assert not capsys.readouterr().err


def test_the_tested_version_is_the_pinned_one():
    assert snakemake_internals.metadata.version("snakemake").startswith(f"{TESTED}.")
