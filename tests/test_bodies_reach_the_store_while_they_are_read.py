"""Staging: bodies of many walks at once, a store that fails, and nothing that stays in memory."""

import asyncio

import pytest
from sqlalchemy import text

from auditor.adminapi.resources import BY_NAME
from auditor.errors import StoreError
from auditor.inventory.bodies import Body, split
from auditor.jobs.staging import BATCH, Staging
from auditor.store import bodies
from auditor.store.database import Store

pytest_plugins = ["databases"]


def some(first: int, count: int) -> list[Body]:
    return [split(BY_NAME["role"], {"id": f"role_{n}", "name": "x" * (n % 50)}) for n in range(first, first + count)]


async def test_walks_that_bring_the_same_bodies_in_another_order_do_not_block_each_other(store: Store) -> None:
    pages = [some(place, 100) for place in range(0, 2 * BATCH, 100)]
    first, second = Staging(store, 100), Staging(store, 100)

    async def walk(staging: Staging, order: list[list[Body]]) -> None:
        for page in order:
            await staging.add(page)

    async with asyncio.TaskGroup() as group:
        for staging, order in ((first, pages), (first, pages[::-1]), (second, pages[::-1]), (second, pages)):
            group.create_task(walk(staging, order))
    await first.finish()
    await second.finish()

    everything = [body for page in pages for body in page]
    with store.transaction() as tx:
        found = bodies.contents(tx, {body.digest for body in everything})
    assert found == {body.digest: body.content for body in everything}


async def test_a_store_that_fails_is_told_at_the_end_and_stops_no_walk(store: Store) -> None:
    staging = Staging(store, 100)
    with store.transaction() as tx:
        tx.execute(text("ALTER TABLE bodies RENAME TO gone"))
    await staging.add(some(0, BATCH))
    await staging.add(some(BATCH, BATCH))
    with pytest.raises(StoreError):
        await staging.finish()
