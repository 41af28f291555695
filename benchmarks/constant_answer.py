"""The ceiling: our server and protocol class, with every price request answered by the same bytes, unread.

python -m benchmarks.constant_answer PORT WORKERS
"""

import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BODY = b'{"sku":"S00001","price":"10.00","padding":"' + b"x" * 260 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class ConstantProtocol(HttpToolsProtocol):
    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /api/v1/prices/"):
            self.transport.write(ANSWER)
        else:
            super().data_received(data)


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.constant_answer:application",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        loop="uvloop",
        http="benchmarks.constant_answer:ConstantProtocol",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
