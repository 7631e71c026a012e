"""A layer of BERT's kind in one step: what its own modules compute, and nothing where it must not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.training.tiny import Pad, quiet, rows, tagger
from torch import nn

from evenweave import Trainer, TrainerCallback
from evenweave.kernels import residual_norm
from evenweave.training import flat_attention
from evenweave.training.dropout import dropped, use_fast_dropout
from evenweave.training.flat_layout import flatten
from evenweave.training.fused_layer import FusedLayer, fuse_layers, half_weights, plain_layers
from evenweave.training.half_weights import HalfWeights
from evenweave.training.layer_modules import modules_of
from evenweave.training.native import team

KINDS = ("Bert", "Roberta", "XLMRoberta", "Electra", "DistilBert")
Grads = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def no_layout_left() -> Iterator[None]:
    yield
    flat_attention.use_layout(None)


def model_of(kind: str, *, dropout: float = 0.3, activation: str = "gelu", seed: int = 0) -> Any:
    import transformers

    torch.manual_seed(seed)
    own = {"dropout": dropout, "attention_dropout": dropout, "hidden_dim": 48, "activation": activation}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, hidden_act=activation, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout, num_labels=5, pad_token_id=1, embedding_size=32,
        **(own if kind == "DistilBert" else {}),
    )  # fmt: skip
    made = getattr(transformers, f"{kind}ForTokenClassification")(config)
    for parameter in made.parameters():  # biases and gains that are not all alike
        nn.init.normal_(parameter, std=0.3)
    use_fast_dropout(made)
    flat_attention.register()
    made.set_attn_implementation(flat_attention.NAME)
    return made


def batch(lengths: tuple[int, ...], *, rungs: int = 0) -> tuple[dict[str, Any], Any]:
    generator = torch.Generator().manual_seed(len(lengths))
    ids = torch.randint(5, 60, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    labels = torch.randint(0, 5, ids.shape, generator=generator).masked_fill(mask == 0, -100)
    given = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    made = flatten(given, position_start=2, device=torch.device("cpu"), rungs=rungs)
    assert made is not None
    return made


def passed(model: Any, data: tuple[dict[str, Any], Any], *, half: bool = False) -> tuple[torch.Tensor, Grads]:
    """Return logits and gradients of one pass, the same dropout every time."""
    torch.manual_seed(7)
    model.zero_grad()
    flat_attention.use_layout(data[1])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        out = model(**data[0])
    out.loss.backward()
    flat_attention.use_layout(None)
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return out.logits.detach().float(), grads


def is_close(mine: Grads, theirs: Grads, tolerance: float) -> None:
    assert mine.keys() == theirs.keys()
    largest = max(float(grad.abs().max()) for grad in theirs.values())
    for name, grad in theirs.items():
        torch.testing.assert_close(mine[name], grad, rtol=tolerance, atol=tolerance * largest, msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lengths", [(1,), (5, 5, 5), (17, 9, 3, 1), (40, 2)])
def test_it_computes_what_the_layer_computes_with_the_same_dropout(
    kind: str, training: bool, lengths: tuple[int, ...]
) -> None:
    plain = model_of(kind).train(training)
    fused = copy.deepcopy(plain)
    assert fuse_layers(fused) == 2
    assert fuse_layers(fused) == 0
    data = batch(lengths, rungs=8)
    (logits, grads), (expected, of_plain) = passed(fused, data), passed(plain, data)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    is_close(grads, of_plain, 1e-5)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
def test_activations(activation: str) -> None:
    plain = model_of("Bert", activation=activation)
    fused = copy.deepcopy(plain)
    assert fuse_layers(fused) == 2
    data = batch((9, 4))
    is_close(passed(fused, data)[1], passed(plain, data)[1], 1e-5)


@pytest.mark.parametrize("trained", ["bias", "LayerNorm", "layer.1", "query.weight", "classifier", "down"])
def test_a_part_alone_may_be_trained(trained: str) -> None:
    plain = model_of("Bert")
    for name, parameter in plain.named_parameters():
        parameter.requires_grad_(trained in name)
    if trained == "down":
        plain.bert.encoder.layer[0].output.dense.bias.requires_grad_(True)
    fused = copy.deepcopy(plain)
    assert fuse_layers(fused) == 2
    data = batch((9, 4))
    is_close(passed(fused, data)[1], passed(plain, data)[1], 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_it_is_as_near_the_truth_as_the_layer(kind: str) -> None:
    errors = np.zeros((2, 2))
    for seed in range(6):  # of one model the errors differ by a third either way
        plain = model_of(kind, seed=seed)
        fused = copy.deepcopy(plain)
        fuse_layers(fused)
        data = batch((30, 17, 9, 3, 1), rungs=8)
        truth, of_truth = passed(plain, data)
        for which, model in enumerate((fused, plain)):
            logits, grads = passed(model, data, half=True)
            apart = sum(float(((grads[name] - grad) ** 2).sum()) for name, grad in of_truth.items())
            errors[which] += float((logits - truth).abs().mean()), apart**0.5
    assert (errors[0] < 1.15 * errors[1]).all()


def took(model: Any, data: tuple[dict[str, Any], Any], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a pass goes through the fused step."""
    from evenweave.training import fused_layer

    calls: list[int] = []
    apply = fused_layer._Layer.apply
    monkeypatch.setattr(fused_layer._Layer, "apply", lambda *a: calls.append(1) or apply(*a))
    passed(model, data)
    monkeypatch.undo()
    return bool(calls)


