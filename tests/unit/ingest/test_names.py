"""How names of clubs are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.domain.names import fold_name, normalise_team_name, team_slug


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1. FC Köln", "FC Koln"),
        ("Bologna FC 1909", "Bologna"),
        ("Nott'm Forest", "NOTTM  FOREST"),
        ("King\u0092s Lynn", "King's Lynn"),
        ("Brighton & Hove Albion FC", "Brighton and Hove Albion"),
        ("AS Saint-Étienne", "Saint Etienne"),
        ("SpVgg Greuther Fürth", "spvgg greuther furth"),
        ("Bodø/Glimt", "Bodo Glimt"),
        ("Fußball", "fussball"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    assert normalise_team_name(one) == normalise_team_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Barcelona", "Barcelona B"),
        ("Granada", "Granada 74"),
        ("Bayern Munich", "Bayern Munich II"),
        ("Inter", "Inter Turku"),
    ],
)
def test_names_of_two_clubs_are_not(one: str, other: str) -> None:
    assert normalise_team_name(one) != normalise_team_name(other)


def test_a_name_of_club_tokens_only_stays() -> None:
    assert normalise_team_name("AFC") == "afc"


@given(st.text(max_size=40))
def test_comparing_again_changes_nothing(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)
    assert normalise_team_name(normalise_team_name(name)) == normalise_team_name(name)
    assert team_slug(name)
