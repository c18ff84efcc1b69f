"""How the page is served: its look, to whom it answers, what it refuses."""

import os
import socket
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from seqgen.errors import UsageError

DEFAULT_PORT = 7860
MAX_REQUEST_BYTES = 64 * 1024
POLICY = (  # the browser talks to this server alone, whatever a model card holds
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    b"worker-src 'self' blob:; object-src 'none'; base-uri 'self'"
)
THEME = gr.themes.Soft(  # fonts of the reader's system: nothing is fetched
    primary_hue="indigo",
    font=["ui-sans-serif", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
CSS = """
.gradio-container { width: 100% !important; max-width: 1100px !important; }
.gradio-container { margin: 0 auto !important; }
#title h1 { font-size: 1.6rem; font-weight: 650; margin: .4rem 0 .1rem; }
#title p { opacity: .7; margin: 0; }
#text textarea, #translation textarea { min-height: 4.2rem; }
.beam:has(input:disabled) > * { opacity: .6; }
#hypotheses { overflow-x: auto; max-width: calc(100vw - 4rem); }
#hypotheses > * { min-width: 40rem; }
#attention img { zoom: .5; width: auto; max-width: 100%; margin: 0 auto; }
"""


def serve(page: gr.Blocks, host: str, port: int, share: bool = False) -> str:
    """The address at which `page` answers from now on, in threads of its own."""
    free = free_port(host, port)
    try:
        _, local, public = page.launch(
            server_name=host,
            server_port=free,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            theme=THEME,
            css=CSS,
            max_threads=4,
            max_file_size=0,
            allowed_paths=[],
            blocked_paths=["/"],
            show_error=False,
            strict_cors=True,
            enable_monitoring=False,
            footer_links=["api"],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            app_kwargs={"middleware": [Middleware(Guard)]},
        )
    except OSError as error:
        raise UsageError(f"{host}:{free}: {error}; choose another --port") from error
    return public or local


def free_port(host: str, port: int) -> int:
    """The port, if nothing listens there; for the default and for 0, the next that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    fault = ""
    for candidate in range(port, port + (20 if port == DEFAULT_PORT else 1)):
        try:
            with socket.create_server((host, candidate), family=family) as server:
                return int(server.getsockname()[1])
        except OSError as error:
            fault = error.strerror or str(error)
    raise UsageError(f"{host}:{port}: {fault}; choose another --port or --host")


class Guard:
    """An ASGI layer that refuses large requests and tells browsers to ask no other server."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The answer of the app behind it, or a refusal."""

        async def guarded(message: Any) -> None:
            # On a Space the page lies in a frame whose script comes from elsewhere.
            if message["type"] == "http.response.start" and "SPACE_ID" not in os.environ:
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY),
                ]
            await send(message)

        if scope["type"] == "http" and too_large(scope):
            refusal = PlainTextResponse(f"at most {MAX_REQUEST_BYTES} bytes\n", status_code=413)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, guarded)


def too_large(scope: Any) -> bool:
    """Whether a request says that it is, or is sent in chunks and so does not say."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    chunked = b"transfer-encoding" in headers
    return chunked or not length.isdigit() or int(length) > MAX_REQUEST_BYTES
