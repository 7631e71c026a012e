"""Attention within sequences against torch's products and softmax, and its gradient against autograd's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from evenweave.errors import ArgumentError
from evenweave.kernels import attention
from evenweave.kernels.products import COLUMNS
from evenweave.kernels.threads import ALONE, Team
from evenweave.training import flat_attention
from evenweave.training.dropout import drop_terms, dropped
from evenweave.training.flat_layout import flatten
from evenweave.training.native import team

ANY = 2**31
SCALE = np.float32(0.3)
BEYOND = 3


@dataclass(frozen=True)
class Case:
    """Some sequences, in rows of queries, keys and values side by side with `BEYOND` tokens in none."""

    sizes: tuple[int, ...]
    heads: int
    size: int
    reach: tuple[int, int] = (ANY, ANY)
    p: float = 0.0
    half: bool = False
    spread: float = 1.0
    key: int = 7

    def rows(self) -> Tensor:
        chance = torch.Generator().manual_seed(self.key)
        width = 3 * self.heads * self.size
        made = torch.randn(sum(self.sizes) + BEYOND, width, generator=chance) * self.spread
        return made.to(torch.bfloat16) if self.half else made

    @property
    def bounds(self) -> Any:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def places(self, rows: Tensor, *others: Tensor) -> tuple[int, Any, Any, int]:
        """Queries, keys and values in `rows`, and others, as kernels take them."""
        columns = self.heads * self.size
        firsts = [rows[:, columns * which :] for which in range(3)]
        tensors = [*firsts, *others]
        return (
            int(self.half),
            np.array([tensor.data_ptr() for tensor in tensors]),
            np.array([tensor.stride(0) for tensor in tensors]),
            len(rows) - BEYOND + 1,
        )


def _ours(case: Case, rows: Tensor, threads: Team) -> tuple[Tensor, Any]:
    out = torch.full((len(rows), case.heads * case.size), 9.0, dtype=rows.dtype)
    terms = attention.attend(
        threads, *case.places(rows, out), case.heads, case.size, case.bounds, SCALE, case.reach,
        np.uint64(case.key), *drop_terms(case.p),
    )  # fmt: skip
    assert (out[-BEYOND] == 0).all()
    assert (out[1 - BEYOND :] == 9).all()
    return out[:-BEYOND], terms


def _gradients(case: Case, rows: Tensor, grad: Tensor, terms: Any, threads: Team) -> Tensor:
    made = torch.full_like(rows, 9.0)
    thirds = [made[:, case.heads * case.size * which :] for which in range(3)]
    attention.attend_backward(
        threads, *case.places(rows, grad, *thirds), case.heads, case.size, case.bounds, SCALE,
        case.reach, np.uint64(case.key), *drop_terms(case.p), terms,
    )  # fmt: skip
    assert (made[-BEYOND] == 0).all()
    assert (made[1 - BEYOND :] == 9).all()
    return made[:-BEYOND]


def _theirs(case: Case, rows: Tensor) -> Tensor:
    """What torch makes of it; dropout by the same key, whose places run over rows of a rounded length."""
    q, k, v = rows.chunk(3, dim=1)
    made, start, place = [], 0, 0
    for n in case.sizes:
        parts = [x[start : start + n].view(n, case.heads, case.size).transpose(0, 1) for x in (q, k, v)]
        at = torch.arange(n)
        apart = at[None] - at[:, None]
        hidden = (apart > case.reach[1]) | (apart < -case.reach[0])
        scores = (parts[0] @ parts[1].transpose(1, 2) * float(SCALE)).masked_fill(hidden, -torch.inf)
        shares = torch.softmax(scores, dim=-1)
        width = -(-n // COLUMNS) * COLUMNS
        if case.p:
            cells = case.heads * n * width
            kept = dropped(torch.ones(place + cells), case.p, np.uint64(case.key))[place:]
            shares = shares * kept.view(case.heads, n, width)[:, :, :n]
            place += cells
        made.append((shares @ parts[2]).transpose(0, 1).reshape(n, -1))
        start += n
    return torch.cat(made)


cases = st.builds(
    Case,
    sizes=st.lists(st.one_of(st.integers(1, 20), st.integers(60, 140)), min_size=1, max_size=4).map(tuple),
    heads=st.integers(1, 5),
    size=st.integers(1, 40),
    reach=st.sampled_from([(ANY, ANY), (ANY, 0), (3, 3), (5, 0)]),
    p=st.sampled_from([0.0, 0.1, 0.6]),
    key=st.integers(0, 2**32),
)


@given(case=cases)
@example(case=Case((300,), 4, 32))  # more queries than are computed at a time
@example(case=Case((64, 65), 3, 64, p=0.1))
@example(case=Case((130,), 1, 8, reach=(7, 0), p=0.5))
def test_it_is_torchs(case: Case) -> None:
    rows = case.rows().requires_grad_(True)
    expected = _theirs(case, rows)
    out, terms = _ours(case, rows.detach(), team())
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    grad = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    expected.backward(grad)
    made = _gradients(case, rows.detach(), grad, terms, team())
    assert rows.grad is not None
    torch.testing.assert_close(made, rows.grad[:-BEYOND], rtol=1e-4, atol=3e-5)


@given(case=cases)
def test_bfloat16_is_read_as_it_is_and_rounded_once(case: Case) -> None:
    case = replace(case, half=True)
    rows = case.rows()
    out, terms = _ours(case, rows, team())
    wide = replace(case, half=False)
    expected, same = _ours(wide, rows.float(), team())
    assert np.array_equal(terms, same)
    assert torch.equal(out, expected.to(torch.bfloat16))
    grad = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    made = _gradients(case, rows, grad, terms, team())
    unrounded = _gradients(wide, rows.float(), grad.float(), terms, team())
    assert torch.equal(made, unrounded.to(torch.bfloat16))


@given(case=cases)
def test_threads_change_nothing(case: Case) -> None:
    rows = case.rows()
    out, terms = _ours(case, rows, team())
    alone, same = _ours(case, rows, ALONE)
    assert torch.equal(out, alone)
    assert np.array_equal(terms, same)
    grads = [_gradients(case, rows, out, terms, threads) for threads in (team(), ALONE)]
    assert torch.equal(*grads)


@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0])
def test_probabilities_are_those_of_double_precision(spread: float) -> None:
    """With values that are one-hot, what comes out is the probabilities themselves."""
    case = Case((64,), 1, 64, spread=spread)
    rows = case.rows()
    rows[:64, 128:] = torch.eye(64)
    made, _ = _ours(case, rows, team())
    q, k = (x.double() for x in rows[:64, :128].chunk(2, dim=1))
    expected = torch.softmax(q @ k.t() * float(SCALE), dim=-1)
    # A score has the rounding error of its terms, which the exponential makes relative.
    terms = (q.abs() @ k.abs().t() * float(SCALE)).max()
    off = (made.double() - expected).abs() / expected.clamp(min=1e-30)
    assert off[expected > 1e-30].max() < 5e-7 * (2 + terms)
    torch.testing.assert_close(made.double().sum(-1), torch.ones(64).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_in_its_sequence(bad: float) -> None:
    case = Case((5, 11, 4), 2, 8)
    rows = case.rows()
    rows[7, 3] = bad  # a query of the second sequence, of its first head
    out, _ = _ours(case, rows, team())
    assert not torch.isfinite(out[7, :8]).any()
    out[7, :8] = 0
    assert torch.isfinite(out).all()


def test_rows_that_are_too_few_or_of_another_kind_are_refused() -> None:
    _, layout = _flat([4, 2])
    how = flat_attention.How(layout, 0.0, 0.5, False, None)
    rows = torch.zeros(6, 24)
    enough = [flat_attention.Part(rows, first) for first in (0, 8, 16)]
    assert flat_attention.attend(*enough, heads=2, size=4, how=how)[0].shape == (6, 8)
    for bad in (rows[:5], rows[:, :23], rows.double(), rows.bfloat16(), torch.zeros(24, 6).t()):
        with pytest.raises(ArgumentError):
            flat_attention.attend(
                enough[0], enough[1], flat_attention.Part(bad, 16), heads=2, size=4, how=how
            )


def test_values_of_another_size_are_refused() -> None:
    _, layout = _flat([4, 2])
    q = k = torch.zeros(1, 3, 6, 8)
    flat_attention.use_layout(layout)
    try:
        with pytest.raises(ArgumentError, match="of one size"):
            flat_attention.attention(None, q, k, torch.zeros(1, 3, 6, 4), None)
    finally:
        flat_attention.use_layout(None)


def _flat(sizes: list[int]) -> tuple[dict[str, Any], Any]:
    mask = torch.tensor([[1] * size + [0] * (max(sizes) - size) for size in sizes])
    batch = {"input_ids": mask, "attention_mask": mask}
    made = flatten(batch, position_start=0, device=torch.device("cpu"))
    assert made is not None
    return made
