#!/usr/bin/env python3
"""A line of so many milliseconds for one round trip, and of any width: what comes in on one loopback
port goes out to another, each way after half of that. Usage: slow_line.py FROM TO MILLISECONDS"""
import asyncio
import sys

SOURCE, TARGET, DELAY = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 2000
MOST_CHUNKS = 256  # of 256 KiB, on their way at a time: a line must not hold what nobody reads


async def carry(reader, writer):
    """Bytes keep their distance to each other, so that delay costs no bandwidth."""
    loop = asyncio.get_running_loop()
    under_way = asyncio.Queue(MOST_CHUNKS)

    async def deliver():
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while not delivery.done():
            chunk = await reader.read(256 << 10)
            await under_way.put((loop.time() + DELAY, chunk))
            if not chunk:
                break
        await delivery
    except OSError:
        pass
    finally:
        delivery.cancel()
        writer.close()


async def serve(reader, writer):
    await asyncio.sleep(2 * DELAY)  # a connection begins with a round trip
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", TARGET)
    except OSError:
        writer.close()
        return
    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", SOURCE)
    async with server:
        await server.serve_forever()


asyncio.run(main())
