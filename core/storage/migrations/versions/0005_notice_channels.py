"""notice channels"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "notice_channels",
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sealed_address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_notice_channels_team_id_teams"),
        sa.PrimaryKeyConstraint("channel_id", name="pk_notice_channels"),
    )
    op.create_index("uq_notice_channels_name", "notice_channels", ["team_id", "name"], unique=True)
    op.create_table(
        "notices",
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["notice_channels.channel_id"], name="fk_notices_channel_id_notice_channels"
        ),
        sa.PrimaryKeyConstraint("channel_id", "subject_id", name="pk_notices"),
    )
