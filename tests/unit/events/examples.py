"""One event of each type, as it may travel."""

from typing import Any, Final

PROBLEM: Final = {
    "type": "urn:matchcast:problem:unknown-team",
    "title": "Not Found",
    "status": 404,
    "detail": "home_team: no club of england goes by 'Arsenl'",
    "field": "home_team",
}
_DRIFT: Final = {
    "model_version": "123c493a9c741970",
    "score": 0.125,
    "threshold": 0.2,
    "columns": ["elo_home"],
    "prediction_score": 0.0,
    "matches": 412,
    "report_key": "drift/2025-03-01-ab/report.json",
    "html_key": "drift/2025-03-01-ab/report.html",
}
_PAIRING: Final = {
    "home_team": "Arsenal",
    "away_team": "Chelsea",
    "tournament": "england:premier-league",
    "kickoff_at": "2025-03-09T15:00:00Z",
    "kickoff_known": True,
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "scrape.requested": {
        "task_id": "t1",
        "source": "demo",
        "from": "2025-03-01",
        "to": "2025-03-07",
        "tournaments": ["england:premier-league"],
    },
    "matches.ingested": {
        "task_id": "t1",
        "source": "demo",
        "counts": {"inserted": 1, "updated": 2, "unchanged": 3, "rejected": 0},
        "finished": [1, 2],
        "upcoming": [3],
        "captures": ["captures/demo/2025-03-01/aa.gz"],
    },
    "scrape.failed": {"task_id": "t1", "source": "demo", "problem": PROBLEM},
    "workflow.failed": {"dag": "etl_livescores_01", "run": "manual__1", "task": "wait", "problem": PROBLEM},
    "prediction.requested": {"task_id": "t2", "fixture": _PAIRING, "model": "champion"},
    "prediction.completed": {
        "task_id": "t2",
        "forecast": {
            "forecast_id": 1,
            "match_id": 5312459872401,
            "tournament": "england:premier-league",
            "home_team": "england:arsenal",
            "away_team": "england:chelsea",
            "kickoff_at": "2025-03-09T15:00:00Z",
            "home": 0.5,
            "draw": 0.25,
            "away": 0.25,
            "model_version": "123c493a9c741970",
            "snapshot_hash": "17d70f5b",
            "as_of": "2025-03-01T09:00:00Z",
        },
    },
    "prediction.failed": {"task_id": "t2", "problem": PROBLEM},
    "forecasts.updated": {
        "snapshot_hash": "17d70f5b",
        "model_version": "123c493a9c741970",
        "count": 237,
        "recorded": 12,
        "key": "snapshots/17d70f5b.sqlite",
    },
    "forecasts.settled": {
        "matches": [1, 2],
        "corrected": [2],
        "scores": [{"days": 7, "matches": 2, "log_loss": 0.98, "rps": 0.2, "brier": 0.58}],
    },
    "model.promoted": {
        "version": "123c493a9c741970",
        "run_id": "2025-04-01-67cb0e646d79",
        "promoted_at": "2025-03-01T09:00:00Z",
        "reason": "hashes and golden rows agree",
    },
    "model.rejected": {"version": "123c493a9c741970", "reason": "golden row 3 differs"},
    "drift.checked": _DRIFT,
    "drift.detected": _DRIFT | {"score": 0.5},
    "event.rejected": {"parent_id": "1", "parent_source": "/x", "parent_type": "y", "problem": PROBLEM},
}
