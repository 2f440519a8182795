"""The form of schemas in lists, of each source."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Sources that are there already have the default."""
    op.add_column("sources", sa.Column("schema_profile", sa.String(), nullable=False, server_default="portable"))
