"""The names of users in the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Records that are there already keep the subject alone."""
    op.add_column("audit_records", sa.Column("preferred_username", sa.String(), nullable=True))
