"""What people bring to a Trainer: trackers, searches, adapters, generation, data and collators."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.helpers.tiny_tagger import LABELS, bert_tokenizer, random_tagger
from tests.unit.training.tiny import NAMES, Pad, rows, tagger

from evenweave.errors import ArgumentError, DataError, TrainingError
from evenweave.metrics.registry import load
from evenweave.training import Trainer, TrainerCallback, TrainingArguments
from evenweave.training.search import BestRun

QUIET: dict[str, Any] = {"use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}


def make(out: Path, model: Any = None, **given: Any) -> Trainer:
    names = ("train_dataset", "eval_dataset", "data_collator", "compute_metrics", "callbacks")
    surface: dict[str, Any] = {
        "train_dataset": rows(24),
        "eval_dataset": rows(8, seed=1),
        "data_collator": Pad(),
    }
    surface |= {name: given.pop(name) for name in (*names, "compute_loss_func") if name in given}
    args = TrainingArguments(str(out), **{**QUIET, "num_train_epochs": 1, **given})
    return Trainer(model=tagger() if model is None else model, args=args, **surface)


def test_tensorboard_holds_the_losses(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = make(
        tmp_path, report_to="tensorboard", run_name="first", logging_steps=1, eval_strategy="epoch"
    )
    trainer.train()
    read = accumulator.EventAccumulator(str(tmp_path / "runs" / "first"))
    read.Reload()
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert [event.value for event in read.Scalars("train/loss")] == pytest.approx(losses)
    assert [event.step for event in read.Scalars("train/loss")] == [1, 2, 3]
    f1 = [entry["eval_f1"] for entry in history if "eval_f1" in entry]
    assert [event.value for event in read.Scalars("eval/f1")] == pytest.approx(f1)
    with pytest.raises(ArgumentError, match=r"report_to='tensorbord': unknown; one of .*tensorboard"):
        make(tmp_path, report_to="tensorbord")


def test_hyperparameter_search_finds_the_best_run(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    inits: list[Any] = []

    def init(trial: Any) -> Any:
        inits.append(trial)
        return tagger()

    trainer = Trainer(
        model_init=init,
        args=TrainingArguments(str(tmp_path), num_train_epochs=1, eval_strategy="epoch", **QUIET),
        train_dataset=rows(16),
        eval_dataset=rows(8, seed=1),
        data_collator=Pad(),
    )
    rates = {"learning_rate": [0.0, 1e-2]}
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_categorical("learning_rate", [0.0, 1e-2])},
        compute_objective=lambda metrics: metrics["eval_loss"],
        n_trials=2,
        direction="minimize",
        backend="optuna",
        sampler=optuna.samplers.GridSampler(rates, seed=0),
    )
    assert isinstance(best, BestRun)
    assert best.hyperparameters == {"learning_rate": 1e-2}
    assert isinstance(best.objective, float)
    assert sum(trial is not None for trial in inits) == 4  # made, then made afresh by train()
    with pytest.raises(ArgumentError, match="model_init: needed"):
        make(tmp_path).hyperparameter_search()
    for given, message in (
        ({"backend": "ray"}, "backend='ray': there is 'optuna' alone"),
        ({"direction": "up"}, "direction='up': give 'minimize' or 'maximize'"),
        ({"direction": ["maximize", "x"]}, "direction=.*give 'minimize' or 'maximize'"),
        ({"n_trials": 0}, "n_trials=0: give how many"),
        ({"n_trials": "x"}, "n_trials='x': give how many"),
        ({"resources_per_trial": 1}, "resources_per_trial: not among what .* timeout"),
        ({"hp_space": lambda trial: None}, "hp_space: returned None; return {"),
    ):
        with pytest.raises(ArgumentError, match=message):
            trainer.hyperparameter_search(**given)  # type: ignore[arg-type]
    assert len(inits) == 5
    for wrong in ({"compute_objective": lambda _: None}, {"direction": ["minimize", "maximize"]}):
        with pytest.raises(ArgumentError, match=r"compute_objective: returned .*; return "):
            trainer.hyperparameter_search(**wrong)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"no trial was completed \(1 fail\)"):
        trainer.hyperparameter_search(n_trials=1, compute_objective=lambda _: float("nan"))


def _adapter(rank: int = 4) -> Any:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        task_type="TOKEN_CLS", r=rank, target_modules=["query", "value"], init_lora_weights=False
    )
    torch.manual_seed(1)
    return peft.get_peft_model(tagger(), config)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
def test_an_adapter_trains_saves_resumes_and_merges(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    settings = {"save_strategy": "steps", "save_steps": 1, "learning_rate": 1e-2, "eval_strategy": "epoch"}
    trainer = make(tmp_path / "a", _adapter(), **settings)
    frozen = trainer.model.base_model.model.bert.embeddings.word_embeddings.weight.clone()
    trainer.train()
    assert "eval_f1" in next(e for e in trainer.state.log_history if "eval_loss" in e)
    assert torch.equal(frozen, trainer.model.base_model.model.bert.embeddings.word_embeddings.weight)
    saved = {path.name for path in (tmp_path / "a" / "checkpoint-3").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "manifest.json"} <= saved
    assert "model.safetensors" not in saved
    assert "README.md" not in saved

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = True

    make(tmp_path / "b", _adapter(), callbacks=[Stop()], **settings).train()
    again = make(tmp_path / "b", _adapter(), **settings)
    again.train(resume_from_checkpoint=True)
    both = [(tmp_path / x / "checkpoint-3" / "adapter_model.safetensors").read_bytes() for x in "ab"]
    assert both[0] == both[1]

    trainer.save_model()
    loaded = peft.PeftModel.from_pretrained(tagger(), str(tmp_path / "a")).eval()
    ids = torch.tensor([rows(1)[0]["input_ids"]])
    ours = trainer.model.eval()(input_ids=ids).logits
    torch.testing.assert_close(loaded(input_ids=ids).logits, ours)
    torch.testing.assert_close(loaded.merge_and_unload()(input_ids=ids).logits, ours, atol=1e-5, rtol=1e-4)


def test_gradient_checkpointing_changes_nothing(tmp_path: Path) -> None:
    losses = []
    for on in (False, True):
        trainer = make(tmp_path, gradient_checkpointing=on, learning_rate=1e-2, logging_steps=1)
        trainer.train()
        losses.append([e["loss"] for e in trainer.state.log_history if "loss" in e])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    with pytest.raises(ArgumentError, match="Linear does not support it"):
        make(tmp_path, torch.nn.Linear(2, 2), gradient_checkpointing=True).train()


def _t5() -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return T5ForConditionalGeneration(config)


def test_predict_with_generate_scores_generated_ids(tmp_path: Path) -> None:
    seen = {}

    def compute(eval_preds: Any) -> dict[str, float]:
        ids, labels = eval_preds
        seen["shapes"], seen["kinds"] = (ids.shape[0], labels.shape[0]), (ids.dtype.kind, labels.dtype.kind)
        labels = np.where(labels != -100, labels, 0)
        texts = [[" ".join(f"w{i}" for i in row if i > 1) or "-" for row in part] for part in (ids, labels)]
        rouge = load("rouge").compute(predictions=texts[0], references=texts[1])
        bleu = load("bleu").compute(predictions=texts[0], references=[[t] for t in texts[1]])
        return {"rougeL": rouge["rougeL"], "bleu": bleu["bleu"]}

    model = _t5()
    data = [{**row, "labels": [i for i in row["labels"] if i >= 0] or [1]} for row in rows(10)]
    for row in data:
        row["attention_mask"] = [1] * len(row["input_ids"])
    from evenweave.collators import DataCollatorForSeq2Seq

    trainer = make(
        tmp_path,
        model,
        train_dataset=data,
        eval_dataset=data[:7],
        data_collator=DataCollatorForSeq2Seq(bert_tokenizer(), model=model),
        compute_metrics=compute,
        predict_with_generate=True,
        generation_max_length=6,
        generation_num_beams=2,
        per_device_eval_batch_size=3,
        eval_strategy="epoch",
    )
    trainer.train()
    metrics = trainer.evaluate()
    assert {"eval_loss", "eval_rougeL", "eval_bleu"} <= set(metrics)
    assert seen == {"shapes": (7, 7), "kinds": ("i", "i")}
    ids, labels, _ = trainer.predict(data[:7])
    assert ids.min() >= 0, "padded with the padding token, so that it decodes as it is"
    assert ids.shape[1] <= 6
    one = model.eval().generate(torch.tensor([data[4]["input_ids"]]), max_length=6, num_beams=2)[0]
    assert ids[4, : len(one)].tolist() == one.tolist()
    assert labels is not None
    assert labels[4][: len(data[4]["labels"])].tolist() == data[4]["labels"]
    assert trainer.predict(data[:7], max_length=4, num_beams=1).predictions.shape[1] <= 4
    assert trainer.predict(data[:7], max_new_tokens=3, min_new_tokens=3).predictions.shape[1] == 4
    with pytest.raises(ArgumentError, match="no sequence-to-sequence model"):
        make(tmp_path, predict_with_generate=True, compute_metrics=compute).evaluate()
    with pytest.raises(ArgumentError, match=r"num_beams: of generate, .*predict_with_generate=True alone"):
        make(tmp_path).evaluate(num_beams=2)
    for ignored in (None, ["hidden_states"]):
        assert "eval_loss" in make(tmp_path).evaluate(ignore_keys=ignored)


def test_data_sets_mapped_as_the_tutorial_does_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    transformers = pytest.importorskip("transformers")
    tokenizer = bert_tokenizer()
    words = [["eu", "rejects", "german", "call"], ["angela", "met", "wolfgang"], ["india"]] * 8
    tags = [[3, 0, 1, 0], [1, 0, 1], [5]] * 8
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=LABELS)),
        }
    )
    raw = datasets.Dataset.from_dict({"tokens": words, "ner_tags": tags}, features=features)

    def align(examples: Any) -> Any:
        inputs = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)
        inputs["labels"] = [
            [-100 if w is None else row[w] for w in inputs.word_ids(i)]
            for i, row in enumerate(examples["ner_tags"])
        ]
        return inputs

    mapped = raw.map(align, batched=True)
    losses = []
    for collator in (
        None,  # ours
        transformers.DataCollatorForTokenClassification(tokenizer),
    ):
        model = random_tagger("bert", tokenizer, labels=[f"LABEL_{i}" for i in range(len(LABELS))])
        trainer = Trainer(
            model=model,
            args=TrainingArguments(str(tmp_path), num_train_epochs=2, logging_steps=1, **QUIET),
            train_dataset=mapped,
            eval_dataset=mapped,
            data_collator=collator,
            tokenizer=tokenizer,
        )
        trainer.train()
        losses.append([e["loss"] for e in trainer.state.log_history if "loss" in e])
        assert model.config.id2label == dict(enumerate(LABELS)), "named by the features of ner_tags"
        assert {"PER", "LOC", "ORG"} & set(_types(trainer))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def _types(trainer: Trainer) -> list[str]:
    trainer.evaluate()
    return [name for name, value in trainer.last_scores.items() if isinstance(value, dict)]


def test_a_data_set_that_transforms_its_rows_is_read_through_the_transform(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    raw = datasets.Dataset.from_list([{"n": i} for i in range(8)])
    made = rows(8)
    raw.set_transform(lambda batch: {k: [made[n][k] for n in batch["n"]] for k in made[0]})
    trainer = make(tmp_path, train_dataset=raw, logging_steps=1)
    trainer.train()
    assert trainer.state.global_step == 1


def test_a_stream_resumes_in_its_middle(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(rows(40))

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= 3

    how = {"train_dataset": Stream(), "max_steps": 8, "save_strategy": "steps", "save_steps": 3}
    make(tmp_path / "a", **how).train()
    make(tmp_path / "b", callbacks=[Stop()], **how).train()
    make(tmp_path / "b", **how).train(resume_from_checkpoint=True)
    both = [(tmp_path / x / "checkpoint-8" / "model.safetensors").read_bytes() for x in "ab"]
    assert both[0] == both[1]


def test_several_evaluation_sets_are_scored_by_name(tmp_path: Path) -> None:
    heard = []

    class Listen(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, *, metrics: Any, **_: Any) -> None:
            heard.append(metrics)

    several = {"near": rows(8, seed=1), "far": rows(8, seed=2)}
    trainer = make(
        tmp_path,
        eval_dataset=several,
        eval_strategy="epoch",
        callbacks=[Listen()],
        metric_for_best_model="near_loss",
    )
    trainer.train()
    assert len(heard) == 1
    assert {"eval_near_loss", "eval_far_loss", "eval_near_f1", "eval_far_f1"} <= set(heard[0])
    assert trainer.state.best_metric == heard[0]["eval_near_loss"]


@pytest.mark.parametrize("form", ["mean", "sum over the count"])
def test_a_loss_of_the_users_own(tmp_path: Path, form: str) -> None:
    def mean(outputs: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten())

    def over_count(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs.logits.flatten(0, 1)
        return (
            torch.nn.functional.cross_entropy(logits, labels.flatten(), reduction="sum") / num_items_in_batch
        )

    histories = []
    for function in (None, mean if form == "mean" else over_count):
        trainer = make(
            tmp_path,
            compute_loss_func=function,
            logging_steps=1,
            per_device_train_batch_size=3,
            gradient_accumulation_steps=2,
        )
        trainer.train()
        histories.append([e["loss"] for e in trainer.state.log_history if "loss" in e])
    assert histories[0] == pytest.approx(histories[1], abs=1e-5)


def test_a_loss_of_the_users_own_sees_rows_and_is_the_evaluations_too(tmp_path: Path) -> None:
    shapes: set[int] = set()

    def mean_of_rows(outputs: Any, labels: Any) -> Any:
        shapes.add(labels.shape[0])
        each = torch.nn.functional.cross_entropy(outputs.logits.transpose(1, 2), labels, reduction="none")
        return (each.sum(1) / (labels != -100).sum(1).clamp(min=1)).mean()

    given: dict[str, Any] = {
        "compute_loss_func": mean_of_rows,
        "learning_rate": 0.0,
        "eval_strategy": "epoch",
    }
    results = []
    for padding_free in ("auto", False):
        trainer = make(tmp_path, padding_free=padding_free, **given)
        results.append((trainer.train().training_loss, trainer.evaluate()["eval_loss"]))
    assert shapes == {8}
    assert results[0] == pytest.approx(results[1], abs=1e-6)
    assert results[0][1] != pytest.approx(make(tmp_path).evaluate()["eval_loss"], abs=1e-6)


def test_what_would_be_ignored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"compute_loss: .*compute_loss_func"):

        class Custom(Trainer):
            def compute_loss(self, model: Any, inputs: Any) -> Any:
                return None

    transformers = pytest.importorskip("transformers")
    with pytest.raises(ArgumentError, match="TrainingArguments takes the same names"):
        Trainer(model=tagger(), args=transformers.TrainingArguments(str(tmp_path), use_cpu=True))


SCHEDULES = [
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup",
    "inverse_sqrt", "reduce_lr_on_plateau", "cosine_with_min_lr", "warmup_stable_decay", "greedy",
]  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_of_transformers_runs(tmp_path: Path, name: str) -> None:
    more = {"cosine_with_min_lr": {"min_lr": 1e-6}, "warmup_stable_decay": {"num_decay_steps": 1}}
    trainer = make(
        tmp_path, lr_scheduler_type=name, lr_scheduler_kwargs=more.get(name), eval_strategy="epoch",
        train_dataset=rows(16),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.train()
    assert trainer.state.global_step == 2


def test_the_evaluation_before_the_first_step(tmp_path: Path) -> None:
    trainer = make(tmp_path, eval_on_start=True, eval_strategy="epoch")
    trainer.train()
    steps = [e["step"] for e in trainer.state.log_history if "eval_loss" in e]
    assert steps == [0, 3]


def test_a_finished_run_resumed_takes_no_further_step(tmp_path: Path) -> None:
    how = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    first = make(tmp_path, **how)
    first.train()
    again = make(tmp_path, **how)
    assert again.train(resume_from_checkpoint=True).global_step == 4
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_resuming_with_other_settings_says_which(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, max_steps=2, save_strategy="steps", save_steps=1).train()
    trainer = make(tmp_path, max_steps=4, save_strategy="steps", save_steps=1, seed=7, train_dataset=rows(20))
    with caplog.at_level("WARNING", logger="evenweave"):
        trainer.train(resume_from_checkpoint=True)
    assert "rows 20 (was 24), seed 7 (was 42), max_steps 4 (was 2)" in caplog.text


def test_compiling_goes_through_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    make(tmp_path, torch_compile=True).train()
    assert len(compiled) == 1


def test_label_names_of_the_model_stay(tmp_path: Path) -> None:
    assert list(make(tmp_path).model.config.id2label.values()) == NAMES


def test_random_masks_go_on_after_a_resume(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    from evenweave.collators import DataCollatorForLanguageModeling

    tokenizer = bert_tokenizer()

    def model() -> Any:
        torch.manual_seed(0)
        return BertForMaskedLM(
            BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
            )
        )

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= 4

    data = [{"input_ids": row["input_ids"]} for row in rows(24, longest=16)]

    def run(out: Path, workers: int, **more: Any) -> Trainer:
        return make(
            out,
            model(),
            train_dataset=data,
            data_collator=DataCollatorForLanguageModeling(tokenizer),
            save_strategy="steps",
            save_steps=1,
            num_train_epochs=2,
            dataloader_num_workers=workers,
            **more,
        )

    run(tmp_path / "a", 0).train()
    run(tmp_path / "b", 0, callbacks=[Stop()]).train()
    run(tmp_path / "b", 2).train(resume_from_checkpoint=True)
    both = [(tmp_path / x / "checkpoint-6" / "model.safetensors").read_bytes() for x in "ab"]
    assert both[0] == both[1]


def test_what_is_no_data_set_is_refused_in_one_line(tmp_path: Path) -> None:
    data = rows(4)
    loader = torch.utils.data.DataLoader(data, batch_size=2, collate_fn=Pad())  # type: ignore[arg-type]
    for given, said in (
        ("file.conll", "train_dataset: 'file.conll' is a string"),
        ({"train": data}, "train_dataset: a dict of train; give one split"),
        (loader, "train_dataset: a DataLoader; give its data set"),
    ):
        with pytest.raises(ArgumentError, match=said):
            make(tmp_path, train_dataset=given).train()
    for bad, said in (
        (None, "a NoneType and no 'input_ids'"),
        ({"input_ids": [1]}, "input_ids and no 'labels'"),
    ):
        with pytest.raises(DataError, match=f"train_dataset: row 4 has {said}"):
            make(tmp_path, train_dataset=[*data, bad]).train()


def test_one_of_several_data_sets_is_evaluated_by_its_name(tmp_path: Path) -> None:
    trainer = make(tmp_path, eval_dataset={"near": rows(8, seed=1), "far": rows(8, seed=2)})
    assert trainer.evaluate("far")["eval_loss"] == trainer.evaluate()["eval_far_loss"]
    with pytest.raises(ArgumentError, match="eval_dataset: 'wide' is a string"):
        trainer.evaluate("wide")


def test_callbacks_are_taken_out_one_at_a_time(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    first, second = TrainerCallback(), TrainerCallback()
    trainer.add_callback(first)
    trainer.add_callback(second)
    assert trainer.pop_callback(TrainerCallback) is first
    assert trainer.pop_callback(first) is None
    trainer.remove_callback(second)
    assert second not in trainer.callbacks


def test_an_evaluation_needs_no_float64_where_a_device_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    from evenweave.training import evaluation, loss

    class Narrow(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            assert getattr(made, "dtype", None) != torch.float64, func
            return made

    wanted = make(tmp_path).evaluate()["eval_loss"]
    for module in (evaluation, loss):
        monkeypatch.setattr(module, "widest", lambda device: torch.float32)
    trainer = make(tmp_path)
    with Narrow():
        assert trainer.evaluate()["eval_loss"] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_show_the_batches_of_a_run(tmp_path: Path, workers: int) -> None:
    taken: list[Any] = []

    class Show(Pad):
        def __call__(self, features: Any) -> Any:
            taken.append(super().__call__(features))
            return taken[-1]

    more: dict[str, Any] = {"per_device_train_batch_size": 5, "per_device_eval_batch_size": 3}
    trainer = make(tmp_path, data_collator=Show(), dataloader_num_workers=workers, **more)
    loader = trainer.get_train_dataloader()
    shown = [batch["input_ids"].tolist() for batch in loader]
    assert len(loader) == len(shown) == 5
    taken.clear()
    make(tmp_path, data_collator=Show(), **more).train()
    assert shown == [batch["input_ids"].tolist() for batch in taken]
    sizes = [len(batch["labels"]) for batch in trainer.get_eval_dataloader()]
    assert sizes == [3, 3, 2]
    assert [len(batch["labels"]) for batch in trainer.get_test_dataloader(rows(4))] == [3, 1]
    stream = make(tmp_path, train_dataset=iter(rows(7)), max_steps=2, **more).get_train_dataloader()
    assert [len(batch["labels"]) for batch in stream] == [5, 2]


def test_two_runs_at_once_in_one_process(tmp_path: Path) -> None:
    import threading

    scores: dict[int, list[float]] = {1: [], 2: []}
    models = {seed: [tagger(seed=seed) for _ in range(2)] for seed in scores}

    def run(seed: int) -> None:
        given = {"train_dataset": rows(40, seed=seed), "num_train_epochs": 2, "eval_strategy": "epoch"}
        trainer = make(tmp_path / str(seed), models[seed].pop(), **given)
        trainer.train()
        scores[seed].append(trainer.evaluate()["eval_loss"])

    for seed in scores:
        run(seed)
    threads = [threading.Thread(target=run, args=(seed,)) for seed in scores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(found) == 2 and found[0] == found[1] for found in scores.values())


def test_a_model_that_gives_no_loss_is_said_to(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForQuestionAnswering

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    data = [{"input_ids": [5, 6, 7], "start_positions": 1} for _ in range(4)]
    trainer = make(tmp_path, BertForQuestionAnswering(config), train_dataset=data, data_collator=None)
    with pytest.raises(DataError, match="the model gave start_logits, end_logits and no 'loss'"):
        trainer.train()
