"""Write the pictures beside the loop file: python examples/fashion_mnist/data.py"""

from pathlib import Path

from everloop import datasets

if __name__ == "__main__":
    path = Path(__file__).with_name("clothes.parquet")
    clothes = datasets.fashion_mnist(print).drop("part")
    clothes.write_parquet(path)
    print(f"{clothes.height:,} pictures in {path.name}; next: everloop run --dir {path.parent}")
