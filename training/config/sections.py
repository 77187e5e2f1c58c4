"""The sections of a recipe: data, model, augmentation, training and claps, as frozen records."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class DataConfig:
    """Which recordings take part, and how they are divided."""

    test_share: float = 0.15
    """Share of each class's clips that is kept for the final figures."""
    validation_share: float = 0.10
    """Share of each class's clips that calibrates, and shows how a run goes."""
    test_corpora: tuple[str, ...] = ()
    """Corpora that belong to the test part as a whole."""
    exclude_names: tuple[str, ...] = ()
    """Clips of these original file names take no part at all."""
    events: tuple[str, ...] = ()
    """Classes that matter most: what reports begin with, and what is left out corpus by corpus; empty for all."""
    impulsive: dict[str, float] = dataclasses.field(default_factory=dict)
    """Classes of short sounds: the chance that a window is laid around an onset, not around any loud frame."""
    recent: float = 0.35
    """Share of the short sounds that begin in the last 300 ms of their window: the more, the sooner they are heard."""
    p_sudden: float = 0.0
    """Chance that a short sound comes out of digital silence."""
    classes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """New names of classes, each with the old ones that become it; classes that are not named take no part, and the
    old name `*` stands for what has no named class. Empty keeps all as they are."""
    background: tuple[str, ...] = ()
    """Classes that other sounds are mixed into; empty for the ambience that there is, or all classes without any."""
    class_weights: dict[str, float] = dataclasses.field(default_factory=dict)
    """How often a class is drawn; 1 where nothing is said."""
    quiet_label: str = ""
    """The class of a window in which nothing sounds; empty for `background`, or none where there is no such class."""
    spread: bool = False
    """Give every class that has recordings for it one in each part, whatever the shares say."""
    teacher: str = ""
    """Class probabilities of a teacher, an `.npz` below the data folder; empty trains without."""
    logits: str = ""
    """Logits of a public network's own classes, an `.npz` below the data folder; empty trains without."""
    copies: int = 0
    """Copies of the recordings that went through other rooms, distances, microphones and codecs."""
    made: dict[str, int] = dataclasses.field(default_factory=dict)
    """How many sirens and claps are made up."""
    leave_out: tuple[str, ...] = ()
    """Corpora that take no part at all."""
    only: tuple[str, ...] = ()
    """Corpora that take part; empty for all."""
    fine: bool = False
    """Learn the corpus's own labels (the manifest's column `fine`) instead of the classes."""


def _require_at_least(least: int, section: str, record: object, names: Iterable[str]) -> None:
    """Refuse smaller values of some settings of a section."""
    for name in names:
        if (value := getattr(record, name)) < least:
            msg = f"{value} must be at least {least}"
            raise ConfigError(msg, where=f"config: {section}.{name}")


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A row of an architecture's table."""

    channels: int
    repeats: int = 1
    stride_time: int = 1
    stride_mel: int = 1
    expand: int = 1
    residual: bool = True

    def __post_init__(self) -> None:
        """Refuse what no layer can be made of."""
        if min(self.channels, self.repeats, self.stride_time, self.stride_mel, self.expand) < 1:
            msg = f"{self}: the numbers must be at least 1"
            raise ConfigError(msg, where="config: model.stages")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network: a name in the registry and its table."""

    name: str = "resnet"
    stem: int = 16
    stages: tuple[Stage, ...] = ()
    head: int = 256
    width: float = 1.0
    """Width multiplier of the published MobileNetV2, which is built where there are no stages."""
    dropout: float = 0.2
    tower: int = 192
    """Channels of the blocks over time of a streaming network."""
    kernels: tuple[int, ...] = (3, 3, 5, 5)
    """Steps that each of those blocks sees."""
    pool: int = 12
    """Steps that a decision of a streaming network is pooled from."""

    def __post_init__(self) -> None:
        """Refuse what no network can be made of."""
        _require_at_least(1, "model", self, ("stem", "head", "tower", "pool"))
        if not 0.0 <= self.dropout <= 1.0:
            msg = f"{self.dropout} must be from 0 to 1"
            raise ConfigError(msg, where="config: model.dropout")


@dataclasses.dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Chances (`p_…`) and ranges of the augmentations."""

    p_background: float = 0.5
    snr_db: tuple[float, float] = (-5.0, 20.0)
    p_mixup: float = 0.3
    p_band_limit: float = 0.35
    p_colour: float = 0.7
    tilt_db: float = 10.0
    p_reverb: float = 0.3
    p_noise: float = 0.4
    gain_db: tuple[float, float] = (-30.0, 15.0)
    mel_shift: float = 2.0
    """Largest pitch shift, in mel bands."""
    speed: float = 0.12
    """Largest change of tempo, as a share."""
    mel_mask: int = 10
    """Most bands in each stripe of them that SpecAugment blanks."""
    mel_stripes: int = 2
    time_mask: int = 5
    """Most frames in each stripe of them."""
    time_stripes: int = 1
    p_patch: float = 0.0
    """Chance of PatchAugment: five holes of 10 x 10."""
    p_distance: float = 0.0
    """Chance that a window is heard from 5 to 300 m instead of 1."""
    p_codec: float = 0.0
    """Chance that what is 15 to 40 dB under the loudest band of its frame is lost, as in a codec of few bits."""
    p_left_silence: float = 0.1
    p_silence: float = 0.02


