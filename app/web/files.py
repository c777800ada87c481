"""What is sent and taken as files: the page's scripts, previews, clips to download, saves to upload."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from engine.errors import ReverieError
from engine.server.errors import ServerError

if TYPE_CHECKING:
    from engine.server.hub import Hub

STATIC = Path(__file__).parent / "static"
KEY_HEADER = "X-Reverie-Key"
STATUS = {"unknown_session": 404, "unknown_world": 404, "too_large": 413, "rate": 429, "full": 503, "memory": 507}
"""HTTP status of errors with a code; 400 for the others."""
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Told by name, since what a machine knows of types differs, and browsers run no module of another type."""


def plotting_library() -> Path | None:
    """The script of the package plotly, found without importing it; None where it is not installed."""
    spec = find_spec("plotly")
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js" if spec and spec.origin else None
    return path if path is not None and path.is_file() else None


class PageFiles(StaticFiles):
    """The page's own files, asked for again each time (by their ETag), so that an update is seen at once."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        kind = TYPES.get(Path(full_path).suffix)
        response: Response = FileResponse(full_path, status_code, stat_result=stat_result, media_type=kind)
        response.headers["Cache-Control"] = "no-cache"
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            kept = {name: response.headers[name] for name in ("etag", "last-modified", "cache-control")}
            return Response(status_code=304, headers=kept)
        return response


def add_files(app: FastAPI, hub: Hub) -> None:
    """The routes of everything that is a file."""

    @app.get("/static/plotly.min.js")
    def plotting() -> Response:
        path = plotting_library()
        if path is None:
            raise HTTPException(404, "got no plotting library, expected the package plotly; pip install plotly")
        return FileResponse(path, media_type=TYPES[".js"], headers={"Cache-Control": "no-cache"})

    app.mount("/static", PageFiles(directory=STATIC, check_dir=False), name="static")

    @app.get("/api/worlds/{name}/preview.gif")
    def preview(name: str) -> Response:
        try:
            path = hub.shelf.listing(name).preview
        except ServerError as error:
            return told(error.code, str(error))
        if path is None or not path.is_file():
            raise HTTPException(404, f"world {name}: got no preview")
        return FileResponse(path, media_type="image/gif", headers={"Cache-Control": "no-cache"})

    @app.get("/api/files/{token}/{name}")
    def download(token: str, name: str) -> Response:
        path = hub.file(token)
        if path is None or path.name != name or not path.is_file():
            raise HTTPException(404, "got the address of a file that is not, or no longer, here; ask for it again")
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, no-store"})

    taking: set[str] = set()

    @app.post("/api/sessions/{session}/save")
    async def upload(session: str, request: Request) -> Response:
        try:
            return JSONResponse(await take_save(hub, session, request, taking))
        except ServerError as error:
            return told(error.code, str(error))
        except ReverieError as error:
            return told("bad_value", str(error))


async def take_save(hub: Hub, session: str, request: Request, taking: set[str]) -> dict[str, Any]:
    """Put an uploaded save in force in a session, whose key the request must know. Answers what the session says.

    taking: the sessions for which one is on its way: one at a time each, as they fill the disk meanwhile.
    """
    guest = hub.guest(session, request.headers.get(KEY_HEADER, ""))
    if session in taking:
        raise ServerError("rate", "save: got a second one while the first is on its way; wait for it")
    taking.add(session)
    try:
        with tempfile.TemporaryDirectory(prefix="reverie-save-") as folder:
            path = Path(folder) / "upload.save"
            await write_body(request, path, round(hub.limits.upload_mb * 2**20))
            value = await run_in_threadpool(guest.load_save, path)
    finally:
        taking.discard(session)
    return {"ok": True, "value": value}


async def write_body(request: Request, path: Path, most: int) -> None:
    """Stream a request's body, or the one file of a multipart form, into a file of at most ``most`` bytes.

    Raises ServerError: too_large, bad_value (nothing came).
    """
    size = 0
    with path.open("wb") as file:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=1, max_fields=4) as form:
                for part in form.values():
                    while not isinstance(part, str) and size <= most and (data := await part.read(2**16)):
                        size += file.write(data)
        else:
            async for data in request.stream():
                size += file.write(data)
                if size > most:
                    break
    if size > most:
        raise ServerError("too_large", f"save: got more than {most} bytes, expected no more")
    if size == 0:
        raise ServerError("bad_value", "save: got an empty body, expected a save file")


def told(code: str, message: str) -> Response:
    error = {"code": code, "message": message}
    return JSONResponse({"ok": False, "error": error}, STATUS.get(code, 400))
