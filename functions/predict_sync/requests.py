"""What predict-sync is asked and what it tells of its model."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from matchcast.domain.forecast import Reference
from matchcast.usecases.champion import Champion
from matchcast.usecases.predict import Pairing
from matchcast.web.instants import KickoffField
from matchcast.web.replies import Reply, RunId, Share

Name = Annotated[str, Field(min_length=1, max_length=200)]
_PAIRING = ("home_team", "away_team", "tournament", "kickoff_at")


class PredictRequest(BaseModel):
    """`match_id` of a known fixture, or two clubs, tournament and kick-off."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "home_team": "Arsenal",
                    "away_team": "Chelsea",
                    "tournament": "Premier League",
                    "kickoff_at": "2025-08-16T14:00:00Z",
                },
                {"match_id": 5312459872401, "explain": True, "interval": True},
            ]
        },
    )

    match_id: Annotated[int, Field(strict=True, ge=0, lt=2**53)] | None = None
    home_team: Name | None = None
    away_team: Name | None = None
    tournament: Name | None = None
    kickoff_at: Annotated[
        KickoffField | None, Field(description="an instant, or the day (UTC) where the time is not known")
    ] = None
    season: Annotated[int, Field(strict=True, ge=1870, le=2200)] | None = None
    fair_odds: Annotated[bool, Field(strict=True, description="answer with the forecast's fair odds too")] = False
    explain: Annotated[
        bool, Field(strict=True, description="answer with what each family of features did to the forecast too")
    ] = False
    interval: Annotated[bool, Field(strict=True, description="answer with how far each probability may be off too")] = (
        False
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        given = [name for name in (*_PAIRING, "season") if getattr(self, name) is not None]
        if self.match_id is not None and given:
            raise ValueError(f"match_id says it all: leave out {', '.join(given)}")
        lacking = [name for name in _PAIRING if name not in given]
        if self.match_id is None and lacking:
            raise ValueError(
                f"give match_id, or home_team, away_team, tournament and kickoff_at; add {', '.join(lacking)}"
            )
        return self

    def asked(self) -> int | Pairing:
        """As the use case takes it."""
        if self.match_id is not None:
            return self.match_id
        assert self.home_team and self.away_team and self.tournament and self.kickoff_at
        at, known = self.kickoff_at
        return Pairing(self.home_team, self.away_team, self.tournament, at, self.season, known)


class IntervalInfo(Reply):
    """How the model's intervals were calibrated, and how often they held on `measured_on` other matches."""

    level: Share
    reference: Reference
    matches: int
    coverage: Share
    measured_on: int


class ModelReply(Reply):
    """The model in use. Instants are ISO 8601 in UTC."""

    name: str
    version: str
    run_id: RunId
    aliases: list[str]
    trained_from: str
    trained_until: str
    registered_at: str
    promoted_at: str
    data_version: str
    code_revision: str
    features: int
    metrics: dict[str, float]
    interval: IntervalInfo | None
    loaded: bool


def model_reply(champion: Champion) -> ModelReply:
    """What is known of the champion."""
    bundle, pointer = champion
    return ModelReply(
        name="matchcast",
        version=bundle.version,
        run_id=bundle.run_id,
        aliases=["champion"],
        trained_from=bundle.manifest.trained_from,
        trained_until=bundle.manifest.trained_until,
        registered_at=pointer.registered_at,
        promoted_at=pointer.promoted_at,
        data_version=bundle.manifest.data_version,
        code_revision=bundle.manifest.code_revision,
        features=len(bundle.contract.features),
        metrics=bundle.metrics,
        interval=None
        if bundle.interval is None
        else IntervalInfo.model_validate(bundle.interval, from_attributes=True),
        loaded=True,
    )
