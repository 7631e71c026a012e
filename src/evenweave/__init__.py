"""Evenweave fine-tunes text models and measures them: labelled text in, a trained, scored, served model out.

Public names load when first used: `import evenweave` itself brings in nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import Any

from evenweave._version import __version__

# Public name -> module that defines it.
_HOME = {
    "load": "evenweave.metrics.registry",
    "Metric": "evenweave.metrics.metric",
    "combine": "evenweave.metrics.combined",
    "compare": "evenweave.metrics.comparison",
    "bleu": "evenweave.metrics.bleu",
    "sacrebleu": "evenweave.metrics.bleu",
    "sentence_bleu": "evenweave.metrics.bleu",
    "rouge": "evenweave.metrics.rouge",
    "perplexity": "evenweave.metrics.perplexity",
    "model_perplexity": "evenweave.inference.perplexity",
    "token_log_probabilities": "evenweave.inference.perplexity",
    "entity_scores": "evenweave.metrics.entities",
    "pipeline": "evenweave.inference.pipeline",
    "TokenClassificationPipeline": "evenweave.inference.pipeline",
    "Ragged": "evenweave.ragged",
    "Trainer": "evenweave.training.trainer",
    "TrainerCallback": "evenweave.training.callbacks",
    "TrainingArguments": "evenweave.training.arguments",
    "TrainerControl": "evenweave.training.state",
    "TrainerState": "evenweave.training.state",
    "EarlyStoppingCallback": "evenweave.training.callbacks",
    "EvalPrediction": "evenweave.training.state",
    "Seq2SeqTrainer": "evenweave.training.trainer",
    "Seq2SeqTrainingArguments": "evenweave.training.arguments",
    "default_encoder": "evenweave.data.encoder",
    "tagger_to_train": "evenweave.training.models",
    "train_tagger": "evenweave.training.recipe",
    "evaluate_tagger": "evenweave.training.recipe",
    "EvenweaveError": "evenweave.errors",
    "login": "evenweave.hub.account",
    "notebook_login": "evenweave.hub.account",
    "Columns": "evenweave.data.columns",
    "DataCollatorWithPadding": "evenweave.collators",
    "DataCollatorForTokenClassification": "evenweave.collators",
    "DataCollatorForSeq2Seq": "evenweave.collators",
    "DataCollatorForLanguageModeling": "evenweave.collators",
    "DataCollatorForMultipleChoice": "evenweave.collators",
    "DataCollatorForPermutationLanguageModeling": "evenweave.collators",
    "DataCollatorWithFlattening": "evenweave.collators",
    "DefaultDataCollator": "evenweave.collators",
    "default_data_collator": "evenweave.collators",
    "load_dataset": "evenweave.data.read",
    "Dataset": "evenweave.data.dataset",
    "DatasetDict": "evenweave.data.dataset",
    "align_labels_with_tokens": "evenweave.data.align",
    "tokenize_and_align": "evenweave.data.align",
    "sample_corpus": "evenweave.data.sample",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'evenweave' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
