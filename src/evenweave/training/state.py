"""What a run is, between steps: plain values that go to JSON and come back the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray


@dataclass
class TrainerState:
    """Progress of a run; callbacks read it, checkpoints keep it.

    `epoch` counts passes over the data, fractions included; `epoch_step` is the optimizer steps done in the
    current pass, from which a resumed run finds its place without reading a skipped row.
    """

    epoch: float = 0.0
    global_step: int = 0
    max_steps: int = 0
    num_train_epochs: int = 0
    epoch_index: int = 0
    epoch_step: int = 0
    logging_steps: int = 500
    eval_steps: int = 500
    save_steps: int = 500
    train_batch_size: int = 0
    num_input_tokens_seen: int = 0
    total_flos: float = 0.0
    log_history: list[dict[str, Any]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    skipped_steps: int = 0
    saved_checkpoints: list[str] = field(default_factory=list)
    # Sums since the run began, the last log and the last evaluation: (sum of step losses, steps).
    loss_total: tuple[float, int] = (0.0, 0)
    loss_logged: tuple[float, int] = (0.0, 0)
    loss_evaluated: tuple[float, int] = (0.0, 0)
    is_world_process_zero: bool = True
    is_local_process_zero: bool = True
    is_hyper_param_search: bool = False

    def to_json(self, path: Path) -> None:
        """Write as `trainer_state.json`."""
        # Among a user's metrics may be a plot or a set; they cost a word, and not the checkpoint.
        path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n", encoding="utf-8")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainerState:
        """Read back what `to_json` wrote; keys of other versions are left out."""
        known = {f.name for f in fields(cls)}
        state = cls()
        for key, value in values.items():
            if key in known:
                setattr(state, key, tuple(value) if key.startswith("loss_") else value)
        return state


@dataclass
class TrainerControl:
    """What callbacks may ask of the loop; each flag is lowered once it was acted on."""

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False


class TrainOutput(NamedTuple):
    """What `train()` returns."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class PredictionOutput(NamedTuple):
    """What `predict()` returns, rows in the order of the data set."""

    predictions: Any
    label_ids: NDArray[Any] | None
    metrics: dict[str, float] | None


@dataclass(frozen=True)
class EvalPrediction:
    """What a user's `compute_metrics` is given; unpacks as `logits, labels = eval_preds`.

    Attributes:
        predictions: float array `[B, T, C]` or `[B, C]`, or what `preprocess_logits_for_metrics` made of it;
            rows shorter than T end in -100.
        label_ids: int array `[B, T]` or `[B]`, padded with -100.
    """

    predictions: Any
    label_ids: Any

    def __iter__(self) -> Iterator[Any]:
        return iter((self.predictions, self.label_ids))

    def __getitem__(self, index: int) -> Any:
        return (self.predictions, self.label_ids)[index]
