"""Reading the audit log: a closed window of time, whole, in either stream."""

from collections.abc import AsyncIterator

from auditor.adminapi.client import AdminClient
from auditor.adminapi.paging import Page, follow
from auditor.adminapi.resources import AUDIT_LOG_PATH
from auditor.adminapi.resourcetypes import Paging
from auditor.terms import Stream


async def read(client: AdminClient, stream: Stream, since: int | None, until: int) -> AsyncIterator[Page]:
    """Pages of the events with `since` <= effective_at < `until` (Unix seconds), in no promised order.

    `since` None asks for all that the API keeps. The upper bound keeps the window still while it is walked. Types
    are never filtered on the server: the list of types grows. Raises ApiError.
    """
    params = [("limit", "100"), ("effective_at[lt]", str(until))]
    if since is not None:
        params.append(("effective_at[gte]", str(since)))
    if stream is Stream.TENANT:
        params.append(("tenant_only", "true"))
    first = await client.get(AUDIT_LOG_PATH, params)
    async for page in follow(client, AUDIT_LOG_PATH, Paging.LAST_ID, params, first.content, first.date):
        yield page
