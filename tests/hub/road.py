"""What the client process runs against the local Hub; every function takes and returns JSON values."""

from __future__ import annotations

import atexit
import hashlib
import io
import logging
import sys
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.hub.tiny import splits, tagger, tokenizer

from evenweave.hub.publish import PublishCallback
from evenweave.hub.uploader import Patience, Upload, Uploader
from evenweave.training import Trainer, TrainerCallback, TrainingArguments

HASTY = Patience(attempts=3, first_wait=0.05, longest_wait=0.1, answer=0.3, end=20, trouble=2)


# As the example scripts of transformers give them.
FACTS = {
    "finetuned_from": "google-bert/bert-base-cased",
    "tasks": "token-classification",
    "dataset_tags": "eriktks/conll2003",
    "dataset_args": "conll2003",
    "dataset": "CoNLL-2003",
    "language": "en",
}


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logged() -> Any:
    """Collect what Evenweave logs."""
    handler, log = _Log(), logging.getLogger("evenweave")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        log.removeHandler(handler)


def _trainer(out: str, **settings: Any) -> Trainer:
    made = splits()
    args = TrainingArguments(
        out,
        **{
            "use_cpu": True,
            "disable_tqdm": True,
            "num_train_epochs": 2,
            "eval_strategy": "epoch",
            "save_strategy": "epoch",
            "logging_strategy": "epoch",
            "learning_rate": 5e-3,
            "push_to_hub": True,
            **settings,
        },
    )
    return Trainer(
        model=tagger(),
        args=args,
        train_dataset=made["train"],
        eval_dataset=made["validation"],
        processing_class=tokenizer(),
    )


def _hasty(trainer: Trainer) -> Trainer:
    _own(trainer).uploader.patience = HASTY
    return trainer


def _own(trainer: Trainer) -> PublishCallback:
    return next(call for call in trainer.callbacks if isinstance(call, PublishCallback))


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def train(out: str, *, final: bool = False, slow_saves: bool = False, **settings: Any) -> dict[str, Any]:
    """Train with push_to_hub and return what happened."""
    trainer = _hasty(_trainer(out, **settings))
    if slow_saves:
        trainer.add_callback(_WaitForUploads(trainer))
    with logged() as lines:
        output = trainer.train()
        commit = trainer.push_to_hub(commit_message="Training complete") if final else None
        # The next test must not meet the late requests of this run.
        _own(trainer).uploader.submit(Upload("the last", {})).exception(timeout=20)
    return {
        "steps": output.global_step,
        "log": lines,
        "sha256": digest(Path(out) / "model.safetensors"),
        "files": sorted(path.name for path in Path(out).iterdir()),
        "commit": None if commit is None else [commit.oid, commit.commit_message, commit.commit_url],
    }


class _WaitForUploads(TrainerCallback):
    """Lets each save be uploaded before the next, so that none gives way to a newer one."""

    def __init__(self, trainer: Trainer) -> None:
        self._own = _own(trainer)

    def on_save(self, *_: Any, **__: Any) -> None:
        done = self._own.uploader.submit(Upload("wait", {}))
        began = time.monotonic()
        while not done.done() and time.monotonic() - began < 10:
            time.sleep(0.01)


def push_after(out: str, repo: str, revision: str | None = None) -> dict[str, Any]:
    """Publish a run that had not asked for it."""
    trainer = _trainer(out, push_to_hub=False, hub_model_id=repo, num_train_epochs=1)
    trainer.train()
    commit = trainer.push_to_hub(commit_message="Training complete", revision=revision, **FACTS)
    return {"oid": commit.oid, "sha256": digest(Path(out) / "model.safetensors")}


def from_pretrained(repo: str, text: str) -> dict[str, Any]:
    """Load a model from the Hub with transformers and with our pipeline."""
    import huggingface_hub
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    import evenweave

    model = AutoModelForTokenClassification.from_pretrained(repo)
    AutoTokenizer.from_pretrained(repo)
    weights = huggingface_hub.hf_hub_download(repo, "model.safetensors")
    found = evenweave.pipeline("token-classification", model=repo, aggregation_strategy="simple")(text)
    return {"id2label": model.config.id2label, "sha256": digest(weights), "found": len(found)}


def resume_elsewhere(repo: str, out: str) -> dict[str, Any]:
    """Fetch the last checkpoint of a run and go on from it."""
    import huggingface_hub

    folder = huggingface_hub.snapshot_download(repo, allow_patterns="last-checkpoint/*")
    trainer = _trainer(out, push_to_hub=False, num_train_epochs=3)
    output = trainer.train(resume_from_checkpoint=str(Path(folder) / "last-checkpoint"))
    return {"steps": output.global_step}


def card(repo: str) -> dict[str, Any]:
    """Read a card back as huggingface_hub does."""
    from huggingface_hub import ModelCard

    loaded = ModelCard.load(repo)
    return {
        "text": loaded.text,
        "data": loaded.data.to_dict(),
        "results": [
            [r.task_type, r.dataset_name, r.dataset_split, r.metric_type, r.metric_value]
            for r in loaded.data.eval_results or []
        ],
    }


