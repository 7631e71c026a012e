"""Tables updated row by row end where dense AdamW ends."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from evenweave.training.adamw import RowAdamW
from evenweave.training.row_tables import RowEmbedding, terms_of

ROWS, WIDTH = 2500, 6


class Tagger(nn.Module):
    """An embedding and a head, which sees tables as a transformer's encoder does."""

    def __init__(self, padding: int | None = None) -> None:
        super().__init__()
        self.words = nn.Embedding(ROWS, WIDTH, padding_idx=padding)
        self.head = nn.Linear(WIDTH, 3)
        nn.init.normal_(self.words.weight, std=0.02)  # as encoders do

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.words(ids)))
        return out


def batches(steps: int, seed: int, *, vocabulary: int = ROWS, size: int = 5) -> list[tuple[Tensor, Tensor]]:
    """Zipf-like ids: some in every batch, most after long gaps or never."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(steps):
        draw = torch.rand(size, generator=generator)
        made.append(((vocabulary**draw - 1).long(), torch.randint(3, (size,), generator=generator)))
    return made


def run(
    model: Tagger,
    optimizer: torch.optim.Optimizer,
    data: list[tuple[Tensor, Tensor]],
    rates: Any,
    clip: float,
) -> list[float]:
    losses = []
    for step, (ids, labels) in enumerate(data):
        for group in optimizer.param_groups:
            group["lr"] = rates(step)
        loss = nn.functional.cross_entropy(model(ids), labels)
        loss.backward()
        if clip:
            if isinstance(optimizer, RowAdamW):
                optimizer.clip(clip)
            else:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def both(**options: Any) -> tuple[Tagger, torch.optim.AdamW, Tagger, RowAdamW]:
    torch.manual_seed(0)
    dense = Tagger(options.pop("padding", None))
    lazy = copy.deepcopy(dense)
    groups = [list(lazy.parameters())]
    by_row = RowAdamW([{"params": part} for part in groups], model=lazy, **options)
    assert type(lazy.words) is RowEmbedding
    return dense, torch.optim.AdamW(dense.parameters(), **options), lazy, by_row


def warm_and_fall(step: int) -> float:
    return 5e-4 * min((step + 1) / 20, (400 - step) / 380)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1},
        {"weight_decay": 0.01, "betas": (0.8, 0.99), "eps": 1e-6},
        {"weight_decay": 0.0, "betas": (0.5, 0.9)},
        {"padding": 0, "weight_decay": 0.0},
        {"weight_decay": 0.01, "eps": 1e-3},
    ],
)
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_400_steps_of_training_are_as_near_the_truth_as_dense_steps(
    options: dict[str, Any], clip: float
) -> None:
    """The truth is dense AdamW in float64: where a gradient is all but zero Adam magnifies any rounding."""
    dense, plain, lazy, by_row = both(**options)
    exact = copy.deepcopy(dense).double()
    options = {name: value for name, value in options.items() if name != "padding"}
    truth = torch.optim.AdamW(exact.parameters(), **options)
    data = batches(400, seed=1)
    run(exact, truth, data, warm_and_fall, clip)
    run(dense, plain, data, warm_and_fall, clip)
    run(lazy, by_row, data, warm_and_fall, clip)
    for true, a, b in zip(*(m.state_dict().values() for m in (exact, dense, lazy)), strict=True):
        apart = (b - true).abs()
        assert float(apart.max()) < 1e-6 + 5 * float((a - true).abs().max())
        assert float(apart.mean()) < 1e-7 + 2 * float((a - true).abs().mean())


@settings(max_examples=40)
@given(
    st.integers(0, 2**31), st.integers(1, 300), st.sampled_from([0.0, 0.1]), st.floats(-9, 0), st.booleans()
)
def test_the_same_gradients_give_the_same_weights(
    seed: int, steps: int, decay: float, size: float, warm: bool
) -> None:
    """Gradients of all sizes, down to where sqrt(v) is below eps, from the first step on."""
    dense, plain, lazy, by_row = both(weight_decay=decay)
    generator = torch.Generator().manual_seed(seed)
    for step, (ids, _) in enumerate(batches(steps, seed)):
        rate = 1e-3 * (step / steps if warm else 1 - step / steps)
        spread = 10 ** (size * torch.rand(5, WIDTH, generator=generator))
        values = spread * torch.randn(5, WIDTH, generator=generator)
        lazy.words(ids)  # as a forward pass would
        dense.words.weight.grad = torch.zeros(ROWS, WIDTH).index_add_(0, ids, values)
        lazy.words.weight.grad = torch.sparse_coo_tensor(
            ids[None], values, (ROWS, WIDTH), check_invariants=True
        )
        for optimizer in (plain, by_row):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
    found = lazy.state_dict()["words.weight"]
    assert float((found - dense.words.weight.detach()).abs().max()) < 1e-6


def test_its_state_is_that_of_adamw_and_either_goes_on_from_the_other() -> None:
    data = batches(90, seed=3)
    dense, plain, lazy, by_row = both(weight_decay=0.01)
    run(dense, plain, data[:50], lambda _: 1e-3, 0.0)
    run(lazy, by_row, data[:50], lambda _: 1e-3, 0.0)
    one, other = plain.state_dict(), by_row.state_dict()
    assert one["state"].keys() == other["state"].keys()
    for key, values in one["state"].items():
        for name, value in values.items():
            torch.testing.assert_close(other["state"][key][name], value, rtol=1e-5, atol=1e-7)
    onwards, _, again, resumed = both(weight_decay=0.01)
    onwards.load_state_dict(dense.state_dict())
    again.load_state_dict(dense.state_dict())
    resumed.load_state_dict(copy.deepcopy(one))
    run(dense, plain, data[50:], lambda _: 1e-3, 0.0)
    run(again, resumed, data[50:], lambda _: 1e-3, 0.0)
    for a, b in zip(dense.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=2e-6)


def test_taking_the_state_in_between_changes_nothing_to_speak_of_and_reading_reads_up_to_date_rows() -> None:
    data = batches(60, seed=4)
    dense, plain, lazy, by_row = both()
    for part in range(0, 60, 7):
        run(dense, plain, data[part : part + 7], lambda _: 1e-3, 0.0)
        run(lazy, by_row, data[part : part + 7], lambda _: 1e-3, 0.0)
        ids = torch.arange(part, ROWS, 60)
        with torch.no_grad():
            torch.testing.assert_close(lazy.words(ids), dense.words(ids), rtol=0, atol=2e-6)
        torch.testing.assert_close(
            lazy.state_dict()["words.weight"], dense.words.weight, rtol=0, atol=2e-6, check_stride=False
        )


def test_gradients_add_up_over_micro_batches() -> None:
    data = batches(40, seed=5)
    dense, plain, lazy, by_row = both()
    for first, second in zip(data[::2], data[1::2], strict=True):
        for model, optimizer in ((dense, plain), (lazy, by_row)):
            for ids, labels in (first, second):
                nn.functional.cross_entropy(model(ids), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    by_row.release()
    torch.testing.assert_close(lazy.words.weight, dense.words.weight, rtol=0, atol=2e-5)


def test_released_tables_are_plain_and_steps_go_on_dense() -> None:
    data = batches(40, seed=6)
    dense, plain, lazy, by_row = both()
    run(dense, plain, data, lambda _: 1e-3, 0.0)
    run(lazy, by_row, data[:20], lambda _: 1e-3, 0.0)
    by_row.release()
    assert type(lazy.words) is nn.Embedding
    assert not hasattr(lazy.words, "table")
    run(lazy, by_row, data[20:], lambda _: 1e-3, 0.0)
    torch.testing.assert_close(lazy.words.weight, dense.words.weight, rtol=0, atol=2e-5)


@pytest.mark.parametrize("what", ["small", "tied", "frozen", "sparse", "norm", "half", "amsgrad", "betas"])
def test_other_tables_are_left_alone(what: str) -> None:
    model: Any = Tagger()
    options: dict[str, Any] = {}
    match what:
        case "small":
            model.words = nn.Embedding(100, WIDTH)
        case "tied":
            model.head = nn.Linear(WIDTH, ROWS, bias=False)
            model.head.weight = model.words.weight
        case "frozen":
            model.words.weight.requires_grad_(False)
        case "sparse":
            model.words = nn.Embedding(ROWS, WIDTH, sparse=True)
        case "norm":
            model.words = nn.Embedding(ROWS, WIDTH, max_norm=1.0)
        case "half":
            model.words.to(torch.bfloat16)
        case "amsgrad":
            options["amsgrad"] = True
        case "betas":
            options["betas"] = (0.999, 0.9)
    before = type(model.words)
    optimizer = RowAdamW([{"params": list(model.parameters())}], model=model, **options)
    assert not optimizer.tables
    assert type(model.words) is before


def test_missed_steps_count_until_they_are_negligible() -> None:
    assert terms_of((0.9, 0.999)) == 220
    assert terms_of((0.0, 0.999)) == 0
    assert terms_of((0.99, 0.5)) == 0
