"""Averages, checkpoints and locks."""

import multiprocessing
import random

import numpy as np
import pytest
import torch
from torch import nn

from fewgan.errors import InputError
from fewgan.files import read_json, read_tensors, write_json, write_tensors
from fewgan.training import checkpoint
from fewgan.training.ema import EMA
from fewgan.training.folder import Log, RunFolder


def test_ema_matches_the_recurrence_and_averages_buffers_too():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = EMA(network, 0.9)
    expected = [t.clone() for t in (network[0].weight.detach(), network[1].running_mean)]
    for step in range(1, 31):
        with torch.no_grad():
            network[0].weight.add_(torch.randn(2, 3))
        network(torch.randn(8, 3))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        now = network[0].weight.detach(), network[1].running_mean
        expected = [decay * e + (1 - decay) * n for e, n in zip(expected, now, strict=True)]
    torch.testing.assert_close(average.module[0].weight, expected[0])
    torch.testing.assert_close(average.module[1].running_mean, expected[1])
    assert average.module[1].num_batches_tracked == 30


def test_ema_leaves_the_network_alone():
    network = nn.Linear(2, 2)
    average = EMA(network, 0.5)
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert network.training


def test_optimiser_state_round_trip_continues_bit_for_bit(tmp_path):
    """With channels-last weights, whose moments a file holds in another order."""

    def make():
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return network, torch.optim.Adam(network.parameters(), 0.01, fused=True)

    def train(network, optimiser, steps):
        generator = torch.Generator().manual_seed(3)
        for _ in range(steps):
            optimiser.zero_grad()
            network(torch.randn(2, 3, 5, 5, generator=generator)).square().sum().backward()
            optimiser.step()

    (one, adam), (two, other) = make(), make()
    train(one, adam, 3)
    two.load_state_dict(one.state_dict())
    moments, groups = checkpoint.optimizer_state(adam)
    checkpoint.write(tmp_path / "a.safetensors", moments, {"groups": groups})
    moments, meta = checkpoint.read(tmp_path / "a.safetensors")
    other.param_groups[0]["lr"] = 0.5
    checkpoint.load_optimizer_state(other, moments, meta["groups"])
    train(one, adam, 3)
    train(two, other, 3)
    assert torch.equal(one.weight, two.weight)
    assert other.param_groups[0]["lr"] == 0.01


def test_every_global_generator_is_saved():
    state = checkpoint.rng_state()
    draw = lambda: (torch.rand(3).tolist(), random.random(), np.random.rand())  # noqa: E731, NPY002
    first = draw()
    checkpoint.load_rng_state(*state)
    assert draw() == first


def test_sealed_files_notice_every_flipped_byte(tmp_path):
    """All single-byte changes of a small file are refused or harmless, never a wrong tensor."""
    file, tensors = tmp_path / "a.safetensors", {"w": torch.arange(4.0), "n": torch.tensor(3)}
    write_tensors(file, tensors, {"step": 7})
    good = file.read_bytes()
    silent = 0
    for place in range(len(good)):
        file.write_bytes(good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :])
        try:
            read, meta = read_tensors(file)
        except InputError:
            continue
        silent += 1
        assert meta == {"step": 7}
        assert all(torch.equal(read[k], tensors[k]) for k in tensors)
    assert silent == 0


def test_sealed_json_notices_edits(tmp_path):
    file = tmp_path / "a.json"
    write_json(file, {"classes": ["a", "b"], "n": 1})
    assert read_json(file) == {"classes": ["a", "b"], "n": 1}
    file.write_text(file.read_text().replace('"b"', '"c"'))
    with pytest.raises(InputError, match="does not match its seal"):
        read_json(file)


def test_a_failed_write_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    file = tmp_path / "last.safetensors"
    checkpoint.write(file, {"w": torch.ones(2)}, {"step": 1})
    before = file.read_bytes()

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match="No space left on device; free some space"):
        checkpoint.write(file, {"w": torch.zeros(2)}, {"step": 2})
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    file = tmp_path / "metrics.jsonl"
    log = Log(file)
    log.append({"step": 1})
    mark = log.mark
    log.append({"step": 2})
    again = Log(file, mark)
    again.append({"step": 2, "again": True})
    assert file.read_text() == '{"step": 1}\n{"step": 2, "again": true}\n'
    file.write_text(file.read_text().replace("1", "9", 1))
    with pytest.raises(InputError, match="damaged"):
        Log(file, mark)


def _hold(path, ready, done):
    lock = RunFolder(path).lock()
    ready.set()
    done.wait(30)
    lock.release()


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(tmp_path, ready, done))
    other.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match="another process is training"):
        RunFolder(tmp_path).lock()
    other.kill()  # a killed process frees its lock
    other.join()
    RunFolder(tmp_path).lock().release()
