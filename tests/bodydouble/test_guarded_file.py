"""An HDF5 file survives a full disk and Ctrl-C at any of its writes."""

from __future__ import annotations

import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.atomic import replacing
from bodydouble.guarded_file import GuardedFile, new_hdf5_file


def write(path: Path) -> None:
    with replacing(path) as partial, new_hdf5_file(partial) as (file, check):
        for number in range(4):
            file.create_dataset(f"a{number}", data=np.arange(4000.0), chunks=(400,), compression="gzip")
            check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 2, 20, 45])
def test_an_interruption_during_any_write_waits_until_hdf5_is_done_with_it(tmp_path, monkeypatch, number, at):
    writes = 0
    plain = GuardedFile.write

    def interrupted(self, data):
        nonlocal writes
        writes += 1
        if writes == at:
            signal.raise_signal(number)
        return plain(self, data)

    def stop(number, frame):
        raise KeyboardInterrupt(number)

    monkeypatch.setattr(GuardedFile, "write", interrupted)
    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "a.h5")
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
    assert writes >= at
    assert not list(tmp_path.iterdir())


def test_without_an_interruption_the_file_is_whole(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["a0", "a1", "a2", "a3"]
        assert np.array_equal(file["a3"][()], np.arange(4000.0))
