"""A client of the Model Context Protocol, by the official SDK in either major version.

Takes one job as JSON: where to connect, and steps to do there. Prints one line of JSON: what came of it.
"""

import asyncio
import contextlib
import json
import sys
from importlib.metadata import version

NEWER = int(version("mcp").split(".")[0]) >= 2


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


@contextlib.asynccontextmanager
async def transport(job):
    if "url" in job:
        from mcp.client import streamable_http as http

        if hasattr(http, "streamable_http_client"):
            made = getattr(http, "httpx2", None) or getattr(http, "httpx", None)
            if made is None:
                import httpx as made
            async with made.AsyncClient(headers=job["headers"], timeout=60) as client:
                yield http.streamable_http_client(job["url"], http_client=client)
        else:
            yield http.streamablehttp_client(job["url"], headers=job["headers"])
    else:
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        yield stdio_client(StdioServerParameters(command=job["command"], args=job["args"], env=job["env"]))


@contextlib.asynccontextmanager
async def connected(job):
    async with transport(job) as carrier:
        if NEWER:
            from mcp import Client

            async with Client(carrier) as client:
                yield client, getattr(client, "protocol_version", None), plain(client.server_info)
        else:
            from mcp import ClientSession

            async with carrier as streams, ClientSession(streams[0], streams[1]) as session:
                hello = await session.initialize()
                yield session, hello.protocolVersion, plain(hello.serverInfo)


async def step(client, job):
    try:
        if job.get("list"):
            return plain(await client.list_tools())
        return plain(await client.call_tool(job["call"], job.get("arguments", {})))
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}


async def main(job):
    async with connected(job) as (client, protocol, server):
        results = [await step(client, one) for one in job["steps"]]
    print(json.dumps({"protocol": protocol, "server": server, "results": results}))


asyncio.run(main(json.loads(sys.argv[1])))
