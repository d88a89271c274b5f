"""The champion's reference: the feature rows it was last trained on, as a Parquet file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matchcast.errors import BundleBroken


def read_reference(content: bytes, names: Sequence[str]) -> NDArray[np.float64]:
    """Feature rows, shape (n, names), NaN where unknown.

    Raises:
        BundleBroken: the file is damaged, or is another model's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content), columns=list(names))
        columns = [table[name].cast(pa.float64()).to_numpy() for name in names]
    except (pa.ArrowException, OSError, KeyError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BundleBroken(
            f"the reference features beside the champion cannot be read ({said}): "
            "run `matchcast promote VERSION` with the champion's version again"
        ) from error
    return np.column_stack(columns)
