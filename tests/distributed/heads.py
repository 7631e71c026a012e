"""Run by torchrun: the first step's gradients of every kind of model, four rows on each of two ranks."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.laws.test_batching import CASES, first_step_of


def main() -> None:
    folder = Path(sys.argv[1])
    for place, name in enumerate(CASES):
        gradients, loss = first_step_of(name, folder / "out", size=4, accumulation=1)
        if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
            tensors = {str(index): gradient.contiguous() for index, gradient in enumerate(gradients)}
            save_file(
                {**tensors, "loss": torch.tensor(loss, dtype=torch.float64)}, folder / f"{place}.safetensors"
            )
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
