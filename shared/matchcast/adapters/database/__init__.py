"""The database, SQLite or PostgreSQL by URL.

tables      what is stored
engine      connections, transactions and what their errors mean
light       connections by the driver alone, without SQLAlchemy (a first answer waits for nothing else)
light_ports keys and the ledger's end over it
faults      what errors mean, either way
patience    how long the database is waited for
migrate     bringing a database to the tables of this version (needs Alembic; not for serving)
bulk        many rows in, fast, on either database
matches     lists of matches (serving)
match_store loads of matches, stats, odds and clubs
records     rows of the two chains, for any driver (serving)
ledger      the chain of forecasts (serving)
chains      both chains as they are stored, to prove them
tasks       work accepted and done later, and its states
inbox       events handled, each with its reply, in the transaction of the effect
dead_letters events that could not be delivered
settlements the chain of forecasts that met their results
accuracy    settled forecasts, added up
prices      closing odds of settled matches
drift_reports what the daily checks found
captures    where raw answers of sources are kept
cool_downs  sources that turned us away
history     every match as columns, for the forward pass
turns       one at a time, over all instances
idempotent  answers kept for requests sent again (serving)
metric_totals what the metrics read, and counts kept for them (serving)
leftovers   what nobody asks for any more
api_keys    keys of clients (serving)
contents    everything, for exports
"""
