"""The whole road in one call: labelled text in, a trained, scored and saved tagger out."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evenweave.data.align import tokenize_and_align
from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.encoder import default_encoder
from evenweave.data.features import ClassLabel, Sequence, label_names_of
from evenweave.data.hub import hub_splits, is_hub_name
from evenweave.data.read import load_dataset
from evenweave.errors import ArgumentError, DataError, HubError
from evenweave.hub.card import write_card
from evenweave.hub.facts import CardFacts, with_intervals
from evenweave.hub.publish import push
from evenweave.inference.load import label_names, load_tagger, longest_sequence, positions
from evenweave.rng import permutation
from evenweave.training.arguments import TrainingArguments
from evenweave.training.models import tagger_to_train
from evenweave.training.names import resolve
from evenweave.training.randomness import seed_everything
from evenweave.training.scores import is_tagging_scheme
from evenweave.training.scratch import scratch_model, train_word_piece
from evenweave.training.state import TrainOutput
from evenweave.training.trainer import Trainer

log = logging.getLogger("evenweave")

# What a tagger is trained with where nothing else is said. All of it can be overridden.
DEFAULTS: dict[str, Any] = {
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "load_best_model_at_end": True,
    "metric_for_best_model": "f1",
    "save_total_limit": 1,
    "logging_strategy": "epoch",
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 32,
    "learning_rate": 1e-4,
    "warmup_steps": 0.1,
    "weight_decay": 0.01,
    "num_train_epochs": 3,
}


@dataclass(frozen=True)
class TaggerRun:
    """What `train_tagger` made.

    Attributes:
        output_dir: where the model was saved.
        trainer: holds the model, its history and its best checkpoint.
        train: what `Trainer.train` returned.
        scores: for each scored split, the loss, overall and per-type scores.
        label_names: labels by id.
        splits: the data, as it was trained and scored.
        label_column: its column of tags.
    """

    output_dir: Path
    trainer: Trainer
    train: TrainOutput
    scores: dict[str, dict[str, Any]]
    label_names: list[str]
    splits: dict[str, Dataset]
    label_column: str


def train_tagger(
    data: str | Path | Mapping[str, Dataset],
    *,
    model: str | None = None,
    output_dir: str | Path,
    label_column: str = "ner_tags",
    scheme: str | None = "IOB2",
    max_length: int | None = None,
    label_all_tokens: bool = True,
    resume: bool = False,
    callbacks: list[Any] | None = None,
    **settings: Any,
) -> TaggerRun:
    """Train a tagger on labelled text, keep the epoch best on validation, score it, save it.

    Args:
        data: a file or directory for `load_dataset`, or splits already loaded. Without a validation split a
            tenth of the training rows, drawn by the seed, is held out.
        model: directory or Hub name of the encoder; default the offline all-MiniLM-L6-v2, see
            `default_encoder`; where that is not to be had, a small encoder trained from scratch.
        output_dir: where the model goes, and its checkpoints while training.
        label_column: the column of tags.
        scheme: the tagging scheme that tags of files are brought into; None keeps them as they are, such as
            parts of speech.
        max_length: tokens of a window, special ones included; default the most the model takes, at most 512.
        label_all_tokens: train every sub-token of a word (True) or the first alone.
        resume: go on from the last complete checkpoint in `output_dir`.
        settings: any `TrainingArguments`, over `DEFAULTS`.

    Raises:
        EvenweaveError: bad data, model or arguments; one line that says what to do.
    """
    args = arguments_for(output_dir, settings)
    splits: dict[str, Dataset] = splits_of(data, scheme=scheme)
    names = names_of(splits, label_column)
    if len(names) < 2:
        raise DataError(
            f"data: {names[0]!r} is the one label in column {label_column!r}, so there is nothing to learn; "
            "label some words otherwise, or name the column of tags with label_column"
        )
    if not is_tagging_scheme(names) and "metric_for_best_model" not in settings:
        args = dataclasses.replace(args, metric_for_best_model="accuracy")  # no entities to score
    # Splits that were loaded apart may number the same labels otherwise.
    splits = {name: with_label_ids(split, names, label_column=label_column) for name, split in splits.items()}
    splits = with_validation(splits, seed=args.seed)
    seed_everything(args.seed)  # the new head's weights, and a whole new encoder's
    tagger, tokenizer, described = _encoder(model, splits["train"], names)
    log.info("encoder    %s", described)
    for most in positions(tagger):
        if max_length is not None and max_length > most:
            raise ArgumentError(f"max_length={max_length}: this model has {most} positions; give no more")
    length = max_length or min(longest_sequence(tagger, tokenizer), 512)
    encoded = {
        name: tokenize_and_align(
            split,
            tokenizer,
            max_length=length,
            label_all_tokens=label_all_tokens,
            label_column=label_column,
        )
        for name, split in splits.items()
    }
    trainer = Trainer(
        model=tagger,
        args=args,
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    began = time.monotonic()
    output = trainer.train(resume_from_checkpoint=resume or None)
    log.info("trained in %.0f s", time.monotonic() - began)
    trainer.save_model()
    trainer.save_state()
    scored: list[str] = [name for name in ("validation", "test") if name in encoded]
    scores = {name: full_scores(trainer, encoded[name]) for name in scored}
    run = TaggerRun(Path(args.output_dir), trainer, output, scores, names, splits, label_column)
    if trainer.ranks.is_main:
        publish_card(run, dataset=name_of(data))
    return run


def evaluate_tagger(
    directory: str | Path,
    data: Any,
    *,
    split: str | None = None,
    label_column: str = "ner_tags",
    **settings: Any,
) -> dict[str, Any]:
    """Return loss, overall and per-type scores of a saved tagger on labelled text.

    Args:
        directory: a saved model, or a Hub name.
        data: a file, a directory or a Hub name for `load_dataset`, or one split of it, ours or of `datasets`.
        split: which split of `data`; default test, else validation, else the only one.

    Raises:
        DataError: a label the model does not know; names it.
    """
    model, tokenizer = load_tagger(directory)
    given = isinstance(data, str | Path | Mapping)
    # Files have the labels that training read: of no scheme if the model's are of none.
    scheme = "IOB2" if is_tagging_scheme(label_names(model)) else None
    dataset = _one_split(splits_of(data, scheme=scheme), split) if given else as_dataset(data)
    dataset = with_label_ids(dataset, label_names(model), label_column=label_column)
    args = TrainingArguments(**{"output_dir": str(directory), "per_device_eval_batch_size": 32, **settings})
    length = min(longest_sequence(model, tokenizer), 512)
    encoded = tokenize_and_align(dataset, tokenizer, max_length=length, label_column=label_column)
    return full_scores(Trainer(model=model, args=args, processing_class=tokenizer), encoded)


def arguments_for(output_dir: str | Path, settings: Mapping[str, Any]) -> TrainingArguments:
    """Return the arguments of a tagger's run: `settings` over `DEFAULTS`."""
    known = [field.name for field in dataclasses.fields(TrainingArguments)]
    chosen = {**DEFAULTS, **resolve(settings, known), "output_dir": str(output_dir)}
    unlike = chosen["eval_strategy"] != chosen["save_strategy"] or chosen["eval_strategy"] == "no"
    if unlike and "load_best_model_at_end" not in settings:
        chosen["load_best_model_at_end"] = False
    return TrainingArguments(**chosen)


