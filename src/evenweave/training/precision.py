"""Which precision a run computes in, and why; and which it adds losses up in."""

from __future__ import annotations

import torch

from evenweave.errors import ArgumentError
from evenweave.training.arguments import TrainingArguments


def widest(device: torch.device) -> torch.dtype:
    """Return the type to add up losses in: float64, but on Apple's GPUs, which have none."""
    return torch.float32 if device.type == "mps" else torch.float64


def autocast_dtype(args: TrainingArguments, device: torch.device) -> tuple[torch.dtype | None, str]:
    """Return the autocast dtype (None: float32 throughout) and a phrase for the log.

    Raises:
        ArgumentError: bf16=True on a GPU that has no bfloat16.
    """
    if args.bf16 is False:
        return None, "float32"
    fast, why = _fast_bf16(device)
    if args.bf16 == "auto":
        return (torch.bfloat16, f"bfloat16 ({why})") if fast else (None, f"float32 ({why})")
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ArgumentError("bf16=True: this GPU has no bfloat16; leave it out or use bf16='auto'")
    return torch.bfloat16, "bfloat16"


def _fast_bf16(device: torch.device) -> tuple[bool, str]:
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return supported, "this GPU multiplies it fast" if supported else "this GPU has no bfloat16"
    if device.type == "cpu":
        flags = torch.backends.cpu.get_cpu_capability(), torch.cpu._is_avx512_bf16_supported()
        if flags[1]:
            return True, "this CPU has AVX512-BF16"
        return False, "this CPU has no bfloat16 units"
    return False, f"untested on {device.type}"
