"""What several threads want at once is done in one go."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final, Generic, TypeVar

from matchcast.errors import MatchcastError

One = TypeVar("One")
Answer = TypeVar("Answer")

MOST: Final = 64


class Together(Generic[One, Answer]):
    """Does what waits while the batch before is being done; whoever comes alone is done alone and at once.

    A batch that fails says nothing of its members: each is then done alone, in its own thread.

    Args:
        do: a batch, all or nothing; for each member its answer or its own error.
        key: no two with the same are done in one batch.
    """

    def __init__(
        self, do: Callable[[Sequence[One]], Sequence[Answer | MatchcastError]], key: Callable[[One], Hashable]
    ) -> None:
        self._do = do
        self._key = key
        self._lock = Lock()
        self._waiting: list[_Place[One, Answer]] = []
        self._led = False

    def __call__(self, one: One) -> Answer:
        """
        Raises:
            MatchcastError: as `do` does, or says of this one.
        """
        place = _Place[One, Answer](one)
        with self._lock:
            self._waiting.append(place)
            if not self._led:
                self._appoint()
        place.called.wait()
        if place.leads:
            self._lead()
        (answer,) = place.answers or self._do([one])
        if isinstance(answer, MatchcastError):
            raise answer
        return answer

    def _lead(self) -> None:
        batch = self._batch()
        try:
            answers = self._do([place.one for place in batch])
            for place, answer in zip(batch, answers, strict=True):
                place.answers = (answer,)
        except Exception:
            if len(batch) == 1:
                raise
        finally:
            with self._lock:
                self._appoint()
            for place in batch:
                place.called.set()

    def _batch(self) -> "list[_Place[One, Answer]]":
        """From those that wait, the leader first."""
        batch: dict[Hashable, _Place[One, Answer]] = {}
        left = []
        with self._lock:
            for place in self._waiting:
                key = self._key(place.one)
                if len(batch) == MOST or key in batch:
                    left.append(place)
                else:
                    batch[key] = place
            self._waiting = left
        return list(batch.values())

    def _appoint(self) -> None:
        """Let the first that waits lead the next batch."""
        self._led = bool(self._waiting)
        if self._led:
            self._waiting[0].leads = True
            self._waiting[0].called.set()


@dataclass
class _Place(Generic[One, Answer]):
    one: One
    leads: bool = False
    called: Event = field(default_factory=Event)
    answers: tuple[Answer | MatchcastError, ...] = ()
