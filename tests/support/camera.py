"""An RTSP camera over TCP: a video track without data, and sound."""

from __future__ import annotations

import socketserver
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_PACKET_S = 0.02
_PACKET = bytes(160)  # of G.711: 20 ms at 8 kHz, all at the same loud level


class Camera:
    """A server of one stream on a free port; `tracks` are those that clients requested."""

    def __init__(self, *, sound: bool = True) -> None:
        """Take whether there is sound beside the video."""
        self.tracks: list[str] = []
        self._sound = sound
        self._closing = threading.Event()
        camera = self

        class Client(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                camera._serve(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Client)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """The address of the stream."""
        return f"rtsp://127.0.0.1:{self._server.server_address[1]}/live"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, client: socketserver.StreamRequestHandler) -> None:
        while line := client.rfile.readline().decode().strip():
            verb, where, _ = line.split()
            headers = dict(
                header.split(": ", 1) for header in iter(lambda: client.rfile.readline().decode().strip(), "")
            )
            answer, body = {"CSeq": headers["CSeq"]}, ""
            if verb == "OPTIONS":
                answer["Public"] = "DESCRIBE, SETUP, PLAY, TEARDOWN"
            elif verb == "DESCRIBE":
                answer |= {"Content-Type": "application/sdp", "Content-Base": self.url + "/"}
                body = self._description()
            elif verb == "SETUP":
                self.tracks.append(where.rpartition("/")[2])
                answer |= {"Session": "1", "Transport": headers["Transport"]}
            text = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
            client.wfile.write(f"RTSP/1.0 200 OK\r\n{text}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            if verb == "PLAY" and "audio" in self.tracks:
                self._play(client, channel=2 * self.tracks.index("audio"))
                return

    def _description(self) -> str:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        lines += ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=control:video"]
        if self._sound:
            lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:audio"]
        return "\r\n".join([*lines, ""])

    def _play(self, client: socketserver.StreamRequestHandler, channel: int) -> None:
        number = 0
        try:
            while not self._closing.wait(_PACKET_S):
                head = struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * len(_PACKET), 1)
                client.wfile.write(struct.pack(">cBH", b"$", channel, len(head + _PACKET)) + head + _PACKET)
                number += 1
        except OSError:
            return
