"""What the command line shows is what it was told."""

import pytest
from rich.table import Table

from onehop.cli.app import console

ADDRESSES = ["fa:16:3e:ab:67:d8", "fd00:a:b:100::1", "fa:16:3e:cl:id:00"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_part_of_an_address_becomes_an_emoji(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("MAC", address)
    out = console()
    out.print(table)
    out.print(address)
    assert capsys.readouterr().out.count(address) == 2
