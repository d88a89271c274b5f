"""The loop of the forward pass: reads and updates merged by time."""

from typing import Any

from matchcast.features.league import enter, has_entered
from matchcast.features.reading import read
from matchcast.features.updating import update


def forward(
    home: Any, away: Any, home_seat: Any, away_seat: Any, league: Any, pair: Any, first: Any, season: Any,
    kickoff: Any, home_goals: Any, away_goals: Any, stats: Any, as_of: Any, known_at: Any, reads: Any, updates: Any,
    program: Any, teams: Any, seats: Any, leagues: Any, pairs: Any, quantities: Any, entered: Any, entered_seats: Any,
    row: Any, rows: Any,
) -> None:  # fmt: skip
    """Walk through `reads` (by as_of) and `updates` (by known_at); a result is in a row if known at or before its as_of.

    All arguments are arrays as `compiled.run_pass` prepares them; teams, seats, leagues, pairs and rows are written.
    Clubs that have not entered the season of a match to read do so on a copy: reading changes nothing.
    """
    done = 0
    for i in reads:
        while done < len(updates) and known_at[updates[done]] <= as_of[i]:
            u = updates[done]
            update(
                teams[home[u]], teams[away[u]], seats[home_seat[u]], seats[away_seat[u]], leagues[league[u]],
                pairs[pair[u]], first[u], season[u], kickoff[u], home_goals[u], away_goals[u], stats[u],
            )  # fmt: skip
            done += 1
        home_team, home_place = teams[home[i]], seats[home_seat[i]]
        if not has_entered(home_team, home_place, season[i]):
            entered[0, :] = home_team
            entered_seats[0, :] = home_place
            enter(entered[0], entered_seats[0], leagues[league[i]], season[i])
            home_team, home_place = entered[0], entered_seats[0]
        away_team, away_place = teams[away[i]], seats[away_seat[i]]
        if not has_entered(away_team, away_place, season[i]):
            entered[1, :] = away_team
            entered_seats[1, :] = away_place
            enter(entered[1], entered_seats[1], leagues[league[i]], season[i])
            away_team, away_place = entered[1], entered_seats[1]
        read(
            home_team, away_team, home_place, away_place, leagues[league[i]], pairs[pair[i]], first[i], season[i],
            kickoff[i], program, quantities, row,
        )  # fmt: skip
        for f in range(len(row)):
            rows[i, f] = row[f]
    while done < len(updates):
        u = updates[done]
        update(
            teams[home[u]], teams[away[u]], seats[home_seat[u]], seats[away_seat[u]], leagues[league[u]],
            pairs[pair[u]], first[u], season[u], kickoff[u], home_goals[u], away_goals[u], stats[u],
        )  # fmt: skip
        done += 1
