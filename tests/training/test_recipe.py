"""The training recipe is consistent."""

import pytest

from diffzero.training.recipe import DATA_MIXES, TRAINING_STAGES


def test_the_shares_of_every_data_mix_sum_to_one():
    for mix in DATA_MIXES.values():
        for shares in (mix.domains.values(), mix.attributes, mix.words):
            assert sum(shares) == pytest.approx(1)


def test_every_stage_has_a_known_data_mix_and_starts_from_an_earlier_stage_of_its_model():
    for name, config in TRAINING_STAGES.items():
        assert config.data_mix in DATA_MIXES
        assert config.init_from is None or (config.init_from in TRAINING_STAGES and config.init_from.startswith(name))
