"""The sections of a recipe as frozen records: data, model, augment, train, claps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edge.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class DataConfig:
    """Choice of the recordings, and their division into parts."""

    test_share: float = 0.15
    """Share of each class's clips in the test part."""
    validation_share: float = 0.10
    """Share of each class's clips in the validation part, for calibration and early stopping."""
    test_corpora: tuple[str, ...] = ()
    """Corpora that belong to the test part as a whole."""
    exclude_names: tuple[str, ...] = ()
    """Original file names of clips to leave out."""
    events: tuple[str, ...] = ()
    """The most important classes: reports begin with them, and `kfold --corpora` leaves their corpora out. Empty for
    all."""
    impulsive: dict[str, float] = dataclasses.field(default_factory=dict)
    """Classes of short sounds, with the chance that a window is placed at an onset instead of at any loud frame."""
    recent: float = 0.35
    """Share of short sounds placed in the last 300 ms of their window. A higher share makes detection earlier."""
    p_sudden: float = 0.0
    """Chance that a short sound follows digital silence."""
    classes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """New names of classes, each with the old ones that become it. Classes without a name here are left out, and the
    old name `*` stands for all clips without a named class. Empty keeps all classes."""
    background: tuple[str, ...] = ()
    """Classes that other sounds are mixed into; empty for the usual ambience classes, or all classes without any."""
    class_weights: dict[str, float] = dataclasses.field(default_factory=dict)
    """Relative frequency of each class in batches; 1 by default."""
    quiet_label: str = ""
    """The class of a window without sound; empty for `background`, or no class if the recordings have none of that
    name."""
    spread: bool = False
    """Put at least one recording of every class into each part, even against the shares."""
    teacher: str = ""
    """Class probabilities of a teacher, an `.npz` below the data folder; empty trains without."""
    logits: str = ""
    """Logits of a public network's own classes, an `.npz` below the data folder; empty trains without."""
    copies: int = 0
    """Number of varied copies of the recordings, with other rooms, distances, microphones and codecs."""
    made: dict[str, int] = dataclasses.field(default_factory=dict)
    """Number of synthetic sirens and claps."""
    leave_out: tuple[str, ...] = ()
    """Corpora to leave out."""
    only: tuple[str, ...] = ()
    """Corpora to use; empty for all."""
    fine: bool = False
    """Learn the corpus's own labels (the manifest's column `fine`) instead of the classes."""


