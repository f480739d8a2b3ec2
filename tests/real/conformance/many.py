"""Many connections at once, as a program of its own: IDLE of them do nothing, BUSY of them write and read, and afterwards all are
asked whether they are still there. Prints how many answers there were.

python -m tests.real.conformance.many IDLE BUSY TRANSACTIONS     (where: libpq's variables)
"""

import asyncio
import sys

import psycopg

AT_ONCE = 20
"""Connections opened at the same time: servers queue only so many."""


async def main(idle: int, busy: int, transactions: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def connect() -> psycopg.AsyncConnection[tuple[int]]:
        async with gate:
            return await psycopg.AsyncConnection.connect(autocommit=True)

    async def work(number: int, connection: psycopg.AsyncConnection[tuple[int]]) -> int:
        done = 0
        for turn in range(transactions):
            async with connection.transaction():
                await connection.execute("INSERT INTO work VALUES (%s, %s)", (number, turn))
                found = await connection.execute("SELECT count(*) FROM work WHERE who = %s", (number,))
            row = await found.fetchone()
            assert row == (turn + 1,), row
            done += 1
        return done

    waiting = await asyncio.gather(*(connect() for _ in range(idle)))
    working = await asyncio.gather(*(connect() for _ in range(busy)))
    done = await asyncio.gather(*(work(n, connection) for n, connection in enumerate(working)))
    alive = 0
    for connection in (*waiting, *working):
        row = await (await connection.execute("SELECT 1")).fetchone()
        alive += row == (1,)
        await connection.close()
    print(sum(done), alive)


if __name__ == "__main__":
    asyncio.run(main(*(int(word) for word in sys.argv[1:4])))
