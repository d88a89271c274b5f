"""Announces a new champion when MinIO tells of one."""