def test_it_steps_aside_for_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = model_of("Bert"), batch((9, 4))
    fuse_layers(model)
    layers = model.bert.encoder.layer
    assert took(model, data, monkeypatch)
    # Someone listens inside.
    seen: list[int] = []
    hooks = [layer.attention.self.query.register_forward_hook(lambda *_: seen.append(1)) for layer in layers]
    assert not took(model, data, monkeypatch)
    assert seen
    for hook in hooks:
        hook.remove()
    assert took(model, data, monkeypatch)

    class Adapted(nn.Linear):
        pass

    for layer in layers:
        layer.intermediate.dense.__class__ = Adapted
    assert not took(model, data, monkeypatch)
    for layer in layers:
        layer.intermediate.dense.__class__ = nn.Linear
    # A padded batch, without a layout.
    ids = torch.randint(5, 60, (2, 7))
    padded = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids % 5}
    assert not took(model, (padded, None), monkeypatch)


def test_layers_of_other_kinds_are_left_alone() -> None:
    from transformers import BertConfig, BertLMHeadModel, DebertaV2Config, DebertaV2ForTokenClassification

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
    decoder = BertLMHeadModel(BertConfig(vocab_size=60, is_decoder=True, **small))
    other = DebertaV2ForTokenClassification(DebertaV2Config(vocab_size=60, **small))
    no_bias = model_of("Bert")
    for layer in no_bias.bert.encoder.layer:
        layer.output.dense.bias = None
    assert [fuse_layers(model) for model in (decoder, other, no_bias, model_of("Bert").half())] == [
        0,
        0,
        0,
        0,
    ]


def test_copies_and_pickles_are_of_the_layers_own_class_and_hold_no_copies_of_weights() -> None:
    model, data = model_of("Bert"), batch((9, 4))
    own = type(model.bert.encoder.layer[0])
    fuse_layers(model)
    passed(model, data, half=True)
    layer = model.bert.encoder.layer[0]
    assert isinstance(layer, FusedLayer)
    assert isinstance(layer, own)
    assert type(layer).__name__ == "BertLayer"
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin.bert.encoder.layer[0]) is own
        assert "_half_weights" not in vars(twin.bert.encoder.layer[0])
        torch.testing.assert_close(passed(twin, data)[0], passed(model, data)[0], rtol=1e-5, atol=1e-5)
    plain_layers(model)
    assert type(layer) is own
    assert "_half_weights" not in vars(layer)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("what", ["module", "weight", "bias", "activation", "data", "norm"])
