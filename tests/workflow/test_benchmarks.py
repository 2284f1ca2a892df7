"""The parts of the benchmark that only a GPU runs at full size, on the CPU: the same code, a small network."""

import pytest
import throughput
import torch
from full_size import full_size


@pytest.fixture
def few_sizes(monkeypatch):
    monkeypatch.setattr(throughput, "BATCH_SIZES", {"cpu": (2, 4, 64)})


def test_the_full_size_part_gives_a_fraction_and_speed_and_memory_by_batch_size(few_sizes):
    found = full_size(torch.device("cpu"), 2, images=2, calls=16)
    assert set(found["small_bare_calls_per_s"]) == set(found["small_peak_memory_mb"]) == {2, 4, 64}
    assert len(found["small_turns"]) == 2 and min(found["small_turns"]) > 0
    assert found["small_best_batch"] in (2, 4, 64) and found["small_useful_fraction"] > 0


def test_batch_sizes_end_where_memory_does(few_sizes, monkeypatch):
    roomy = throughput.Workload.network_inputs

    def cramped(work, batch):
        if batch > 4:
            raise torch.OutOfMemoryError("out of memory")
        return roomy(work, batch)

    monkeypatch.setattr(throughput.Workload, "network_inputs", cramped)
    assert set(full_size(torch.device("cpu"), 1, images=2, calls=16)["small_bare_calls_per_s"]) == {2, 4}
