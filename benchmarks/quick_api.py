"""A quick stand-in for SendGrid's API, for measuring only: it reads and parses each call.

It runs in a process of its own, answers 202 with a name for the call, and counts recipients. The
tests' fake is strict and slow; this one must not be what limits either side.
"""

from __future__ import annotations

import json
import socket
import threading


def _serve(line: socket.socket, number: int) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    left = b""
    while True:
        while b"\r\n\r\n" not in left:
            data = line.recv(262_144)
            if not data:
                return
            left += data
        head, _, body = left.partition(b"\r\n\r\n")
        lowered = head.lower()
        length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        parts, size = [body], len(body)
        while size < length:
            data = line.recv(262_144)
            if not data:
                return
            parts.append(data)
            size += len(data)
        people = json.loads(b"".join(parts))["personalizations"]
        left = b""
        closing = b"connection: close" in lowered
        line.sendall(
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n"
            + (b"Connection: close\r\n" if closing else b"")
            + f"X-Message-Id: call-{number}-{len(people)}\r\n\r\n".encode()
        )
        if closing:
            line.close()
            return


def main() -> None:
    """Serve until killed; the port is printed first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        number = 0
        while True:
            line, _ = server.accept()
            number += 1
            threading.Thread(target=_serve, args=(line, number), daemon=True).start()


if __name__ == "__main__":
    main()
