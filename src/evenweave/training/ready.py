"""What a Trainer makes ready once and keeps: data sets as the loop takes them, and the forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from evenweave.errors import ArgumentError
from evenweave.training.flat_layout import FlatModel
from evenweave.training.forward import Forward, accepted_columns
from evenweave.training.fused_layer import forget_halves
from evenweave.training.labels import take_problem_type
from evenweave.training.loss import Loss, kind_of
from evenweave.training.padding_free import make_flat
from evenweave.training.precision import autocast_dtype
from evenweave.training.prepare import Prepared, parts_of, prepare

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer


class Ready:
    """Data sets made ready once, the Trainer's and the last other one, and how the model takes flat batches.

    A list of rows may hold others by the next call, so it is kept for the length of a run alone.
    """

    def __init__(self) -> None:
        self._running = False
        self._sets: dict[int, tuple[Any, Prepared]] = {}
        self._flat: tuple[nn.Module, FlatModel | None] | None = None

    def begin(self) -> None:
        """A run begins: forget the lists."""
        self._sets = {k: known for k, known in self._sets.items() if not isinstance(known[0], list)}
        self._running = True

    def end(self) -> None:
        """A run ended."""
        self._running = False

    def data(self, trainer: Trainer, dataset: Any, role: str) -> Prepared:
        """Return a data set as the loop takes it."""
        known = self._sets.get(id(dataset))
        lasting = self._running or not isinstance(dataset, list)
        if known is None or known[0] is not dataset or not lasting:
            made = prepare(
                dataset,
                accepted=accepted_columns(trainer.model) if trainer.args.remove_unused_columns else None,
                pick=_is_known(trainer.data_collator),
                own_collator=not type(trainer.data_collator).__module__.startswith("evenweave."),
                tokenizer=trainer.processing_class,
                role=role,
            )
            take_problem_type(trainer.model, made)
            # Of other data sets than the Trainer's own the last: it may be given thousands, one by one.
            own = {id(d) for d in (trainer.train_dataset, *parts_of(trainer.eval_dataset, "eval").values())}
            self._sets = {k: v for k, v in self._sets.items() if k in own}
            known = self._sets[id(dataset)] = dataset, made
        return known[1]

    def forward(self, trainer: Trainer, loss: Loss | None) -> Forward:
        """Return the forward pass of this run's model, device and precision."""
        model, args, device = trainer.model, trainer.args, trainer.ranks.device
        model.to(device)
        dtype, _ = autocast_dtype(args, device)
        if self._flat is None or self._flat[0] is not model:
            wanted = args.padding_free
            if kind_of(model) == "own":
                wanted = False  # it must be given its labels
            if trainer.preprocess_logits_for_metrics or (trainer.compute_loss_func and wanted == "auto"):
                wanted = False  # the user's function knows padded batches
            self._flat = model, make_flat(model, wanted=wanted, half=dtype is not None)
        forget_halves(model)
        loss = loss or Loss(kind_of(model), function=trainer.compute_loss_func)
        return Forward(model, loss, device=device, dtype=dtype, flat=self._flat[1])


def _is_known(collator: Any) -> bool:
    """Whether a collator is of a library, which has no use for columns that the model does not take."""
    return str(getattr(collator, "__module__", "")).startswith(("evenweave.", "transformers."))


def check_model(model: nn.Module) -> None:
    """Refuse models that cannot be trained as they are.

    Raises:
        ArgumentError: it is compiled, or its weights have no numbers.
    """
    if hasattr(model, "_orig_mod"):
        raise ArgumentError("model: compiled already; give the model itself, and torch_compile=True")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ArgumentError(
            "model: its weights are on the meta device, without numbers; load or initialise them"
        )
