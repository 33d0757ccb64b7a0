"""The database's history, one Alembic revision per file under ``versions``. ``Store.open`` runs them."""
