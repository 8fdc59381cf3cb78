"""A server of the Model Context Protocol with two tools, by the official SDK in either major version.

Over standard input and output, or with a port as its argument over HTTP at that port of loopback.
"""

import sys
from importlib.metadata import version

NEWER = int(version("mcp").split(".")[0]) >= 2
port = int(sys.argv[1]) if len(sys.argv) > 1 else None

if NEWER:
    from mcp.server import MCPServer

    server = MCPServer("pantry")
else:
    from mcp.server.fastmcp import FastMCP

    server = FastMCP("pantry", host="127.0.0.1", port=port or 0)


@server.tool()
def count_jars(shelf: str) -> int:
    """How many jars stand on a shelf."""
    return len(shelf)


@server.tool()
def find_jam(kind: str) -> str:
    """Where the jam of this kind is."""
    return f"{kind} is gone"


if port is None:
    server.run(transport="stdio")
elif NEWER:
    server.run(transport="streamable-http", host="127.0.0.1", port=port)
else:
    server.run(transport="streamable-http")