def _require_at_least(least: int, section: str, record: object, names: Iterable[str]) -> None:
    """Raise `ConfigError` for a setting below a minimum."""
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
        """Check the values."""
        if min(self.channels, self.repeats, self.stride_time, self.stride_mel, self.expand) < 1:
            msg = f"{self}: the numbers must be at least 1"
            raise ConfigError(msg, where="config: model.stages")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network: a name in the registry, and its table."""

    name: str = "resnet"
    stem: int = 16
    stages: tuple[Stage, ...] = ()
    head: int = 256
    width: float = 1.0
    """Width multiplier of the published MobileNetV2, which is built if there are no stages."""
    dropout: float = 0.2
    tower: int = 192
    """Channels of the blocks over time of a streaming network."""
    kernels: tuple[int, ...] = (3, 3, 5, 5)
    """Kernel sizes of those blocks, in steps."""
    pool: int = 12
    """Steps pooled for a decision of a streaming network."""

    def __post_init__(self) -> None:
        """Check the values."""
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
    """Largest number of bands in each stripe masked by SpecAugment."""
    mel_stripes: int = 2
    time_mask: int = 5
    """Largest number of frames in each stripe."""
    time_stripes: int = 1
    p_patch: float = 0.0
    """Chance of PatchAugment: five holes of 10 x 10."""
    p_distance: float = 0.0
    """Chance that a window is attenuated from a distance of 1 m to 5 to 300 m."""
    p_codec: float = 0.0
    """Chance that bands 15 to 40 dB below the loudest one of their frame are dropped, as by a codec at a low rate."""
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
    """The loss, the optimiser, its schedule and the device."""

    seed: int = 3
    init: str = ""
    """A checkpoint whose matching weights are the start; empty starts from random weights."""
    steps: int = 10_000
    batch: int = 128
    """Samples of a step, in all processes together."""
    lr: float = 3e-3
    weight_decay: float = 0.02
    schedule: str = "cosine"
    """`cosine` (to 0 at the last step), `plateau` (lower when validation stops improving) or `constant`."""
    warmup_steps: int = 300
    plateau_patience: int = 3
    """Validations without improvement after which `plateau` lowers the rate at the next one."""
    plateau_factor: float = 0.5
    patience: int = 0
    """Validations without improvement after which a run ends, with its best weights; 0 runs to the last step."""
    ema_decay: float = 0.999
    loss: str = "bce"
    """`bce`, `weighted-bce`, `focal`, `cross-entropy`, or `hybrid` and `hybrid-bce`: contrastive beside one of them."""
    focal_gamma: float = 2.0
    """Focusing parameter of the focal loss: a higher one gives correct samples less weight."""
    focal_alpha: float = 0.25
    """Weight of positive labels in the focal loss; negative ones have 1 less this."""
    label_smoothing: float = 0.0
    """Share of the cross-entropy target that is spread evenly over all labels."""
    contrast_weight: float = 0.5
    """Share of the contrastive loss in a hybrid one."""
    temperature: float = 0.05
    """Temperature of the contrastive loss: a lower one compares only the nearest samples."""
    distil_weight: float = 1.0
    """Weight of the teacher's loss beside the labels' loss; with 0 `data.teacher` only marks unsure targets."""
    logit_weight: float = 0.0
    """Weight of the loss against `data.logits`, computed by a layer that is not exported."""
    unsure_above: float = 0.3
    """A label that a clip lacks is not trained as absent if the teacher's probability is above this."""
    validate_every: int = 500
    device: str = "auto"
    """`cpu`, `cuda`, `mps`, or `auto`: the first available of `cuda`, `mps` and `cpu`."""
    amp: str = "auto"
    """Mixed precision: `bf16`, `fp16`, `off`, or `auto`: on CUDA the best available, elsewhere off."""
    workers: int = 1
    """Threads that prepare batches; another number draws other batches."""
    threads: int = 1
    """CPU threads of the network's arithmetic."""
    bf16: bool = True
    """Multiply in bfloat16 if the processor supports it; weights and sums stay 32-bit."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name, known in TRAIN_CHOICES.items():
            if (value := getattr(self, name)) not in known:
                msg = f"{value!r} is unknown"
                raise ConfigError(msg, where=f"config: train.{name}", remedy=suggest(str(value), list(known)))
        _require_at_least(1, "train", self, ("steps", "batch", "validate_every", "workers", "threads"))
        _require_at_least(0, "train", self, ("seed", "lr", "weight_decay"))


@dataclasses.dataclass(frozen=True, slots=True)
class ClapsConfig:
    """Training data and decision threshold of the clap network."""

    crops: int = 40_000
    """Number of crops of claps."""
    other_crops: int = 80_000
    """Number of crops of other onsets."""
    fold: int = -1
    """The fifth of the recordings without claps that is held out for figures; -1 holds none out."""
    people: dict[str, str] = dataclasses.field(default_factory=dict)
    """Groups whose claps are trained on: all takes (`all`), or those with an even number (`even`)."""
    others: tuple[str, ...] = ()
    """Groups whose claps are only measured."""
    background: tuple[str, ...] = ("traffic", "background", "weather", "speech", "machine", "engine", "music", "human")
    """Classes that claps are mixed into."""
    finer: tuple[str, ...] = ("impact", "human", "background")
    """Classes of many kinds of sound: each of their fine labels is drawn like a class."""
    hard_every: int = 1_500
    """Steps between two selections of hard crops, the others most similar to claps; they fill a twelfth of a batch."""
    tilt_db: float = 10.0
    """Spread of the random equaliser that each crop goes through."""
    p_noise: float = 0.4
    """Chance of additional noise."""
    mel_mask: int = 4
    """Largest number of mel bands in each of two masked stripes."""
    smoothing: float = 0.02
    """Distance of the targets from 1 for a clap and from 0 for others."""
    on: float = 0.1
    """Probability at which an onset counts as a clap."""

    def __post_init__(self) -> None:
        """Check the values."""
        _require_at_least(1, "claps", self, ("crops", "other_crops", "hard_every"))