def run_command(words: list[str]) -> dict[str, Any]:
    """Run the command line as a user does; returns status, output and errors."""
    from evenweave.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv, status = ["evenweave", *words], 0
    log = logging.getLogger("evenweave")
    kept, log.handlers[:] = list(log.handlers), []
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv = before
        log.handlers[:] = kept
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def train_through_failure(out: str) -> dict[str, Any]:
    """Train while the Hub fails; the hub's own client is made as hasty as ours."""
    from huggingface_hub.utils import _http, get_session

    get_session().timeout = None  # an earlier run may have set it to its own patience
    real, _http.time.sleep = time.sleep, lambda seconds: real(min(seconds, 0.01))
    try:
        began = time.monotonic()
        done = train(out, num_train_epochs=1, hub_model_id="tagger")
    finally:
        _http.time.sleep = real
    return {**done, "seconds": time.monotonic() - began}


def push_and_leave(out: str, repo: str) -> None:
    """Publish without waiting as the last thing a process does."""
    trainer = _trainer(out, push_to_hub=False, hub_model_id=repo, num_train_epochs=1, save_strategy="no")
    trainer.push_to_hub(blocking=False)


def stopped_at_the_end(out: str) -> list[str]:
    """Ctrl-C while the final model goes up; what is said."""
    trainer = _hasty(_trainer(out, num_train_epochs=1, hub_strategy="end", hub_model_id="ada/late"))

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    _own(trainer).uploader.wait = stop  # type: ignore[method-assign]
    with logged() as lines:
        try:
            trainer.train()
        except KeyboardInterrupt:
            lines.append("stopped")
    _own(trainer).uploader.submit(Upload("the last", {})).exception(timeout=20)
    return lines


def traceback_of_push(out: str, token: str) -> str:
    """All that Python prints of a push that fails."""
    import traceback

    from evenweave.hub.push import push_folder

    try:
        push_folder(Path(out), "ada/x", message="m", token=token)
    except Exception:
        return traceback.format_exc()
    return "pushed"


def push_refused(out: str) -> dict[str, Any]:
    """Train without publishing, then publish by hand to a Hub that refuses."""
    trainer = _trainer(out, push_to_hub=False, hub_model_id="ada/late", num_train_epochs=1)
    trainer.train()
    try:
        trainer.push_to_hub(commit_message="Training complete")
    except Exception as error:
        return {"type": type(error).__name__, "message": str(error)}
    return {"type": "none"}


def train_many_saves(out: str) -> dict[str, Any]:
    """Save at every step while the Hub takes its time; says how long the slowest callback of a save took."""
    trainer = _hasty(_trainer(out, save_strategy="steps", save_steps=1, num_train_epochs=1))
    own = _own(trainer)
    attempt, on_save = Uploader._attempt, own.on_save
    spent: list[float] = []

    def slow(self: Any, upload: Any) -> Any:
        time.sleep(0.3)
        return attempt(self, upload)

    def timed(*arguments: Any, **more: Any) -> None:
        began = time.monotonic()
        on_save(*arguments, **more)
        spent.append(time.monotonic() - began)

    Uploader._attempt, own.on_save = slow, timed  # type: ignore[method-assign]
    try:
        with logged() as lines:
            trainer.train()
    finally:
        Uploader._attempt = attempt  # type: ignore[method-assign]
    return {"saves": len(spent), "slowest_save": max(spent), "log": lines}


def load(path: str, *, without_datasets: bool = False, **how: Any) -> dict[str, Any]:
    """Load a data set and say what came."""
    import importlib.util

    import evenweave

    real = importlib.util.find_spec
    if without_datasets:
        importlib.util.find_spec = lambda name, *more: None if name == "datasets" else real(name, *more)
    try:
        with logged() as lines:
            made = evenweave.load_dataset(path, **how)
    except evenweave.EvenweaveError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        importlib.util.find_spec = real
    parts = made if hasattr(made, "items") else {"": made}
    told: dict[str, Any] = {"module": type(made).__module__.split(".")[0], "log": lines, "splits": {}}
    for name, part in parts.items():
        names = part.features["ner_tags"].feature.names
        first = next(iter(part))
        rows = len(part) if hasattr(part, "__len__") else None
        told["splits"][name] = {"rows": rows, "columns": list(part.features), "names": names, "first": first}
    return told


def the_note(path: str, tokenizer_of: str) -> dict[str, Any]:
    """The first steps of a tutorial on what `load_dataset` gave: map, select, shuffle, align."""
    from transformers import AutoTokenizer

    import evenweave

    raw = evenweave.load_dataset(path)
    words = AutoTokenizer.from_pretrained(tokenizer_of)

    def tokenize_and_align_labels(examples: Any) -> Any:
        made = words(examples["tokens"], truncation=True, is_split_into_words=True)
        made["labels"] = [
            evenweave.align_labels_with_tokens(labels, made.word_ids(at))
            for at, labels in enumerate(examples["ner_tags"])
        ]
        return made

    encoded = raw.map(tokenize_and_align_labels, batched=True, remove_columns=raw["train"].column_names)
    small = raw["train"].shuffle(seed=1).select(range(2))
    return {
        "columns": encoded["train"].column_names,
        "small": len(small),
        "row": encoded["train"][0]["labels"],
    }


