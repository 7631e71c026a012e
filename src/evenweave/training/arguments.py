"""TrainingArguments: every setting of a run, frozen, under the names people know."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass as validated_dataclass

from evenweave.errors import ArgumentError
from evenweave.training.names import resolve

When = Literal["no", "steps", "epoch"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Workers = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]  # what torch.manual_seed takes
# A path too is kept as text, which a saved argument is.
PathText = Annotated[
    str, BeforeValidator(lambda given: os.fspath(given) if isinstance(given, Path) else given)
]
T = TypeVar("T")


def _accept_known_names(cls: type[T]) -> type[T]:
    """Let `cls(...)` take the names of transformers 4 and 5, and report a bad value in one line."""
    build = cls.__init__

    @functools.wraps(build)
    def init(self: Any, *args: Any, **given: Any) -> None:
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        try:
            build(self, *args, **resolve(given, names))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            if isinstance(first.get("ctx", {}).get("error"), ArgumentError):  # from __post_init__
                raise first["ctx"]["error"] from None
            name = ".".join(str(part) for part in first["loc"][:1]) or "arguments"
            raise ArgumentError(f"{name}={first.get('input')!r}: {first['msg']}") from None

    cls.__init__ = init  # type: ignore[method-assign]
    return cls


@_accept_known_names
@validated_dataclass(frozen=True, config={"extra": "forbid", "arbitrary_types_allowed": True})
class TrainingArguments:
    """Settings of a training run.

    Names and defaults are those of transformers 5 where it has them; names of transformers 4 are taken with
    one warning. Every "steps" counts optimizer steps; a value below 1 is a fraction of the whole run.

    Raises:
        ArgumentError: an unknown name (suggests the nearest) or a value out of range.

    >>> TrainingArguments("runs/ner", learning_rate=2e-5).per_device_train_batch_size
    8
    """

    output_dir: PathText = "trainer_output"

    # How long and how fast
    num_train_epochs: Positive = 3.0
    max_steps: int = -1
    """Above 0: stop after this many optimizer steps, whatever `num_train_epochs` says."""
    learning_rate: NonNegative = 5e-5
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] | None = None
    warmup_steps: NonNegative = 0

    # Batches
    per_device_train_batch_size: Count = 8
    per_device_eval_batch_size: Count = 8
    gradient_accumulation_steps: Count = 1
    padding_free: bool | Literal["auto"] = "auto"
    """Compute real tokens only, in models where that gives the same logits (tried at the start)."""
    max_tokens_per_batch: Count | None = None
    """Fill each micro-batch with rows up to this many tokens instead of a number of rows."""
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = "random"
    dataloader_drop_last: bool = False
    dataloader_num_workers: Workers = 0
    dataloader_pin_memory: bool = True
    remove_unused_columns: bool = True

    # Optimizer and loss
    optim: str = "adamw_torch_fused"
    optim_args: dict[str, Any] | None = None
    weight_decay: NonNegative = 0.0
    """Not applied to biases and normalisation layers."""
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: NonNegative = 1e-8
    max_grad_norm: NonNegative = 1.0
    """0 leaves gradients as they are."""
    label_smoothing_factor: Fraction = 0.0
    class_weights: list[float] | Literal["balanced"] | None = None
    """One weight a class, or "balanced": valid training labels / (classes x labels of the class)."""
    on_nonfinite_loss: Literal["stop", "skip"] = "stop"
    """What a NaN or infinite loss does: end the run naming the rows, or leave that step out and count it."""

    # Device and precision
    use_cpu: bool = False
    bf16: bool | Literal["auto"] = False
    tf32: bool | None = None
    gradient_checkpointing: bool = False
    gradient_checkpointing_kwargs: dict[str, Any] | None = None
    torch_compile: bool = False
    cuda_graphs: bool | Literal["auto"] = "auto"
    """Replay the steps of flat batches on a GPU as CUDA graphs, where the step allows it."""
    fsdp: bool | str | None = None
    """Shard parameters, gradients and optimizer state over the ranks (FSDP2)."""
    full_determinism: bool = False
    seed: Seed = 42
    data_seed: Seed | None = None

    # Logging
    logging_strategy: When = "steps"
    logging_steps: Positive = 500
    logging_first_step: bool = False
    report_to: str | list[str] = "none"
    """Trackers of accelerate by name ("tensorboard", "wandb", ...), "all" that are installed, or "none"."""
    run_name: str | None = None
    project: str = "huggingface"
    logging_dir: PathText | None = None
    """Where trackers that write files write them; None: `runs` in `output_dir`."""
    disable_tqdm: bool | None = None
    """True: no progress bar. None: a bar on a terminal, plain lines elsewhere."""

    # Evaluation
    eval_strategy: When = "no"
    eval_steps: Positive | None = None
    eval_delay: NonNegative = 0
    eval_on_start: bool = False
    prediction_loss_only: bool = False
    predict_with_generate: bool = False
    """Evaluate and predict with the ids that `model.generate` gives instead of logits."""
    generation_max_length: int | None = None
    generation_num_beams: int | None = None

    # Saving
    save_strategy: When | Literal["best"] = "steps"
    save_steps: Positive = 500
    save_total_limit: Count | None = None
    """Keep this many checkpoints, the newest; the best one is always among them, besides the last one."""
    save_only_model: bool = False
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None

    # Publishing
    push_to_hub: bool = False
    hub_model_id: str | None = None
    hub_strategy: Literal["end", "every_save", "checkpoint", "all_checkpoints"] = "every_save"
    hub_token: str | None = dataclasses.field(default=None, repr=False)
    hub_private_repo: bool | None = None

    def __post_init__(self) -> None:
        if self.load_best_model_at_end and self.save_strategy not in (self.eval_strategy, "best"):
            raise ArgumentError(
                f"load_best_model_at_end=True: save_strategy is {self.save_strategy!r} but eval_strategy is "
                f"{self.eval_strategy!r}; make them the same, so that what was best was also saved"
            )
        if self.load_best_model_at_end and self.eval_strategy == "no":
            raise ArgumentError("load_best_model_at_end=True: eval_strategy is 'no'; use 'epoch' or 'steps'")

    @property
    def best_metric_name(self) -> str:
        """The logged name that says which evaluation is best, with its `eval_` prefix."""
        name = self.metric_for_best_model or "loss"
        return name if name.startswith("eval_") else f"eval_{name}"

    @property
    def best_is_greater(self) -> bool:
        """Whether a greater value of that metric is better; losses and perplexities are better small."""
        if self.greater_is_better is not None:
            return self.greater_is_better
        return not self.best_metric_name.endswith(("loss", "perplexity"))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; a token is never among them."""
        values = dataclasses.asdict(self)
        values["hub_token"] = None
        return dict(values)

    def to_json(self, path: Path) -> None:
        """Write the settings as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


# Their name for sequence-to-sequence models; here one class has the arguments of all.
Seq2SeqTrainingArguments = TrainingArguments
