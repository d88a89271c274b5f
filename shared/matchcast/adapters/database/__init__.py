"""The database, SQLite or PostgreSQL by URL.

tables      what is stored
engine      connections, transactions and what their errors mean
patience    how long the database is waited for
migrate     bringing a database to the tables of this version (needs Alembic; not for serving)
bulk        many rows in, fast, on either database
matches     lists of matches (serving)
match_store loads of matches, stats, odds and clubs
ledger      the chain of forecasts (serving)
api_keys    keys of clients (serving)
contents    everything, for exports
"""
