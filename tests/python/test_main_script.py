"""A program that is both: the main script here, a module in the processes of its worker."""

import os
import subprocess
import sys
from pathlib import Path

import millrace
import pytest

PROGRAM = """
import sys
from millrace import Millrace, Worker

app = Millrace("pay", store="pay.db", durability="process")

class PaymentError(Exception):
    class TooMuchError(Exception): ...

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code

@app.task
def pay(much):
    raise PaymentError.TooMuchError("too much") if much else PaymentError(7, "declined")

if __name__ == "__main__":
    with Worker(app, pool=sys.argv[1], concurrency=1):
        try:
            pay.delay(False).get(timeout=30)
        except PaymentError as error:
            print(error.code)
        try:
            pay.delay(True).get(timeout=30)
        except PaymentError.TooMuchError as error:
            print(error)
"""


@pytest.mark.parametrize("pool", ["processes", "threads"])
def test_exceptions_of_the_main_script_come_back(tmp_path, pool):
    (tmp_path / "shop_program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "shop_program.py", pool],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(millrace.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "7\ntoo much\n", done.stderr
