"""How the mini models are made: courses of training and what their batches hold. With the code, all that decides their weights.

Each model is trained twice: a broad course on everything, then one that dwells on scenes and on what few words say of them, without which
the diffusion models know an object's shape only beside its colour or position.
"""

from dataclasses import dataclass

SIZE = 32  # pixels of the training images; each model takes its own size from these


@dataclass(frozen=True)
class Mixture:
    """What the batches of a course hold: shares of the domains, and of what a scene's caption says."""

    digits: float
    fashion: float
    scenes: float
    one_object: float  # captions about one object alone
    attributes: tuple[float, float, float, float]  # captions with one, two, three, four attributes
    words: tuple[float, float, float, float]  # how soon shape, colour, size, position are among them

    @property
    def domains(self) -> dict[str, float]:
        """The share of each domain."""
        return {"digits": self.digits, "fashion": self.fashion, "scenes": self.scenes}


@dataclass(frozen=True)
class Course:
    """One training of a model; with the data, all that decides its weights."""

    steps: int
    horizon: int  # steps in which the learning rate would fall to its end; a training may stop before
    batch: int
    rate: float  # at its highest
    mixture: str = "broad"
    seed: int = 0
    start: str | None = None  # the course whose weights this one goes on from
    largest_weight: float = 20.0  # of an eps error at low SNR (mini-if alone; diffzero.training.training.truncated_snr)


MIXTURES = {
    "broad": Mixture(0.25, 0.3, 0.45, 0.4, (0.35, 0.4, 0.15, 0.1), (2 / 6, 2 / 6, 1 / 6, 1 / 6)),
    "scenes": Mixture(0.12, 0.18, 0.7, 0.6, (0.5, 0.3, 0.12, 0.08), (0.45, 0.25, 0.15, 0.15)),
}
COURSES = {
    "vae": Course(900, 900, 32, 2e-3),
    "mini-sd-broad": Course(16000, 16000, 32, 8e-4),
    "mini-if-broad": Course(10000, 10000, 32, 8e-4),
    "mini-clip-broad": Course(2000, 2000, 96, 1e-3),
    "mini-sd": Course(5500, 5500, 32, 5e-4, "scenes", 1, "mini-sd-broad"),
    "mini-if": Course(4000, 4000, 32, 5e-4, "scenes", 1, "mini-if-broad", 5.0),
    "mini-clip": Course(600, 600, 96, 5e-4, "scenes", 1, "mini-clip-broad"),
}
SCENE_SHARDS, SCENES_A_SHARD, SCENE_SEED = 4, 3000, 1
