"""Sources with their operations, the origins of audiences, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    _create_sources()
    _create_parts_of_sources()
    _create_audit()


def _create_sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("slug", sa.String(), nullable=False, unique=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("source_type", sa.String(), nullable=False),
        sa.Column("default_audience", sa.String(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("stated_base_url", sa.String(), nullable=True),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("allowed_roles", sa.JSON(), nullable=False),
        sa.Column("required_scopes", sa.JSON(), nullable=False),
        sa.Column("stated_auth_type", sa.String(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("degraded", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
    )


def _create_parts_of_sources() -> None:
    owner = sa.ForeignKey("sources.id", ondelete="CASCADE")
    op.create_table(
        "operations",
        sa.Column("source_id", sa.String(), owner, primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
    )
    op.create_table(
        "source_reports",
        sa.Column("source_id", sa.String(), sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("items", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "audience_origins",
        sa.Column("audience", sa.String(), primary_key=True),
        sa.Column("origin", sa.String(), primary_key=True),
    )


def _create_audit() -> None:
    text = [
        "door",
        "subject",
        "client_id",
        "token_id",
        "exchanged_token_id",
        "source",
        "tool",
        "audience",
        "trace_id",
        "detail",
    ]
    op.create_table(
        "audit_records",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in text),
        sa.Column("passthrough", sa.Boolean(), nullable=False),
        sa.Column("upstream_status", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=True),
    )
