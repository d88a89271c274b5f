"""Features as one forward pass over matches in time.

`layout` says where everything stands in the state vectors; `elo`, `pi`, `goals`, `gap`, `form`, `league` hold one kind of
knowledge each; `reading` and `updating` put them together as `read` and `update`: the fold. These modules are plain
Python over sequences of floats and use exactly rounded operations only (+ - * / and comparisons; `arithmetic` builds
exp and log from them), so the same source gives the same bits whether numba compiled it (`compiled`, for whole tables)
or not (`online`, for one fixture while serving). `contract` names the columns; `columns` and `state` are the pass's
input and its final state.
"""
