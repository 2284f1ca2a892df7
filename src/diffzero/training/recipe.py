"""The training recipe of the mini models: stages, hyperparameters and data mixes.

Together with the code it determines the weights. Each model is trained in two stages: a broad one on all domains, then one with more scenes
and shorter captions. Without the second stage the diffusion models recognise an object's shape only together with its colour or position.
"""

from dataclasses import dataclass

SIZE = 32  # side of the training images in pixels; each model resizes them to its own


@dataclass(frozen=True)
class DataMix:
    """The composition of the training batches: shares of the domains and of the kinds of scene captions."""

    digits: float
    fashion: float
    scenes: float
    one_object: float  # share of captions that describe one object only
    attributes: tuple[float, float, float, float]  # shares of captions with one, two, three and four attributes
    words: tuple[float, float, float, float]  # probabilities of drawing shape, colour, size and position

    @property
    def domains(self) -> dict[str, float]:
        """Share of each domain."""
        return {"digits": self.digits, "fashion": self.fashion, "scenes": self.scenes}


@dataclass(frozen=True)
class TrainConfig:
    """Hyperparameters of one training stage of a model."""

    steps: int
    lr_decay_steps: int  # length of the cosine decay of the learning rate; training may stop earlier
    batch_size: int
    lr: float  # peak learning rate
    data_mix: str = "broad"
    seed: int = 0
    init_from: str | None = None  # the stage whose weights this stage starts from
    max_weight: float = 20.0  # bound of `truncated_snr_weight` (used by mini-if only)


DATA_MIXES = {
    "broad": DataMix(0.25, 0.3, 0.45, 0.4, (0.35, 0.4, 0.15, 0.1), (2 / 6, 2 / 6, 1 / 6, 1 / 6)),
    "scenes": DataMix(0.12, 0.18, 0.7, 0.6, (0.5, 0.3, 0.12, 0.08), (0.45, 0.25, 0.15, 0.15)),
}
TRAINING_STAGES = {
    "vae": TrainConfig(900, 900, 32, 2e-3),
    "mini-sd-broad": TrainConfig(16000, 16000, 32, 8e-4),
    "mini-if-broad": TrainConfig(10000, 10000, 32, 8e-4),
    "mini-clip-broad": TrainConfig(2000, 2000, 96, 1e-3),
    "mini-sd": TrainConfig(5500, 5500, 32, 5e-4, "scenes", 1, "mini-sd-broad"),
    "mini-if": TrainConfig(4000, 4000, 32, 5e-4, "scenes", 1, "mini-if-broad", 5.0),
    "mini-clip": TrainConfig(600, 600, 96, 5e-4, "scenes", 1, "mini-clip-broad"),
}
SCENE_SHARDS, SCENES_PER_SHARD, SCENE_SEED = 4, 3000, 1