def full_scores(trainer: Trainer, encoded: Any) -> dict[str, Any]:
    """Return {"loss", "overall": {...}, "types": {type: {...}}, "rows"} of a data set.

    `intervals` holds 95 % bootstrap intervals in the shape of the scores.
    """
    metrics = trainer.evaluate(encoded, metric_key_prefix="score")
    scores = trainer.last_scores
    return {
        "loss": metrics.get("score_loss"),
        "overall": {key.removeprefix("overall_"): v for key, v in scores.items() if not isinstance(v, dict)},
        "types": {key: value for key, value in scores.items() if isinstance(value, dict)},
        "rows": len(np.unique(encoded.source)),
        "intervals": {} if trainer.last_metric is None else with_intervals(trainer.last_metric)["intervals"],
        "seconds": metrics["score_runtime"],
    }


def splits_of(data: str | Path | Mapping[str, Any], *, scheme: str | None = "IOB2") -> DatasetDict:
    """Return the splits of files, of a Hub name, or of what was loaded already, by us or by `datasets`."""
    if isinstance(data, Mapping):
        return DatasetDict({str(name): as_dataset(part) for name, part in data.items()})
    return hub_splits(str(data)) if is_hub_name(data) else load_dataset(data, scheme=scheme)


def as_dataset(data: Any) -> Dataset:
    """Return one split as ours.

    Raises:
        ArgumentError: neither ours nor of `datasets`.
    """
    if isinstance(data, Dataset):
        return data
    if not hasattr(data, "with_format") or not hasattr(data, "__len__"):
        kind = type(data).__name__
        raise ArgumentError(
            f"data: {kind}; give a file, a directory, a Hub name or what load_dataset returns"
        )
    return Dataset.from_datasets(data)