TRAIN_CHOICES = {
    "loss": ("bce", "weighted-bce", "focal", "cross-entropy", "hybrid", "hybrid-bce"),
    "schedule": ("cosine", "plateau", "constant"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "amp": ("auto", "off", "bf16", "fp16"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrainConfig:
    """The loss, the optimiser and its schedule, and what they run on."""

    seed: int = 3
    init: str = ""
    """A checkpoint to begin with: its weights, as far as they fit; empty begins with chance."""
    steps: int = 10_000
    batch: int = 128
    """Samples of a step, of all processes together."""
    lr: float = 3e-3
    weight_decay: float = 0.02
    schedule: str = "cosine"
    """`cosine` (to 0 at the last step), `plateau` (less when validation stops getting better) or `constant`."""
    warmup_steps: int = 300
    plateau_patience: int = 3
    """Looks at the validation part without improvement that `plateau` bears; one more, and the rate falls."""
    plateau_factor: float = 0.5
    patience: int = 0
    """Looks without improvement after which a run ends, with its best weights; 0 runs to the last step."""
    ema_decay: float = 0.999
    loss: str = "bce"
    """`bce`, `weighted-bce`, `focal`, `cross-entropy`, or `hybrid` and `hybrid-bce`: contrastive beside one of them."""
    focal_gamma: float = 2.0
    """How much less a focal loss says of what is right already."""
    focal_alpha: float = 0.25
    """Weight of the labels that hold in a focal loss; the others have 1 less this."""
    label_smoothing: float = 0.0
    """Share of a cross-entropy's target that all labels have alike."""
    contrast_weight: float = 0.5
    """Share of the contrastive loss in a hybrid one."""
    temperature: float = 0.05
    """Of the contrastive loss: smaller looks at the nearest samples only."""
    distil_weight: float = 1.0
    """Weight of the teacher's loss beside the labels' loss; 0 leaves `data.teacher` to say only what is unsure."""
    logit_weight: float = 0.0
    """Weight of the loss against `data.logits`, learnt by a layer that is not exported."""
    unsure_above: float = 0.3
    """A class that the label leaves out is not held against the network where the teacher gives it more than this."""
    validate_every: int = 500
    device: str = "auto"
    """`cpu`, `cuda`, `mps`, or `auto`: the first there is of `cuda`, `mps` and `cpu`."""
    amp: str = "auto"
    """Mixed precision: `bf16`, `fp16`, `off`, or `auto`: on CUDA what it can, elsewhere off."""
    workers: int = 1
    """Threads that prepare batches; with another number other batches are drawn."""
    threads: int = 1
    """Threads of the network's arithmetic on the CPU."""
    bf16: bool = True
    """Multiply in bfloat16 where the processor can; weights and sums stay 32-bit."""

    def __post_init__(self) -> None:
        """Refuse what no run can be made with."""
        for name, known in TRAIN_CHOICES.items():
            if (value := getattr(self, name)) not in known:
                msg = f"{value!r} is unknown"
                raise ConfigError(msg, where=f"config: train.{name}", remedy=suggest(str(value), list(known)))
        _require_at_least(1, "train", self, ("steps", "batch", "validate_every", "workers", "threads"))
        _require_at_least(0, "train", self, ("seed", "lr", "weight_decay"))


@dataclasses.dataclass(frozen=True, slots=True)
class ClapsConfig:
    """What the clap network learns from, and from which probability it is believed."""

    crops: int = 40_000
    """Crops of claps."""
    other_crops: int = 80_000
    """Crops of onsets that are no claps."""
    fold: int = -1
    """The fifth of the recordings without claps that is left out for figures; -1 leaves none out."""
    people: dict[str, str] = dataclasses.field(default_factory=dict)
    """Groups whose claps are trained on: all takes (`all`), or those of an even number (`even`)."""
    others: tuple[str, ...] = ()
    """Groups of claps that are only measured."""
    background: tuple[str, ...] = ("traffic", "background", "weather", "speech", "machine", "engine", "music", "human")
    """Classes that claps are mixed into."""
    finer: tuple[str, ...] = ("impact", "human", "background")
    """Classes of many kinds of sound, each of which is drawn as if it were a class."""
    hard_every: int = 1_500
    """Steps after which the other crops that look most like claps are chosen anew; a twelfth of a batch is of them."""
    tilt_db: float = 10.0
    """Spread of the random equaliser that each crop goes through."""
    p_noise: float = 0.4
    """Chance of some more hiss."""
    mel_mask: int = 4
    """Most mel bands in each of two stripes that are blanked."""
    smoothing: float = 0.02
    """How far the target of a clap stays below 1, and that of all else above 0."""
    on: float = 0.1
    """Probability from which an onset is a clap."""

    def __post_init__(self) -> None:
        """Refuse what no crops can be drawn with."""
        _require_at_least(1, "claps", self, ("crops", "other_crops", "hard_every"))