def test_what_is_exchanged_between_two_passes_is_noticed(what: str, half: bool) -> None:
    plain = model_of("Bert", dropout=0.0)
    fused = copy.deepcopy(plain)
    assert fuse_layers(fused) == 2
    data = batch((9, 4))
    passed(fused, data, half=half)
    for model in (plain, fused):
        torch.manual_seed(3)
        layer = model.bert.encoder.layer[1]
        if what == "module":
            layer.output.dense = nn.Linear(48, 32)
        elif what == "weight":
            layer.attention.self.key.weight = nn.Parameter(torch.randn(32, 32))
        elif what == "bias":
            layer.attention.output.dense.bias = nn.Parameter(torch.randn(32))
        elif what == "activation":
            layer.intermediate.intermediate_act_fn = nn.ReLU()
        elif what == "data":
            layer.intermediate.dense.weight.data = torch.randn(48, 32)
        else:
            layer.output.LayerNorm = nn.LayerNorm(32, eps=0.5)
    tolerance = 3e-2 if half else 1e-5
    (logits, grads), (expected, of_plain) = passed(fused, data, half=half), passed(plain, data, half=half)
    torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)
    is_close(grads, of_plain, 3 * tolerance)


def test_a_layer_of_another_precision_is_not_fused() -> None:
    model = model_of("Bert", dropout=0.0)
    fuse_layers(model)
    layer = model.bert.encoder.layer[0]
    assert modules_of(layer, keep=True) is not None
    layer.double()
    assert modules_of(layer, keep=True) is None
    layer.float()
    assert modules_of(layer, keep=True) is not None
    layer.output.dense.weight.data = torch.randn(48, 32).t()
    assert modules_of(layer, keep=True) is None


def test_copies_in_half_precision_follow_their_weights() -> None:
    one, two = (nn.Parameter(torch.randn(size, 4)) for size in (3, 2))
    halves = HalfWeights([[one, two]])

    def agrees() -> bool:
        return torch.equal(halves.read()[0], torch.cat([one, two]).bfloat16())

    assert agrees()
    with torch.no_grad():
        two.mul_(3)
    assert agrees()
    one.data = torch.randn(3, 4)
    assert agrees()
    two.data.add_(1)
    assert not agrees()  # no trace
    halves.forget()
    assert agrees()


def args(folder: Path, **more: Any) -> Any:
    return quiet(folder, **{"max_steps": 20, "bf16": True, "learning_rate": 1e-3, **more})


def trained(folder: Path, *, callbacks: list[Any] | None = None, **more: Any) -> tuple[Any, list[float]]:
    trainer = Trainer(
        model=tagger(dropout=0.1), args=args(folder, **more), train_dataset=rows(200), data_collator=Pad(),
        eval_dataset=rows(20), callbacks=callbacks,
    )  # fmt: skip
    trainer.train()
    return trainer, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_gradients_in_half_precision_train_as_those_in_float32(tmp_path: Path) -> None:
    """What is rounded is what autocast had rounded: only sums are made in another order."""

    class Sees(TrainerCallback):
        kinds: set[Any]

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            self.kinds = {p.grad.dtype for p in model.parameters() if p.grad is not None}

    sees = Sees()
    half, losses = trained(tmp_path / "half")
    full, expected = trained(tmp_path / "full", callbacks=[sees])
    assert sees.kinds == {torch.float32}
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-4)
    for mine, theirs in zip(half.model.parameters(), full.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-3)
        assert mine.grad_dtype == torch.float32


def test_gradients_are_in_half_precision_only_where_one_backward_pass_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evenweave.training.adamw import RowAdamW

    kinds: list[set[Any]] = []
    step = RowAdamW.step

    def watched(self: Any, closure: None = None) -> None:
        kinds.append({p.grad.dtype for g in self.param_groups for p in g["params"] if p.grad is not None})
        step(self)

    monkeypatch.setattr(RowAdamW, "step", watched)
    trained(tmp_path / "one", max_steps=2)
    trained(tmp_path / "two", max_steps=2, gradient_accumulation_steps=2)
    assert kinds == [{torch.float32, torch.bfloat16}] * 2 + [{torch.float32}] * 2


