"""Out of memory: the run continues with smaller parts, evaluates the same triples and gives the same result."""

import numpy as np
import pytest
import torch

from diffzero.scoring.engine import Engine
from diffzero.scoring.oom import AUTO_BATCH_SIZE, BatchTooLargeError, choose_batch_size, is_out_of_memory
from toy import POLICIES, Toy, classification, score, triples, weight


class Limited(Toy):
    """A toy denoiser with memory for `capacity` calls at once."""

    capacity = 4
    largest = 0
    message: str | None = None  # of the error; None raises torch's own error

    def network_output(self, x_t, timestep, text):
        if len(x_t) > self.capacity:
            raise RuntimeError(self.message) if self.message else torch.OutOfMemoryError("out of memory")
        self.largest = max(self.largest, len(x_t))
        return super().network_output(x_t, timestep, text)


@pytest.fixture
def limited(tmp_path):
    return Limited(tmp_path)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("capacity", [1, 4, 7])
def test_a_batch_that_does_not_fit_is_evaluated_in_parts_with_the_same_scores(policy, capacity, limited, tmp_path):
    problem, limited.capacity = classification(), capacity
    reference, expected = score(Toy(tmp_path / "reference"), problem, policy, 32)
    result, recorded = score(limited, problem, policy, 32)
    assert result.to_frame().equals(reference.to_frame()) and result.outcomes == reference.outcomes
    # The same triples in the same order: a resumed run may have more or less memory.
    assert triples(recorded, problem) == triples(expected, problem)
    assert 0 < limited.largest <= capacity


def test_a_size_that_fits_is_kept(limited):
    engine = Engine(limited, classification(), POLICIES[2], weight, 32)
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
def test_allocation_errors_of_other_libraries_are_recognised(limited, message):
    limited.message = message
    score(limited, classification(), POLICIES[0], 32)
    assert limited.largest == 4


def test_a_real_failed_allocation_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_a_single_call_that_does_not_fit_is_an_error_with_advice(limited):
    limited.capacity = 0
    with pytest.raises(BatchTooLargeError, match="too little for a single call .*dtype: bfloat16"):
        score(limited, classification(), POLICIES[0], 32)


@pytest.mark.parametrize("message", ["mat1 and mat2 shapes cannot be multiplied", "CUBLAS_STATUS_EXECUTION_FAILED"])
def test_other_errors_are_not_taken_for_out_of_memory(limited, message):
    limited.message = message
    with pytest.raises(RuntimeError, match=message):
        score(limited, classification(), POLICIES[0], 32)


def test_the_automatic_batch_size_depends_on_the_device_alone():
    assert choose_batch_size("auto", torch.device("cpu")) == AUTO_BATCH_SIZE["cpu"] == 32
    assert choose_batch_size("auto", torch.device("cuda", 1)) == AUTO_BATCH_SIZE["cuda"]
    assert choose_batch_size(17, torch.device("cuda")) == 17
    assert np.log2(AUTO_BATCH_SIZE["cuda"]).is_integer()
