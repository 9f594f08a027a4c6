"""Write the digits beside the loop file: python examples/rnn/data.py"""

from pathlib import Path

import polars as pl
from sklearn.datasets import load_digits


def digits() -> pl.DataFrame:
    """1,797 handwritten digits (UCI), each a sequence of eight rows of eight pixels."""
    data = load_digits()
    return pl.DataFrame({"rows": data.images.tolist(), "digit": data.target})


if __name__ == "__main__":
    path = Path(__file__).with_name("digits.parquet")
    digits().write_parquet(path)
    print(f"1,797 digits in {path.name}; next: everloop run --dir {path.parent}")
