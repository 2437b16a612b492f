"""The building of equipment; last troubles and answers of devices"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("equipment", sa.Column("building", sa.Text(), server_default=sa.text("('')"), nullable=False))
    op.add_column("device", sa.Column("recent", sa.JSON(), nullable=True))
    op.add_column("device", sa.Column("reads", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("device", "reads")
    op.drop_column("device", "recent")
    op.drop_column("equipment", "building")
