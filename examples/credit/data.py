"""Write the loans beside the loop file: python examples/credit/data.py"""

from pathlib import Path

from everloop import datasets
from everloop.errors import EverloopError

if __name__ == "__main__":
    path = Path(__file__).with_name("credit.parquet")
    try:
        loans = datasets.credit(print)
    except EverloopError as error:
        raise SystemExit(str(error)) from None
    loans.write_parquet(path)
    print(f"{loans.height:,} loans in {path.name}; next: everloop run --dir {path.parent}")
