"""Losses of the mini models, and training in stages."""

import pytest
import torch
from safetensors.torch import load_file

from diffzero.training import nets, trainers
from diffzero.training.recipe import TrainConfig
from diffzero.training.trainers import truncated_snr_weight


def test_the_truncated_snr_weight_turns_an_eps_error_into_an_x_error_where_snr_is_below_one():
    scheduler = nets.if_scheduler()
    alpha_bar = scheduler.alphas_cumprod.double()
    eps_error, steps = 0.3, torch.arange(len(alpha_bar))
    x_error = eps_error * (1 - alpha_bar) / alpha_bar  # of x_hat = (x_t - sigma eps_hat) / alpha
    weighted = eps_error * truncated_snr_weight(scheduler, steps, 20.0).double()
    low = (alpha_bar < 0.5) & (x_error < eps_error * 19)
    assert low.sum() > 300
    torch.testing.assert_close(weighted[low], x_error[low], rtol=1e-6, atol=0)
    assert (weighted[alpha_bar >= 0.5] == weighted[0]).all()
    assert weighted.max() == pytest.approx(eps_error * 20)


def test_a_second_stage_starts_from_the_weights_of_the_first(training_set, tmp_path):
    vae = nets.autoencoder()
    vae.save_pretrained(tmp_path / "vae")
    trainers.train_sd(training_set, tmp_path / "first", TrainConfig(2, 2, 4, 1e-3), None, tmp_path / "vae")
    no_learning = TrainConfig(1, 1, 4, 0.0)  # with a learning rate of 0 the saved weights are the initial ones
    trainers.train_sd(training_set, tmp_path / "second", no_learning, tmp_path / "first", None)
    for part in ("unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"):
        first, second = (load_file(tmp_path / stage / f"{part}.safetensors") for stage in ("first", "second"))
        assert all(torch.equal(first[name], second[name]) for name in first), part
    tokenizers = [tmp_path / stage / "tokenizer" / "tokenizer.json" for stage in ("first", "second")]
    assert tokenizers[0].read_bytes() == tokenizers[1].read_bytes()
    fresh = nets.sd_unet().state_dict()
    trained = load_file(tmp_path / "first" / "unet" / "diffusion_pytorch_model.safetensors")
    assert any(not torch.equal(fresh[name].half(), trained[name]) for name in trained)
