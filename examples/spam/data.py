"""Write the messages beside the loop file: python examples/spam/data.py"""

from pathlib import Path

from everloop import datasets
from everloop.errors import EverloopError

if __name__ == "__main__":
    path = Path(__file__).with_name("mail.parquet")
    try:
        messages = datasets.mail(print)
    except EverloopError as error:
        raise SystemExit(str(error)) from None
    messages.write_parquet(path)
    print(f"{messages.height:,} messages in {path.name}; next: everloop run --dir {path.parent}")
