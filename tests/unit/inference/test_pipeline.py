from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from tiny_tagger import LABELS, bert_tokenizer, random_tagger, roberta_tokenizer, save_tagger  # noqa: E402

from evenweave import pipeline  # noqa: E402
from evenweave.errors import (  # noqa: E402
    ArgumentError,
    CheckpointError,
    DataError,
    EvenweaveError,
    NotFoundError,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tagger(tmp_path_factory.mktemp("tagger"))


@pytest.fixture(scope="module")
def tagger(folder: Path) -> Any:
    return pipeline("token-classification", folder, aggregation_strategy="simple", device="cpu")


def word_tagger(rule: Any, *, labels: list[str] = LABELS, positions: int = 64) -> Any:
    """A pipeline whose model labels each token by `rule(input_ids)` -> label ids: no context, no chance."""
    tokenizer = bert_tokenizer()
    model = random_tagger("bert", tokenizer, labels=labels, positions=positions)

    def forward(input_ids: Any, **_: Any) -> Any:
        from types import SimpleNamespace

        chosen = torch.as_tensor(rule(input_ids.numpy()))
        return SimpleNamespace(logits=5.0 * torch.nn.functional.one_hot(chosen, len(labels)).float())

    model.forward = forward
    return pipeline("ner", model, tokenizer, aggregation_strategy="simple", device="cpu")


def test_a_name_across_every_seam_is_found_once_and_whole() -> None:
    york = bert_tokenizer().convert_tokens_to_ids("york")
    new = bert_tokenizer().convert_tokens_to_ids("new")

    def rule(ids: np.ndarray) -> np.ndarray:
        return np.where(ids == new, 5, np.where(ids == york, 6, 0))

    tagger = word_tagger(rule)
    for before in range(100):
        text = "my " * before + "new york york york" + " is" * 60
        found = tagger(text)
        assert [(e["word"], e["entity_group"]) for e in found] == [("new york york york", "LOC")], before
        assert tagger(text, stride=0, max_length=16)[0]["word"] == "new york york york"


def test_windows_of_a_long_text_give_each_token_its_scores_once(tagger: Any) -> None:
    text = (
        " ".join(f"{a} {b}" for a, b in itertools.product(["my", "name", "is", "new", "york"], repeat=2)) * 20
    )
    tokens = tagger(text, aggregation_strategy="none", ignore_labels=[])
    assert [e["index"] for e in tokens] == list(range(1, len(tokens) + 1))
    assert len(tokens) == len(tagger.tokenizer(text, verbose=False)["input_ids"]) - 2
    assert [e["start"] for e in tokens] == sorted({e["start"] for e in tokens})


def test_short_texts_do_not_depend_on_their_company(tagger: Any) -> None:
    texts = ["my name is sampurn", "i", "new york " * 30, "gfg in india"]
    alone = [tagger(text) for text in texts]
    for order in ([3, 1, 0, 2], [2, 2, 0, 3, 1]):
        together = tagger([texts[i] for i in order], batch_size=3)
        for i, found in zip(order, together, strict=True):
            assert [e["word"] for e in found] == [e["word"] for e in alone[i]]
            assert [e["score"] for e in found] == pytest.approx([e["score"] for e in alone[i]], abs=1e-5)


def test_a_stream_is_answered_before_it_ends(tagger: Any) -> None:
    def endless() -> Iterator[str]:
        for n in itertools.count():
            yield f"my name is {n % 7}"

    results = tagger(endless())
    assert len(list(itertools.islice(results, 2500))) == 2500


def test_empty_inputs(tagger: Any) -> None:
    assert tagger([]) == []
    assert tagger("") == []
    assert tagger(["", "  "]) == [[], []]
    assert list(tagger(iter([]))) == []
    assert tagger.tag([]) == []
    assert tagger.tag([[], ["my"]])[0] == []


@pytest.mark.parametrize("wrong", [None, 3, b"bytes"])
def test_what_is_not_text_is_refused(tagger: Any, wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="inputs: "):
        tagger(wrong)


@pytest.mark.parametrize("wrong", [["a", None], ["a", 3], ["a", b"x"], ["a", ["b"]], ["a", "\ud800"]])
def test_a_row_that_is_not_text_is_named(tagger: Any, wrong: list[Any]) -> None:
    with pytest.raises(DataError, match="row 1"):
        tagger(wrong)


@pytest.mark.parametrize("wrong", [[["a"], "b"], [["a"], [None]], [["a"], ["\ud800"]]])
def test_a_row_that_is_not_words_is_named(tagger: Any, wrong: list[Any]) -> None:
    with pytest.raises(DataError, match="row 1"):
        tagger.tag(wrong)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"aggregation_strategy": "best"}, "aggregation_strategy: 'best'; one of none, simple"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "8"}, "batch_size"),
        ({"ignore_labels": "O"}, "ignore_labels"),
        ({"stride": 126}, "stride"),
        ({"stride": -1}, "stride"),
        ({"stride": 1.5}, "stride"),
        ({"ignore_labels": 5}, "ignore_labels"),
        ({"max_length": 2}, "max_length"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": -5}, "max_length"),
        ({"max_length": "many"}, "max_length"),
        ({"max_length": 4096}, "the model takes 128"),
        ({"aggregaton": "first"}, "aggregaton: not a setting"),
    ],
)
def test_settings_that_cannot_be_are_refused(tagger: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said) as caught:
        tagger("my name", **settings)
    assert "\n" not in str(caught.value)


