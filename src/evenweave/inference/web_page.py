"""The page of the server: a box for text, and the text with its entities marked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any

from evenweave.report.highlight import highlight, label_of, legend
from evenweave.report.page import page, style

EXAMPLE = "My name is Sampurn and I work at GFG in India."

_STYLE = """
textarea{width:100%;min-height:8rem;padding:.75rem;font:inherit;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:.6rem;resize:vertical}
textarea:focus-visible,button:focus-visible{outline:2px solid var(--a);outline-offset:1px}
button{font:inherit;font-weight:600;padding:.5rem 1.25rem;border:0;border-radius:.5rem;background:var(--a);
color:var(--bg);cursor:pointer}
form{display:grid;gap:.75rem;justify-items:start}
label{font-weight:600}
#result{margin-top:1.5rem}
#result .text{background:var(--card);border-radius:.6rem;padding:.75rem 1rem;font-size:1.05rem}
#result.busy{opacity:.55}
.error{color:var(--bad)}
#result td:first-child{white-space:normal;overflow-wrap:anywhere}
code{background:var(--card);border-radius:.3rem;padding:.1rem .35rem;overflow-wrap:anywhere}
"""

# Tags while one types: the form is sent in the background and its answer's result takes the old one's place.
_SCRIPT = """
const form=document.querySelector("form"),box=form.elements.text;let timer,last=0;
async function tag(){
  const turn=++last,old=document.querySelector("#result");old.classList.add("busy");
  try{
    const answer=await fetch("/",{method:"POST",body:new URLSearchParams({text:box.value})});
    const fresh=new DOMParser().parseFromString(await answer.text(),"text/html").querySelector("#result");
    if(turn===last&&fresh)old.replaceWith(document.adoptNode(fresh));
  }catch{if(turn===last)old.textContent="The server does not answer.";}
}
form.addEventListener("submit",event=>{event.preventDefault();tag();});
box.addEventListener("input",()=>{clearTimeout(timer);timer=setTimeout(tag,250);});
"""


def web_page(
    *,
    name: str,
    kinds: Sequence[str],
    text: str,
    entities: Sequence[Mapping[str, Any]],
    error: str | None = None,
) -> str:
    """Return the page with `text` in its box and, below, marked with `entities`.

    Args:
        name: of the model, as shown.
        kinds: entity types, for the legend and the colours.
        text: what was entered.
        entities: as a pipeline gives them.
        error: shown instead of a result.
    """
    if error is not None:
        result = f'<p class="error">{escape(error)}</p>'
    else:
        marked = highlight(text, entities, kinds=kinds)
        result = f'{legend(kinds)}<p class="text">{marked}</p>{_table(entities)}' if text.strip() else ""
    body = (
        f"<h1>{escape(name)}</h1>"
        '<p class="soft">Marks the names in a text. Nothing leaves this server.</p>'
        '<form method="post" action="/"><label for="text">Text</label>'
        f'<textarea id="text" name="text" autofocus spellcheck="false">\n{escape(text)}</textarea>'
        "<button>Mark entities</button></form>"
        f'<section id="result" aria-live="polite">{result}</section>'
        "<h2>From a program</h2><p>POST <code>/predict</code> with "
        '<code>{"inputs": "a text, or a list of texts"}</code> gives the entities as JSON; '
        "<code>/openapi.json</code> has the details.</p>"
        f"<script>{_SCRIPT}</script>"
    )
    return page(name, body, head=f"<style>{_STYLE}</style>")


def content_policy() -> str:
    """Return the page's content security policy: its own styles and script, by hash, and nothing else."""
    styles = " ".join(_hashed(text) for text in (style(), _STYLE))
    return (
        f"default-src 'none'; style-src {styles}; script-src {_hashed(_SCRIPT)}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _table(entities: Sequence[Mapping[str, Any]]) -> str:
    if not entities:
        return '<p class="soft">No entities found.</p>'
    rows = "".join(
        f"<tr><td>{escape(str(entity['word']))}</td><td>{escape(label_of(entity))}</td>"
        f"<td>{entity['score']:.3f}</td><td>{entity['start']}–{entity['end']}</td></tr>"
        for entity in entities
    )
    head = "<tr><th>entity</th><th>type</th><th>score</th><th>characters</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
