"""What an admin chose of a source's operations, and what they say of single tools."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Sources that are there already show everything, as the document has it."""
    op.add_column("sources", sa.Column("selection", sa.JSON(), nullable=False, server_default="{}"))
    for name in ("overrides", "unmatched_overrides"):
        op.add_column("sources", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