def test_tag_gives_one_label_a_word(tagger: Any) -> None:
    rows = [["my", "name", "is", "Wolfgang-Müller", "\u200b", "."], ["york"], []]
    found = tagger.tag(rows)
    assert [len(tags) for tags in found] == [6, 1, 0]
    assert found[0][4] == "O"
    assert set(itertools.chain(*found)) <= set(LABELS)
    assert tagger.tag(rows[0]) == found[0]
    assert list(tagger.tag(iter(rows))) == found
    assert len(tagger.tag(["york"] * 2000)) == 2000


def test_constrained_tags_are_legal(tagger: Any) -> None:
    sentence = "my name is wolfgang and i work at gfg in new york"
    tags = tagger.tag([sentence.split()] * 3, constrained=True)
    for row in tags:
        for before, tag in zip(["O", *row], row, strict=False):
            assert tag[0] != "I" or before[2:] == tag[2:]


def test_roberta_positions_leave_the_model_its_full_length() -> None:
    tokenizer = roberta_tokenizer()
    tagger = pipeline("ner", random_tagger("roberta", tokenizer, positions=32), tokenizer)
    assert tagger.longest == 32
    assert len(tagger("my name " * 100, ignore_labels=[])) == len(
        tokenizer("my name " * 100, add_special_tokens=False, verbose=False)["input_ids"]
    )


def test_words_of_a_byte_level_tokenizer_need_its_prefix_space() -> None:
    tokenizer = roberta_tokenizer(add_prefix_space=True)
    tagger = pipeline("ner", random_tagger("roberta", tokenizer), tokenizer, aggregation_strategy="first")
    words = ["my", "U.S.", "name"]
    found = tagger(words, is_split_into_words=True, ignore_labels=[], delimiter="_")
    assert "_".join(words) == "my_U.S._name"
    assert {e["word"] for e in found} <= {"my", "U.S.", "name", "my_U.S.", "U.S._name", "my_U.S._name"}


def test_bfloat16_gives_nearly_the_same_scores(folder: Path, tagger: Any) -> None:
    half = pipeline("ner", folder, dtype="bfloat16", device="cpu")
    exact = tagger("my name is", aggregation_strategy="none", ignore_labels=[])
    rough = half("my name is", ignore_labels=[])
    assert [e["score"] for e in rough] == pytest.approx([e["score"] for e in exact], abs=0.1)


def test_labels_without_names_are_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = bert_tokenizer()
    model = random_tagger("bert", tokenizer, labels=["LABEL_0", "LABEL_1"])
    with caplog.at_level(logging.WARNING, "evenweave"):
        found = pipeline("ner", model, tokenizer)("my", ignore_labels=[])
    assert found[0]["entity"].startswith("LABEL_")
    assert "no names" in caplog.text


def test_a_directory_says_which_file_is_missing(folder: Path, tmp_path: Path) -> None:
    import shutil

    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        broken = tmp_path / name
        shutil.copytree(folder, broken)
        (broken / name).unlink()
        if name == "tokenizer.json":
            (broken / "tokenizer_config.json").unlink()
        with pytest.raises(NotFoundError, match=f"has no {name}"):
            pipeline("ner", broken)


