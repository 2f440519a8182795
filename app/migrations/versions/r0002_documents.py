"""Documents that admins send instead of an address."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Keep uploaded documents."""
    op.add_column("sources", sa.Column("uploaded", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "source_documents",
        sa.Column("source_id", sa.String(), sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