def train_by_name(path: str, out: str) -> dict[str, Any]:
    """`train_tagger` and `evaluate_tagger` on a Hub name and on what `load_dataset` gave for it."""
    import datasets

    import evenweave

    settings = {"use_cpu": True, "disable_tqdm": True, "num_train_epochs": 1}
    Path(out).mkdir()
    tagger().save_pretrained(f"{out}/base")
    tokenizer().save_pretrained(f"{out}/base")
    made = evenweave.load_dataset(path)
    assert isinstance(made, datasets.DatasetDict)
    runs = [
        evenweave.train_tagger(data, model=f"{out}/base", output_dir=f"{out}/{at}", **settings)
        for at, data in enumerate((path, made))
    ]
    scores = evenweave.evaluate_tagger(f"{out}/0", made["validation"], use_cpu=True)
    return {
        "losses": [run.train.training_loss for run in runs],
        "scores": [run.scores["validation"]["overall"] for run in runs],
        "again": scores["overall"],
        "card": Path(f"{out}/0/README.md").read_text(),
    }


def save_base(folder: str) -> None:
    """Save the tiny model and its tokenizer."""
    tagger().save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def tagger_run(out: str) -> dict[str, Any]:
    """`train_tagger` with publishing, and the numbers its card must hold."""
    import evenweave

    Path(out).mkdir()
    save_base(f"{out}/base")
    with logged() as lines:
        run = evenweave.train_tagger(
            splits(),
            model=f"{out}/base",
            output_dir=f"{out}/news",
            push_to_hub=True,
            hub_model_id="news",
            use_cpu=True,
            disable_tqdm=True,
            num_train_epochs=2,
            learning_rate=5e-3,
        )
    return {"scores": run.scores, "log": lines, "steps": run.train.global_step}


def best_is_not_last(out: str) -> dict[str, Any]:
    """A run whose best epoch is not its last: which scores does its card give?"""
    trainer = _hasty(
        _trainer(
            out,
            num_train_epochs=3,
            load_best_model_at_end=True,
            metric_for_best_model="loss",  # which rises again on so little data
        )
    )
    trainer.train()
    evaluated = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    return {"best": trainer.state.best_global_step, "evaluated": evaluated}


def stopped_run(out: str) -> dict[str, Any]:
    """A run stopped by Ctrl-C before its save is uploaded; what is said as the process ends."""

    class Stop(TrainerCallback):
        def on_save(self, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

    trainer = _hasty(_trainer(out, num_train_epochs=1))
    attempt = Uploader._attempt
    Uploader._attempt = lambda self, upload: time.sleep(1)  # type: ignore[method-assign]
    trainer.add_callback(Stop())
    try:
        with logged() as lines:
            try:
                trainer.train()
            except KeyboardInterrupt:
                _own(trainer)._left_behind()
        while _own(trainer).uploader.busy:
            time.sleep(0.05)
    finally:
        Uploader._attempt = attempt  # type: ignore[method-assign]
        atexit.unregister(_own(trainer)._left_behind)
    return {"log": lines, "last": trainer.state.saved_checkpoints[-1]}


def refused(repo: str) -> dict[str, str]:
    """What loading a model says that brings code or a pickle."""
    import evenweave
    from evenweave.training.models import tagger_to_train

    said = {}
    for name, load_it in {
        "pipeline": lambda: evenweave.pipeline("token-classification", model=repo),
        "training": lambda: tagger_to_train(repo, label_names=["O", "B-X", "I-X"]),
    }.items():
        try:
            load_it()
            said[name] = "loaded"
        except evenweave.EvenweaveError as error:
            said[name] = str(error)
    return said


def train_on_a_stream(path: str, out: str, without_datasets: bool) -> dict[str, Any]:
    """Tokenise a stream as it comes and train on it."""
    import importlib.util

    import evenweave

    real, words = importlib.util.find_spec, tokenizer()

    def encode(rows: Any) -> Any:
        made = words(rows["tokens"], truncation=True, is_split_into_words=True)
        made["labels"] = [
            evenweave.align_labels_with_tokens(tags, made.word_ids(at))
            for at, tags in enumerate(rows["ner_tags"])
        ]
        return {name: made[name] for name in ("input_ids", "labels")}

    if without_datasets:
        importlib.util.find_spec = lambda name, *more: None if name == "datasets" else real(name, *more)
    try:
        stream = evenweave.load_dataset(path, split="train", streaming=True)
    finally:
        importlib.util.find_spec = real
    ready = stream.map(encode, batched=True, remove_columns=["id", "tokens", "ner_tags"])
    args = TrainingArguments(out, use_cpu=True, disable_tqdm=True, max_steps=12, save_strategy="no")
    trainer = Trainer(model=tagger(), args=args, train_dataset=ready, processing_class=words)
    return {"steps": trainer.train().global_step, "kind": type(stream).__name__}