def test_a_pickle_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(NotFoundError, match=r"pytorch_model\.bin is a pickle"):
        pipeline("ner", tmp_path)


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    import shutil

    hostile = tmp_path / "hostile"
    shutil.copytree(folder, hostile)
    config = json.loads((hostile / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForTokenClassification": "evil.Model", "AutoConfig": "evil.Config"}}
    (hostile / "config.json").write_text(json.dumps(config))
    (hostile / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with suppress(EvenweaveError):
        pipeline("ner", hostile)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["weights", "config", "tokenizer"])
def test_a_damaged_file_is_one_line(folder: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    name = {"weights": "model.safetensors", "config": "config.json", "tokenizer": "tokenizer.json"}[damage]
    (broken / name).write_bytes((broken / name).read_bytes()[:100])
    with pytest.raises(CheckpointError) as caught:
        pipeline("ner", broken)
    assert str(broken) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_encoder_without_a_head_is_no_tagger(tmp_path: Path) -> None:
    tokenizer = bert_tokenizer()
    random_tagger("bert", tokenizer).bert.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"no weights for classifier\.bias .* fine-tune it first"):
        pipeline("ner", tmp_path)


@pytest.mark.parametrize("where", ["/no/such/model", "./nowhere", "a/b/c", "some-org/no-such-model"])
def test_a_model_that_is_nowhere(where: str) -> None:
    with pytest.raises(NotFoundError, match="no such") as caught:
        pipeline("ner", where)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"task": "text-generation"}, "task: 'text-generation'; one of token-classification, ner"),
        ({"task": "ner", "model": None}, "model: none given"),
        ({"device": "cuda:99"}, "device: 'cuda:99'"),
        ({"device": "gpu"}, "device: 'gpu'"),
        ({"dtype": "int4"}, "dtype: 'int4'; one of float32"),
        ({"dtype": 7}, "dtype: 7"),
    ],
)
def test_arguments_that_cannot_be(folder: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        pipeline(**{"task": "ner", "model": folder, **arguments})


def test_a_model_object_needs_its_tokenizer(folder: Path) -> None:
    model = random_tagger("bert", bert_tokenizer())
    with pytest.raises(ArgumentError, match="tokenizer: none given"):
        pipeline("ner", model)
    assert pipeline("ner", model, folder)("my name", ignore_labels=[])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "id2label is None; give the name of each"),
        (["O"] * 7, "id2label is .*; give the name of each"),
        ({"a": "O"}, "id2label is .*; give the name of each"),
        ({0: "O", 1: "B-X"}, r"logits of shape \(1, 4, 7\), where its 2 labels need \(1, 4, 2\)"),
    ],
)
def test_a_model_whose_labels_are_not_its_scores_is_refused(labels: Any, said: str) -> None:
    tokenizer = bert_tokenizer()
    model = random_tagger("bert", tokenizer)
    model.config.id2label = labels
    with pytest.raises(CheckpointError, match=said):
        pipeline("ner", model, tokenizer)("my name")


def test_a_model_that_cannot_tag_is_refused() -> None:
    import transformers

    tokenizer = bert_tokenizer()
    model = random_tagger("bert", tokenizer)
    of_texts = transformers.BertForSequenceClassification(model.config)
    for other, said in ((of_texts, r"logits of shape \(1, 7\)"), (model.bert, "gives no logits")):
        with pytest.raises(CheckpointError, match=said):
            pipeline("ner", other, tokenizer)("my name")
    for nothing in (5, ["a"], torch.nn.Linear(1, 1)):
        with pytest.raises(ArgumentError, match=r"^model: \w+ is no model of transformers"):
            pipeline("ner", nothing, tokenizer)
    with pytest.raises(ArgumentError, match=r"^tokenizer: gives the id \d+ \('.*'\), and the model has 0 to"):
        pipeline("ner", model, roberta_tokenizer())("sampurn wolfgang")
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    with pytest.raises(CheckpointError, match="scores are NaN"):
        pipeline("ner", model, tokenizer)("my name")


@pytest.mark.parametrize("rows", [[None], [5], [{"my": 1}], [(word for word in ["my"])], [{"my"}]])
def test_rows_of_words_are_lists(tagger: Any, rows: Any) -> None:
    for call in (tagger.tag, lambda rows: tagger(rows, is_split_into_words=True)):
        with pytest.raises(DataError, match="row 0: not a list of words"):
            call(rows)


@pytest.mark.parametrize("inputs", [None, 5, b"my", {"my": 1}, np.array("my")])
def test_inputs_that_are_no_rows_are_refused(tagger: Any, inputs: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^inputs: \w+; give a string or a list of strings"):
        tagger(inputs)
    with pytest.raises(ArgumentError, match=r"^rows: \w+; give a list of words"):
        tagger.tag(inputs)
    with pytest.raises(ArgumentError, match=r"^delimiter: "):
        tagger(["my"], is_split_into_words=True, delimiter=inputs)
