"""Groups of correlations without case."""

import hashlib

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_FIND = sa.text("SELECT DISTINCT group_sha256, group_values FROM matches")
_MOVE = sa.text(
    "UPDATE matches SET group_sha256 = :now WHERE group_sha256 = :before AND NOT EXISTS (SELECT 1 FROM matches other "
    "WHERE other.organization = matches.organization AND other.correlation = matches.correlation "
    "AND other.rule = matches.rule AND other.event_id = matches.event_id AND other.group_sha256 = :now)"
)


def upgrade() -> None:
    """Find kept matches by the hash of their group without case: what was told draws in what belongs to it still."""
    connection = op.get_bind()
    for before, values in connection.execute(_FIND).all():
        folded = [each.casefold() for each in msgspec.json.decode(values)]
        now = hashlib.sha256(msgspec.json.encode(folded)).hexdigest()
        if now != before:
            connection.execute(_MOVE, {"before": before, "now": now})