@pytest.mark.parametrize("who", ["no one", "a callback", "a rare one", "an optimizer"])
def test_every_pass_reads_weights_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    class Shrinks(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            for parameter in model.parameters():
                parameter.data.mul_(0.5)  # leaves no trace in the parameter's version

    class ShrinksSometimes(TrainerCallback):
        on_log = on_evaluate = on_epoch_begin = Shrinks.on_step_end

    read, stale = HalfWeights.read, []

    def checked(self: HalfWeights) -> tuple[torch.Tensor, ...]:
        made = read(self)
        stale.append(not all(torch.equal(copy, weight.bfloat16()) for weight, copy in self.copies.items()))
        return made

    monkeypatch.setattr(HalfWeights, "read", checked)
    more = {"optim": "adamw_torch"} if who == "an optimizer" else {}
    callbacks = {"a callback": [Shrinks()], "a rare one": [ShrinksSometimes()]}.get(who)
    more |= {"eval_strategy": "steps", "eval_steps": 10}
    trained(tmp_path, max_steps=27, logging_steps=5, callbacks=callbacks, **more)  # 25 steps are an epoch
    assert len(stale) >= 2 * 27
    assert not any(stale)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    class Stops(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_save = control.should_training_stop = state.global_step == 7

    whole, _ = trained(tmp_path / "whole")
    trained(tmp_path / "parts", callbacks=[Stops()])
    rest = Trainer(
        model=tagger(dropout=0.1, seed=5), args=args(tmp_path / "parts"), train_dataset=rows(200),
        data_collator=Pad(),
    )  # fmt: skip
    rest.train(resume_from_checkpoint=True)
    for mine, theirs in zip(rest.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_evaluation_in_bfloat16_reads_weights_as_they_are_now(tmp_path: Path) -> None:
    trainer, _ = trained(tmp_path, max_steps=2)
    before = trainer.evaluate(rows(50))["eval_loss"]
    for parameter in trainer.model.parameters():
        parameter.data.mul_(0.1)
    assert trainer.evaluate(rows(50))["eval_loss"] != before
    assert len(half_weights(trainer.model)) == 2


@pytest.mark.parametrize("shape", [(1, 4), (3, 16), (50, 384)])
@pytest.mark.parametrize("p", [0.0, 0.25])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("two", [False, True])
def test_the_kernel_is_bias_then_dropout_then_sum_then_norm(
    shape: tuple[int, int], p: float, half: bool, two: bool
) -> None:
    torch.manual_seed(sum(shape))
    kind = torch.bfloat16 if half else torch.float32
    x, residual = (torch.randn(shape, requires_grad=True) for _ in range(2))
    x.data = x.data.to(kind).float()
    before, weight, bias = (torch.randn(shape[1], requires_grad=True) for _ in range(3))
    grad, more = torch.randn(shape), torch.randn(shape).to(kind)
    key, threshold, scale = np.uint64(99), np.uint16(round(p * 65536)), np.float32(1 / (1 - p))
    kept = dropped(torch.ones(shape), p, key) if p else torch.ones(shape)
    expected = nn.functional.layer_norm((x + before) * kept + residual, shape[1:], weight, bias, 1e-12)
    expected.backward(grad + more.float() if two else grad)
    made = {name: torch.empty(shape) for name in ("normal", "out")}
    spread, short = torch.empty(shape[0]), torch.empty(shape, dtype=torch.bfloat16)
    given = x.detach().to(kind)
    residual_norm.drop_add_norm(
        team(), int(half), *shape, given.data_ptr(), before.data_ptr(), residual.data_ptr(),
        weight.data_ptr(), bias.data_ptr(), key, threshold, scale, np.float32(1e-12),
        made["normal"].data_ptr(), spread.data_ptr(), made["out"].data_ptr(), short.data_ptr(),
    )  # fmt: skip
    torch.testing.assert_close(made["out"], expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(short, made["out"].to(torch.bfloat16))
    sums = torch.full((3, shape[1]), 9.0)
    of_x = torch.empty(shape, dtype=kind)
    residual_norm.drop_add_norm_backward(
        team(), int(half), *shape, grad.data_ptr(), more.data_ptr() if two else 0, made["normal"].data_ptr(),
        spread.data_ptr(), weight.data_ptr(), key, threshold, scale, sums.data_ptr(), grad.data_ptr(),
        of_x.data_ptr(),
    )  # fmt: skip
    for mine, theirs in ((grad, residual), (sums[0], weight), (sums[1], bias), (sums[2], before)):
        torch.testing.assert_close(mine, theirs.grad, rtol=1e-4, atol=1e-4)
    rounded = 2**-8 if half else 1e-4
    torch.testing.assert_close(of_x.float(), x.grad, rtol=rounded, atol=1e-4)
