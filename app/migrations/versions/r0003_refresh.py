"""Refreshes on a schedule, what they changed and why they failed; other servers of a source."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("sources", sa.Column("other_servers", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("sources", sa.Column("refresh_every", sa.Integer(), nullable=True))
    op.add_column("sources", sa.Column("refresh_error", sa.JSON(), nullable=True))
    op.add_column("sources", sa.Column("fingerprint", sa.JSON(), nullable=True))
    op.add_column("source_reports", sa.Column("changes", sa.LargeBinary(), nullable=True))