def name_of(data: Any) -> str | None:
    """Return what a card calls the data: the Hub name, or the name of the directory or file."""
    if isinstance(data, Mapping):
        return None
    return str(data) if is_hub_name(data) else Path(data).resolve().name


def publish_card(run: TaggerRun, *, dataset: str | None) -> None:
    """Write the model's card, with what only this run knows, and publish it if the run is published."""
    trainer = run.trainer
    trainer.card_facts = CardFacts(dataset=dataset, splits=run.splits, scores=run.scores)
    write_card(trainer, run.output_dir / "README.md")
    if trainer.args.push_to_hub:
        try:
            push(trainer, "Scores of all splits")
        except HubError as error:
            log.warning("hub: %s", error)


def names_of(splits: Mapping[str, Dataset], label_column: str) -> list[str]:
    """Return the label names of the splits.

    Raises:
        DataError: no training split, or a column without label names.
    """
    if "train" not in splits:
        raise DataError(f"data: no train split among {', '.join(splits) or 'no splits'}")
    features = splits["train"].features
    if label_column not in features:
        raise DataError(f"data: no column {label_column!r} among {', '.join(features)}; set label_column")
    names = label_names_of(features[label_column])
    if not names:
        raise DataError(f"column {label_column!r}: its features name no labels; give them to load_dataset")
    return names


def with_validation(splits: Mapping[str, Dataset], *, seed: int) -> dict[str, Dataset]:
    """Return the splits with a validation split: where there is none, a tenth of the training rows."""
    if "validation" in splits:
        return dict(splits)
    train = splits["train"]
    held = max(1, len(train) // 10)
    if len(train) < 2:
        raise DataError("data: one training row and no validation split; add rows")
    order = permutation(seed, 0, len(train))
    log.info("no validation split: %d of %d training rows are held out for it", held, len(train))
    return {
        **splits,
        "train": train.select(np.sort(order[held:]).tolist()),
        "validation": train.select(np.sort(order[:held]).tolist()),
    }


def with_label_ids(dataset: Dataset, names: list[str], *, label_column: str) -> Dataset:
    """Return the data set with its tags as ids into `names`, the model's labels.

    Raises:
        DataError: a tag the model has no label for.
    """
    own = names_of({"train": dataset}, label_column)
    if own == names:
        return dataset
    ids = {name: index for index, name in enumerate(names)}
    used = {int(tag) for row in dataset[label_column] for tag in row}
    lost = sorted(own[tag] for tag in used if own[tag] not in ids)
    if lost:
        raise DataError(f"data: label {lost[0]!r} is unknown to the model, which knows {', '.join(names)}")
    table = [ids.get(name, 0) for name in own]
    tags = [[table[tag] for tag in row] for row in dataset[label_column]]
    place = dataset.table.column_names.index(label_column)
    kind = dataset.table.schema.field(label_column).type
    table = dataset.table.set_column(place, label_column, pa.array(tags, type=kind))
    return Dataset(table, {**dataset.features, label_column: Sequence(ClassLabel(names))})


def _one_split(splits: DatasetDict, split: str | None) -> Dataset:
    if split is None:
        split = next((name for name in ("test", "validation") if name in splits), next(iter(splits)))
    if split not in splits:
        raise ArgumentError(f"split={split!r}: not among {', '.join(splits)}")
    log.info("split      %s, %d rows", split, len(splits[split]))
    return splits[split]


def _encoder(model: str | None, train: Dataset, names: list[str]) -> tuple[Any, Any, str]:
    if model is not None:
        return *tagger_to_train(model, label_names=names), model
    found = default_encoder()
    if found is not None:
        return *tagger_to_train(found[0], label_names=names), found[1]
    tokenizer = train_word_piece(train["tokens"])
    said = "none pretrained to be had here: a small one from scratch, with a tokenizer of this data"
    return scratch_model(names, tokenizer), tokenizer, said
