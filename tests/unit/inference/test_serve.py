from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("fastapi")
from fastapi.testclient import TestClient
from tiny_tagger import LABELS, bert_tokenizer, random_tagger

from evenweave import pipeline
from evenweave.inference.serve import make_app


@pytest.fixture(scope="module")
def tagger() -> Any:
    tokenizer = bert_tokenizer()
    model = random_tagger("bert", tokenizer)
    return pipeline("ner", model, tokenizer, aggregation_strategy="simple", device="cpu")


@pytest.fixture(scope="module")
def client(tagger: Any) -> Iterator[TestClient]:
    with TestClient(make_app(tagger, name="tiny", most_bytes=20_000)) as made:
        yield made


def test_predict_gives_what_the_pipeline_gives(client: TestClient, tagger: Any) -> None:
    text = "My name is Sampurn and I work at GFG in India."
    assert client.post("/predict", json={"inputs": text}).json() == tagger(text)
    assert client.post("/predict", json={"inputs": [text, ""]}).json() == tagger([text, ""])
    assert client.post("/predict", json={"inputs": []}).json() == []
    how = {"aggregation_strategy": "none", "ignore_labels": []}
    answer = client.post("/predict", json={"inputs": text, "parameters": how})
    assert answer.json() == tagger(text, **how)


def test_health_names_the_labels(client: TestClient) -> None:
    answer = client.get("/health").json()
    assert answer["status"] == "ok"
    assert answer["labels"] == LABELS


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "body: not a JSON object"),
        ("x", "body: not a JSON object"),
        ("[]", "body: not a JSON object"),
        (b'{"inputs": "caf\xe9"}', "body: not a JSON object"),
        ("[" * 9_000, "body: not a JSON object"),
        ('{"inputs": ' + "9" * 9_000 + "}", "body: not a JSON object"),
        ('{"input": "a"}', "inputs: give a text"),
        ('{"inputs": 3}', "inputs: give a text"),
        ('{"inputs": ["a", null]}', "inputs: give a text"),
        ('{"inputs": "\\ud800"}', "lone surrogate"),
        ('{"inputs": "a", "parameters": {"aggregation_strategy": "best"}}', "'none', 'simple'"),
        ('{"inputs": "a", "parameters": {"batch_size": 9}}', "parameters.batch_size: extra"),
        ('{"inputs": "a", "more": 1}', "more: extra"),
        ('{"inputs": "a", "two\\nlines": 1}', "two lines: extra"),
        ('{"inputs": [' + ",".join(['"a"'] * 257) + "]}", "more than 256 texts"),
    ],
)
def test_a_wrong_request_is_told_so_in_one_line(client: TestClient, body: str | bytes, said: str) -> None:
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_wrong_address_is_told_so_alike(client: TestClient) -> None:
    assert client.get("/predict").json() == {"error": "Method Not Allowed"}
    assert client.get("/predict").headers["allow"] == "POST"
    assert client.get("/nowhere").status_code == 404


def test_a_body_above_the_limit_is_refused_however_it_is_sent(client: TestClient) -> None:
    text = "a" * 30_000
    answers = [
        client.post("/predict", json={"inputs": text}),
        client.post("/predict", content=iter([b'{"inputs": "', text.encode(), b'"}'])),
        client.post("/", data={"text": text}),
    ]
    for answer in answers:
        assert answer.status_code == 413
        assert "20,000 bytes" in answer.json()["error"]


def test_the_page_marks_entities_and_escapes_the_text(client: TestClient, tagger: Any) -> None:
    text = "<script>alert(1)</script> my name is sampurn & co\r\nnew york"
    answer = client.post("/", data={"text": text})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    shown = re.findall(r"(?s)<mark[^>]*>(.*?)<small>", answer.text)
    words = [e["word"] for e in tagger(text.replace("\r\n", "\n"))]
    assert len(shown) == len(words) > 0


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert not re.search(r"(src|href)=|https?://|@import|url\(", answer.text)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    blocks = re.findall(r"(?s)<(?:script|style)>(.*?)</", answer.text)
    assert len(blocks) == 3
    for block in blocks:
        assert b64encode(sha256(block.encode()).digest()).decode() in policy
    assert "style=" not in answer.text


def test_an_empty_text_shows_no_result(client: TestClient) -> None:
    answer = client.post("/", data={"text": ""})
    assert "<mark" not in answer.text
    assert client.post("/", content=b"").status_code == 200


def test_openapi_is_there(client: TestClient) -> None:
    assert "/predict" in client.get("/openapi.json").json()["paths"]
    assert client.get("/docs").status_code == 404
