"""What a first answer waits for: nothing heavy is imported before it."""

import json
import subprocess
import sys

import pytest

from tests.entrypoints import house
from tests.entrypoints.house import House

HEAVY = ("sqlalchemy", "psycopg", "redis", "pydantic", "fastapi", "alembic", "rapidfuzz", "matchcast.model.explain")
SCRIPT = """
import asyncio, importlib, json, os, sys
import httpx

async def first(function, method, path, body, key):
    app = importlib.import_module(f"functions.{function}.main").app(os.environ)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://matchcast") as client:
            return (await client.request(method, path, json=body, headers={"X-API-Key": key})).status_code

status = asyncio.run(first(*json.loads(sys.argv[1])))
print(json.dumps([status, [name for name in json.loads(sys.argv[2]) if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    ("function", "method", "path"), [("predict_sync", "POST", "/predict/"), ("lookup", "GET", "/predict/{match_id}")]
)
@pytest.mark.parametrize("shared", [{}, {"MATCHCAST_CACHE_URL": "redis://127.0.0.1:1"}])
def test_a_first_answer_imports_nothing_heavy(
    standing: House, function: str, method: str, path: str, shared: dict[str, str]
) -> None:
    """Also where instances share a Redis, whether it answers or not."""
    match_id = next(fixture.match_id for fixture in house.fixtures() if fixture.kickoff_at > house.NOW)
    body = {"match_id": match_id} if method == "POST" else None
    request = [function, method, path.format(match_id=match_id), body, standing.key("predict")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(request), json.dumps(HEAVY)],
        env={**standing.environment, **shared}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [200, []]
