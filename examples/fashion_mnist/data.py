"""Write the pictures beside the loop file: python examples/fashion_mnist/data.py"""

from pathlib import Path

from everloop import datasets
from everloop.errors import EverloopError

if __name__ == "__main__":
    path = Path(__file__).with_name("clothes.parquet")
    try:
        clothes = datasets.fashion_mnist(print).drop("part")
    except EverloopError as error:
        raise SystemExit(str(error)) from None
    clothes.write_parquet(path)
    print(f"{clothes.height:,} pictures in {path.name}; next: everloop run --dir {path.parent}")
