"""A local server that speaks the part of the Hub's HTTP API that huggingface_hub uses, on memory.

Repositories of models and data sets with branches, LFS uploads, ranged downloads and redirects of old names;
and the ways in which a network fails: a refused token, 429, 500, and no answer at all.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

TOKEN = "hf_the_token_of_the_tests"
USER = "ada"


@dataclass
class Commit:
    """A state of a branch: what it holds, by path."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """A repository; each branch is the list of its commits, oldest first."""

    kind: str
    name: str
    private: bool = False
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], *, message: str, branch: str = "main") -> Commit:
        """Add a commit with exactly these files."""
        history = self.branches.setdefault(branch, [])
        seed = f"{self.kind}/{self.name}/{branch}/{len(history)}/{message}"
        made = Commit(hashlib.sha1(seed.encode()).hexdigest(), message, files)
        history.append(made)
        return made

    def at(self, revision: str) -> Commit | None:
        """Return the commit that a branch or a commit id names."""
        if self.branches.get(revision):
            return self.branches[revision][-1]
        commits = [commit for history in self.branches.values() for commit in history]
        return next((commit for commit in commits if commit.oid == revision), None)

    @property
    def head(self) -> Commit:
        """The newest commit of main."""
        return self.branches["main"][-1]

    @property
    def messages(self) -> list[str]:
        """The messages of main, oldest first, without the one of its creation."""
        return [commit.message for commit in self.branches["main"][1:]]


class HubServer:
    """The server; `failing` says how it fails just now, `limit` how often before it recovers."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.moved: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failing: str | None = None
        self.limit: int | None = None
        self._app = FastAPI()
        self._app.add_api_route("/{path:path}", self._answer, methods=["GET", "HEAD", "POST", "PUT"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self._app,
            port=self.port,
            log_level="error",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Serve from a thread; returns once connections are taken."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout=5)

    def add(self, kind: str, name: str, files: dict[str, bytes], *, branch: str = "main") -> Repo:
        """Put files on a branch of a repository, which is made if need be."""
        repo = self.repos.setdefault((kind, name), Repo(kind, name))
        if "main" not in repo.branches and branch != "main":
            repo.commit({}, message="initial commit")
        repo.commit(files, message="added", branch=branch)
        return repo

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode().split("?")[0]
        self.requests.append(f"{request.method} {path}")
        broken = await self._failure()
        if broken is not None:
            return broken
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:1] == ["api"]:
            return await self._api(request, parts[1:])
        if parts[:1] == ["lfs"]:
            return await self._lfs_object(request, parts[1])
        if parts[-4:] == ["info", "lfs", "objects", "batch"]:
            return await self._lfs_batch(request)
        return self._resolve(request, parts)

    async def _failure(self) -> Response | None:
        if self.failing is None:
            return None
        if self.limit is not None:
            if self.limit == 0:
                return None
            self.limit -= 1
        while self.failing == "silence":
            await asyncio.sleep(0.02)
        if self.failing is None:
            return None
        status = {"token": 401, "full": 403, "busy": 429, "broken": 500}[self.failing]
        headers = {"Retry-After": "0"} if status == 429 else {}
        said = {401: "Invalid credentials in Authorization header", 403: "Private storage limit reached."}
        message = said.get(status, "try again later")
        return JSONResponse({"error": message}, status, headers={"X-Error-Message": message, **headers})

    async def _api(self, request: Request, parts: list[str]) -> Response:
        if parts == ["whoami-v2"]:
            if not self._authorised(request):
                return JSONResponse({"error": "Invalid username or password."}, 401)
            role = {"accessToken": {"role": "write", "displayName": "tests"}}
            return JSONResponse({"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": role})
        if parts == ["validate-yaml"]:
            return JSONResponse({"errors": [], "warnings": []})
        if parts == ["repos", "create"]:
            return await self._create(request)
        kind, rest = parts[0].removesuffix("s"), parts[1:]
        name = "/".join(rest[:2])
        if not rest:
            return _not_found("no such call", "EntryNotFound")
        if rest[0] in self.moved:
            there = f"/api/{parts[0]}/{self.moved[rest[0]]}"
            return Response(status_code=307, headers={"Location": "/".join([there, *rest[1:]])})
        repo = self.repos.get((kind, name))
        if repo is None or (repo.private and not self._authorised(request)):
            return _not_found("Repository not found", "RepoNotFound")
        verb, *more = rest[2:] or [""]
        if request.method == "POST" and verb in ("preupload", "commit"):
            if not self._authorised(request):
                return JSONResponse({"error": "You need to be authenticated"}, 401)
            body = await request.body()
            return self._preupload(repo, body) if verb == "preupload" else self._commit(repo, more[0], body)
        if request.method == "POST" and verb == "branch":
            there = more[0] in repo.branches
            repo.branches.setdefault(more[0], [repo.head])
            return JSONResponse({}, 409 if there else 200)
        commit = repo.at(more[0] if more else "main")
        if commit is None:
            return _not_found("Invalid rev id", "RevisionNotFound")
        if verb in ("", "revision"):
            return JSONResponse(_info(repo, commit))
        if verb == "tree":
            return self._tree(commit, "/".join(more[1:]), request.query_params.get("recursive") == "true")
        if verb == "paths-info":
            wanted = await _paths_of(request)
            return JSONResponse([_entry(path, commit.files[path]) for path in wanted if path in commit.files])
        return _not_found("no such call", "EntryNotFound")

    async def _create(self, request: Request) -> Response:
        if not self._authorised(request):
            return JSONResponse({"error": "Invalid username or password."}, 401)
        asked = await request.json()
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        kind = asked.get("type") or "model"
        there = {"url": f"{self.url}/{name}", "name": name, "id": name}
        if (kind, name) in self.repos:
            return JSONResponse({"error": "You already created this repo", **there}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repo = self.repos[kind, name] = Repo(kind, name, private)
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, message="initial commit")
        return JSONResponse(there)

    def _preupload(self, repo: Repo, body: bytes) -> Response:
        held = repo.head.files
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": _oid(file["path"], held[file["path"]]) if file["path"] in held else None,
            }
            for file in json.loads(body)["files"]
        ]
        return JSONResponse({"files": files})

    def _commit(self, repo: Repo, branch: str, body: bytes) -> Response:
        files, message = dict(repo.branches[branch][-1].files), ""
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                message = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        made = repo.commit(files, message=message, branch=branch)
        url = f"{self.url}/{repo.name}/commit/{made.oid}"
        return JSONResponse({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})

    async def _lfs_batch(self, request: Request) -> Response:
        objects = []
        for item in (await request.json())["objects"]:
            there = {"href": f"{self.url}/lfs/{item['oid']}"}
            new = item["oid"] not in self.blobs
            actions = {"actions": {"upload": there, "verify": there}} if new else {}
            objects.append({"oid": item["oid"], "size": item["size"], **actions})
        return JSONResponse({"transfer": "basic", "objects": objects})

    async def _lfs_object(self, request: Request, oid: str) -> Response:
        if request.method == "PUT":
            body = await request.body()
            if hashlib.sha256(body).hexdigest() != oid:
                return JSONResponse({"error": "the content is not what was announced"}, 400)
            self.blobs[oid] = body
        return JSONResponse({}, 200 if oid in self.blobs else 404)

    def _tree(self, commit: Commit, folder: str, recursive: bool) -> Response:
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, Any] = {}
        for path, content in commit.files.items():
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                name = prefix + "/".join(parts[:depth])
                oid = hashlib.sha1(name.encode()).hexdigest()
                entries[name] = {"type": "directory", "path": name, "oid": oid, "size": 0}
            if recursive or len(parts) == 1:
                entries[path] = _entry(path, content)
        if not entries:
            return _not_found("no such folder", "EntryNotFound")
        return JSONResponse(list(entries.values()))

    def _resolve(self, request: Request, parts: list[str]) -> Response:
        kind = "dataset" if parts[0] == "datasets" else "model"
        rest = parts[1:] if kind == "dataset" else parts
        repo = self.repos.get((kind, "/".join(rest[:2])))
        if repo is None or (repo.private and not self._authorised(request)):
            return _not_found("Repository not found", "RepoNotFound")
        commit = repo.at(rest[3]) if rest[2:3] == ["resolve"] and len(rest) > 4 else None
        if commit is None:
            return _not_found("Invalid rev id", "RevisionNotFound")
        path = "/".join(rest[4:])
        content = commit.files.get(path)
        if content is None:
            return _not_found("Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.oid})
        headers = {
            "X-Repo-Commit": commit.oid,
            "ETag": f'"{_oid(path, content)}"',
            "Accept-Ranges": "bytes",
        }
        asked = request.headers.get("range")
        if asked is None:
            return Response(content, headers=headers, media_type="application/octet-stream")
        low, _, high = asked.removeprefix("bytes=").partition("-")
        first, last = int(low), min(int(high or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return Response(content[first : last + 1], 206, headers, "application/octet-stream")

    def _authorised(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {TOKEN}"


def _not_found(message: str, code: str, more: dict[str, str] | None = None) -> Response:
    headers = {"X-Error-Code": code, "X-Error-Message": message, **(more or {})}
    return JSONResponse({"error": message}, 404, headers=headers)


def _info(repo: Repo, commit: Commit) -> dict[str, Any]:
    return {
        "_id": commit.oid[:24],
        "id": repo.name,
        "modelId": repo.name,
        "author": repo.name.split("/")[0],
        "sha": commit.oid,
        "private": repo.private,
        "disabled": False,
        "gated": False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": [{"rfilename": path} for path in commit.files],
    }


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
    if _is_large(path):
        entry["lfs"] = {"oid": _oid(path, content), "size": len(content), "pointerSize": 134}
    return entry


async def _paths_of(request: Request) -> list[str]:
    if "json" in request.headers.get("content-type", ""):
        paths = (await request.json())["paths"]
    else:
        from urllib.parse import parse_qs

        paths = parse_qs((await request.body()).decode())["paths"]
    return [paths] if isinstance(paths, str) else list(paths)


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".parquet"))


def _oid(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if _is_large(path) else _git_oid(content)


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
