"""How the mini models are made: lengths of training and numbers of scenes. With the seed and the code, all that decides their weights."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Length:
    """How long a model is trained; with the data, all that decides its weights."""

    steps: int
    horizon: int  # steps in which the learning rate would fall to its end; a training may stop before
    batch: int
    seed: int = 0


LENGTHS = {
    "vae": Length(900, 900, 32),
    "mini-sd": Length(16000, 16000, 32),
    "mini-if": Length(10000, 10000, 32),
    "mini-clip": Length(2000, 2000, 96),
}
SCENE_SHARDS, SCENES_A_SHARD, SCENE_SEED = 4, 3000, 1
