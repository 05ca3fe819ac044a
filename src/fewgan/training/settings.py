"""Settings of a run, whatever the method: they are the flags, the YAML keys and the help text.

Nothing here imports torch, so that the command line can show its help at once.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    """The number that a word stands for, as flags come as words."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


class RunSettings(BaseModel):
    """What to train on, for how long, and how to look after the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: str | None = None
    """A named data set (see `fewgan data list`) or a folder of images, one sub-folder a class."""
    size: int = Field(32, ge=8, le=1024)
    """Side of the images in pixels; others are cropped to a square and resized."""
    channels: Annotated[Literal[1, 3] | None, BeforeValidator(_number)] = None
    """Force grey (1) or colour (3); as the data are when left out."""
    classes: str | None = None
    """Only these classes, by name or number, separated by commas: 0,1,2."""
    stream: str | None = None
    """Classes that come one experience after another: 0/1/2 or 0,1/2,3; --steps is for each."""
    order_seed: int | None = Field(None, ge=0, lt=2**63)
    """Shuffle the classes of the stream over its experiences with this seed."""
    novel: str | None = None
    """Classes that come later, by name or number, separated by commas: of these only --shots images
    are shown, and none without; of the others all."""
    novel_count: int | None = Field(None, ge=1)
    """How many classes come later, drawn with the seed."""
    shots: int | None = Field(None, ge=1)
    """Only this many images of each class, drawn with the seed."""
    unlabelled: int | Literal["test"] | None = None
    """With --shots, so many more images of each class, whose labels are not told; or the test
    images themselves (transductive); for methods that learn from such images."""
    holdout: float = Field(0.2, ge=0, lt=1)
    """Share of each class held out for evaluation, where the data have no test split themselves;
    with shots, all that is not shown."""
    skip_corrupt: bool = False
    """Leave out images of a folder that cannot be read, instead of refusing the folder."""
    flip: bool | None = None
    """Mirror images at random; as suits the data when left out (photographs yes, digits and folders
    no)."""
    warp: float = Field(0.0, ge=0, le=0.5)
    """Elastic distortion of training images, on average so many half sides; 0.05 bends strokes."""
    label_prior: Literal["uniform", "data"] = "uniform"
    """Labels of generated images while training: all classes alike, or as often as in the data."""
    class_balance: bool = False
    """Show each class as often as any other, however many images it has."""
    steps: int | None = Field(None, ge=1)
    """Updates of the generator; when neither steps nor minutes are given, as many as suit the
    method: 16000, or 1500 to adapt to a few images."""
    minutes: float | None = Field(None, gt=0)
    """Minutes of training; with steps too, whichever ends first."""
    lr_decay: float = Field(1.0, ge=0, le=1)
    """Last share of the run over which learning rates fall linearly to zero; 0 keeps them."""
    batch_size: int = Field(32, ge=1)
    """Images in a batch, over all processes."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of everything random."""
    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged generator that samples are drawn from."""
    log_every: int = Field(50, ge=1)
    """Steps between two lines of metrics.jsonl."""
    check_every: int = Field(500, ge=1)
    """Steps between two checks: sample grid, keep-best figure, collapse alarm, checkpoint."""
    snapshots: bool = False
    """Keep the averaged generator of every check, for --checkpoint STEP."""
    check_images: int = Field(1000, ge=16)
    """Images generated for the keep-best figure and the collapse alarm."""
    source: str | None = None
    """The run to go on from; `fewgan adapt` fills it in."""
    warm_start: str | None = None
    """A run whose weights to begin with, as far as names and shapes agree."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic inside the networks while they train; auto takes bf16 where it is the faster."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU when there is one."""
    track: Literal["none", "tensorboard", "trackio", "wandb"] = "none"
    """Log to this tracker too, beside metrics.jsonl."""

    @property
    def shows_few_novel(self) -> bool:
        """Whether a few images of novel classes are shown, beside all of the base classes."""
        return self.shots is not None and (self.novel, self.novel_count) != (None, None)


class RunConfig(RunSettings):
    """All of a run's settings: `config.yaml` as it is written and read."""

    data: str
    """A named data set, or a folder of images."""
    fewgan: str
    """Version that made the run."""
    method: str
    """Name of the method."""
    known: tuple[str, ...] = ()
    """Classes of the source that are kept, which the model counts first."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The method's own settings."""
