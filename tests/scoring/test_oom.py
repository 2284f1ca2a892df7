"""A full memory costs time, not the run; and changes neither what is evaluated nor how it ends."""

import numpy as np
import pytest
import torch

from diffzero.scoring.engine import Engine
from diffzero.scoring.oom import AUTO_BATCH_SIZE, BatchTooLargeError, choose_batch_size, is_out_of_memory
from toy import POLICIES, Toy, classification, score, triples, weight


class Cramped(Toy):
    """A toy with room for `room` calls at once."""

    room = 4
    largest = 0
    message: str | None = None  # of the host's allocator; None is the GPU's own error

    def network_output(self, x_t, timestep, text):
        if len(x_t) > self.room:
            raise RuntimeError(self.message) if self.message else torch.OutOfMemoryError("out of memory")
        self.largest = max(self.largest, len(x_t))
        return super().network_output(x_t, timestep, text)


@pytest.fixture
def cramped(tmp_path):
    return Cramped(tmp_path)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("room", [1, 4, 7])
def test_a_batch_that_does_not_fit_is_evaluated_in_pieces_with_the_same_scores(policy, room, cramped, tmp_path):
    problem, cramped.room = classification(), room
    roomy, expected = score(Toy(tmp_path / "roomy"), problem, policy, 32)
    result, recorded = score(cramped, problem, policy, 32)
    assert result.to_frame().equals(roomy.to_frame()) and result.outcomes == roomy.outcomes
    # The same triples in the same order: memory is no part of what a resumed run must repeat.
    assert triples(recorded, problem) == triples(expected, problem)
    assert 0 < cramped.largest <= room


def test_the_size_that_fits_is_kept(cramped):
    engine = Engine(cramped, classification(), POLICIES[2], weight, 32)
    engine.run(lambda scores: None)
    assert engine.batch_size == 32 and engine.micro_batcher.size == 4


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    ],
)
def test_shortages_that_others_than_torchs_allocator_report_count_as_well(cramped, message):
    cramped.message = message
    score(cramped, classification(), POLICIES[0], 32)
    assert cramped.largest == 4


def test_a_real_allocation_that_fails_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_one_call_that_does_not_fit_says_what_to_set(cramped):
    cramped.room = 0
    with pytest.raises(BatchTooLargeError, match="not even one call .*dtype: bfloat16"):
        score(cramped, classification(), POLICIES[0], 32)


@pytest.mark.parametrize("message", ["mat1 and mat2 shapes cannot be multiplied", "CUBLAS_STATUS_EXECUTION_FAILED"])
def test_other_errors_are_not_taken_for_a_full_memory(cramped, message):
    cramped.message = message
    with pytest.raises(RuntimeError, match=message):
        score(cramped, classification(), POLICIES[0], 32)


def test_auto_is_a_function_of_the_device_alone():
    assert choose_batch_size("auto", torch.device("cpu")) == AUTO_BATCH_SIZE["cpu"] == 32
    assert choose_batch_size("auto", torch.device("cuda", 1)) == AUTO_BATCH_SIZE["cuda"]
    assert choose_batch_size(17, torch.device("cuda")) == 17
    assert np.log2(AUTO_BATCH_SIZE["cuda"]).is_integer()
